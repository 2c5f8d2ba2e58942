"""Users: the classes of a users' file, the number of users of each class, and their accounts."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from locust.env import Environment

from chaos.load.arrivals import apportion
from chaos.load.contract import USERS, Account, Exit
from chaos.load.openloop.client import Names
from chaos.load.openloop.user import OpenUser
from chaos.load.stop import Stop

HOST = re.compile(r"http://[^/?#\s]+/?|[^/?#\s:]+:\d+|\[[0-9a-fA-F:.]+\]:\d+")


@dataclass(frozen=True)
class Kind:
    """A class of users, with its journeys in the order of the file."""

    cls: type[OpenUser]
    journeys: tuple[tuple[str, str], ...]  # (journey, method)
    weights: tuple[float, ...]
    writes: frozenset[str]  # methods
    readbacks: tuple[tuple[str, str], ...]  # (journey, method)


def load(path: Path) -> dict[str, Kind]:
    """The classes of the users' file by name. Raises Stop with every problem found."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Stop(Exit.USAGE, f"{path}: no such users' file; expected a Python file with OpenUser classes")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))  # as in Locust, users' files may share modules in their folder
    try:
        spec.loader.exec_module(module)
    except Exception as e:
        raise Stop(Exit.USAGE, f"{path}: cannot be imported: {type(e).__name__}: {e}") from e
    found = {n: _kind(c) for n, c in vars(module).items() if _concrete(c)}
    problems = [f"{path}: {n}: {p}" for n, k in found.items() for p in _problems(k)]
    if not found:
        problems = [f"{path}: no users; expected at least one class that subclasses OpenUser"]
    if problems:
        raise Stop(Exit.USAGE, "\n".join(problems))
    return found


def all_read_back(path: Path, kinds: dict[str, Kind]) -> None:
    """Raises Stop for a class that writes without reading back, because its writes could not be verified."""
    problems = [
        f'{path}: {cls}: journey {name!r} writes but is not read back; add a method marked @readback("{name}")'
        for cls, kind in kinds.items()
        for name in sorted({j for j, m in kind.journeys if m in kind.writes} - {j for j, _ in kind.readbacks})
    ]
    if problems:
        raise Stop(Exit.USAGE, "\n".join(problems))


def expect(path: Path, kinds: dict[str, Kind], journeys: Sequence[str]) -> None:
    """Raises Stop for a journey that no class has: a check of it would never have data."""
    known = {name for kind in kinds.values() for name, _ in kind.journeys}
    if strange := sorted(set(journeys) - known):
        raise Stop(Exit.USAGE, f"{path}: no journey {', '.join(strange)}; known: {', '.join(sorted(known))}")


def sign_ups(kinds: dict[str, Kind], count: int) -> list[Account]:
    """New accounts, in one block for each class (the schedule spreads its arrivals over them evenly).

    Names carry a tag of this run, so that a stack that has seen another run does not mix up their users.
    """
    classes = [k.cls for k in kinds.values()]
    try:
        numbers = apportion([c.weight for c in classes], [c.least for c in classes], count)
    except ValueError as e:
        raise Stop(Exit.USAGE, f"count: {e}") from None
    who = [name for name, n in zip(kinds, numbers, strict=True) for _ in range(n)]
    tag, width = secrets.token_hex(3), len(str(count - 1))
    return [Account(f"u{i:0{width}}-{tag}", kind, {}) for i, kind in enumerate(who)]


def save(run: Path, users: Sequence[OpenUser]) -> None:
    """Write users.json. It is readable only by its owner from the start."""
    path = run / USERS
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(msgspec.json.encode([Account(u.name, type(u).__name__, u.kept) for u in users]))


def saved(run: Path, kinds: dict[str, Kind]) -> list[Account]:
    path = run / USERS
    try:
        accounts = msgspec.json.decode(path.read_bytes(), type=list[Account])
    except (OSError, msgspec.MsgspecError) as e:
        raise Stop(Exit.NO_USERS, f"{path}: {e}; expected what --mode prepare writes") from None
    strange = sorted({a.kind for a in accounts} - set(kinds))
    if strange:
        raise Stop(Exit.NO_USERS, f"{path}: users of {strange}, but the users' file has {sorted(kinds)}")
    return accounts


def people(accounts: Sequence[Account], kinds: dict[str, Kind]) -> list[OpenUser]:
    environment = Environment(user_classes=[k.cls for k in kinds.values()])
    names = Names()
    found = []
    for place, account in enumerate(accounts):
        user = kinds[account.kind].cls(environment, names, account.name, place)
        user.mates = [a.name for a in accounts if a.kind == account.kind]
        user.kept = account.kept
        found.append(user)
    return found


def _concrete(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, OpenUser) and not thing.abstract and thing.weight > 0


def _kind(cls: type[OpenUser]) -> Kind:
    methods: dict[str, Callable[..., Any]] = {}
    for c in reversed(cls.__mro__):  # an inherited journey keeps its place, an overridden one its new marks
        methods.update({n: m for n, m in vars(c).items() if callable(m)})
    journeys = [(m.__dict__["journey"], n) for n, m in methods.items() if "journey" in _marks(m)]
    return Kind(
        cls,
        tuple((name, method) for (name, _, _), method in journeys),
        tuple(weight for (_, weight, _), _ in journeys),
        frozenset(method for (_, _, writes), method in journeys if writes),
        tuple((m.__dict__["readback"], n) for n, m in methods.items() if "readback" in _marks(m)),
    )


def _marks(method: Callable[..., Any]) -> dict[str, Any]:
    return getattr(method, "__dict__", {})


def _problems(kind: Kind) -> list[str]:
    found = []
    if not kind.journeys:
        found.append('no journeys; mark at least one method with @journey("name")')
    if any(w <= 0 for w in kind.weights):
        found.append(f"journey weights are {list(kind.weights)}; expected numbers above 0")
    if not kind.cls.hosts:
        found.append('no hosts; expected hosts = ["http://name:port", …]')
    unwritten = sorted({name for name, _ in kind.readbacks} - {name for name, m in kind.journeys if m in kind.writes})
    found += [
        f"read back of journey {name!r}, which writes nothing; mark what it has to find: "
        f'@journey("{name}", writes=True)'
        for name in unwritten
    ]
    found += [
        f"host {h!r}; expected http://name:port without a path, or name:port of another protocol"
        for h in kind.cls.hosts
        if not HOST.fullmatch(h)
    ]
    return found
