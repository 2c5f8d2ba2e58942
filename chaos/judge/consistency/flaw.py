"""One contradiction in a record, with its file and line."""

from __future__ import annotations

from typing import NamedTuple


class Flaw(NamedTuple):
    file: str
    line: int  # 0: something is missing from the file
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.words}" if self.line else f"{self.file}: {self.words}"
