"""Reads a run's files line by line. Invalid lines are left out, and kept with their number as damage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from chaos import jsonfile
from chaos.model import UNREADABLE, Event, Op
from chaos.record import older

T = TypeVar("T")
Numbers = dict[str, float | None]  # null is how an invalid number was written
# What msgspec raises for arbitrary bytes: invalid JSON, another form, invalid UTF-8, or nesting that is too deep.
UNREAD = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)


@dataclass(frozen=True)
class Damage:
    """A line that could not be read. `torn`: it is the file's last one, whose writer may have been killed while
    writing.
    """

    file: str
    line: int
    why: str
    torn: bool = False


class _Data(msgspec.Struct):
    """The required data of an event of a known kind; additional keys are allowed."""


class _Nodes(_Data):
    nodes: tuple[str, ...] = ()
    fault: str = ""
    figures: Numbers = {}
    unit: int = 0
    error: str = ""
    behind: tuple[str, ...] = ()


class _Start(_Data):
    seed: int | None = None
    target: str | None = None
    posture: str | None = None


class _End(_Data):
    status: str


class _Stopped(_Data):
    value: float | None = None
    condition: str = ""


class _Error(_Data):
    error: str = ""
    type: str = ""
    verdict: Literal["ERROR", "INCONCLUSIVE"] | None = None


class _Residue(_Data):
    left: tuple[str, ...]


class _Done(_Data):
    codes: dict[str, int] = {}
    output: dict[str, str] = {}


class _Vitals(_Data):
    figures: Numbers = {}
    when: str = ""


FORMS: Mapping[str, Any] = {
    "run.start": _Start, "run.end": _End, "run.stopped": _Stopped, "run.error": _Error, "residue": _Residue,
    "network.lost": _Error, "operator.start": _Nodes, "operator.done": _Done, "vitals": _Vitals,
    "probe.sample": dict[str, float | str | None],
}  # fmt: skip


def event(raw: bytes) -> Event:
    """One line of journal.jsonl, under the names of this release. Raises one of UNREAD."""
    found = _EVENT.decode(raw)
    form = _Nodes if found.kind.startswith(("fault.", "step.")) else FORMS.get(found.kind)
    if form is not None:
        msgspec.convert(found.data, form)
    return older.event(found)


def unreadable_event(why: str) -> Event:
    """A placeholder of an unknown kind for an unreadable line, so that the following lines keep their numbers."""
    return Event(0.0, UNREADABLE, "", {"why": why})


def unreadable_op(why: str) -> Op:
    return Op(0.0, 0.0, 0.0, "", "", "", "", "", UNREADABLE, error=why)


def read(
    path: Path, decode: Callable[[bytes], T], unreadable: Callable[[str], T], damage: list[Damage]
) -> tuple[T, ...]:
    """Every line of `path`; none if the file does not exist. Unreadable lines are added to `damage`."""
    try:
        raw = jsonfile.contents(path).split(b"\n") if path.exists() else [b""]
    except jsonfile.Unreadable as e:
        damage.append(Damage(path.name, 0, str(e)))
        return ()
    rest = raw[-1]  # what follows the last newline: nothing, or a line that a killed writer left unfinished
    found = []
    for n, line in enumerate(raw if rest else raw[:-1], 1):
        try:
            found.append(decode(line))
        except UNREAD as e:
            if line.strip():
                damage.append(Damage(path.name, n, str(e).replace("`", "'"), torn=line is rest))
            if line is not rest:
                found.append(unreadable(str(e)))
    return tuple(found)


def document(path: Path, kind: type[T], damage: list[Damage]) -> T | None:
    """A file that holds one value; None if it does not exist or is damaged."""
    try:
        return jsonfile.decode(jsonfile.contents(path), kind, path.name)
    except FileNotFoundError:
        return None
    except jsonfile.Unreadable as e:
        damage.append(Damage(path.name, 1, str(e).removeprefix(f"{path.name}: ")))
        return None


_EVENT = msgspec.json.Decoder(Event)
op = msgspec.json.Decoder(Op).decode
