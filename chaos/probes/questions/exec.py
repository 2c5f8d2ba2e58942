"""A command inside a node: it ends with exit code 0 in time, and prints this text.

A node that is down cannot be asked, so it gives no answer, neither a good nor a bad one. Ask in a node that no fault
ends.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.protocols import Target
from chaos.protocols.capabilities import EXEC
from chaos.protocols.questions import Answer, Question
from chaos.registry import hint

MARGIN = 1.0  # seconds: whoever asks gives up first, so that a slow command is a bad answer


@final
@dataclass(frozen=True)
class Exec(Question[Target]):
    needs = EXEC
    fails: ClassVar = (
        "the command does not end in time, ends with another exit code than 0, or its output lacks the text"
    )

    node: str
    run: tuple[str, ...]
    contains: str = ""

    def __post_init__(self) -> None:
        if not any(self.run) or any("\0" in word for word in self.run):
            raise BadExperiment("exec.run: found no command, expected something like [etcdctl, endpoint, health]")

    def missing(self, nodes: Sequence[Node]) -> str | None:
        names = [n.name for n in nodes]
        return None if self.node in names else f"exec.node: no node {self.node!r}; {hint(self.node, names)}"

    def inside(self) -> str:
        return self.node

    @property
    def words(self) -> str:
        wanted = f", contains {self.contains!r}" if self.contains else ""
        return f"{shlex.join(self.run)} in {self.node}, exit code 0{wanted}"

    async def ask(self, on: Target, within: float) -> Answer:
        node = next(n for n in on.nodes() if n.name == self.node)
        code, output = await on.can.need(EXEC).exec(node, self.run, within + MARGIN)
        figures = {"code": float(code)}
        last = output.strip().splitlines()[-1:] or [""]
        if code:
            return Answer(False, figures, f"exit code {code}: {last[0]:.120}".rstrip(": "))
        if self.contains not in output:
            return Answer(False, figures, f"its output lacks {self.contains!r:.40}: {last[0]:.120}".rstrip(": "))
        return Answer(True, figures)
