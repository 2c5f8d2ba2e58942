"""Why a load's process cannot continue."""

from __future__ import annotations

from chaos.load.contract import Exit


class Stop(Exception):
    """The program cannot continue: the reason, and the exit code."""

    def __init__(self, code: Exit, why: str) -> None:
        super().__init__(why)
        self.code = code
