"""The available targets. A new one is a package and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.errors import ChaosError

if TYPE_CHECKING:
    from chaos.experiment.stack import Stack
    from chaos.protocols import Target


@dataclass(frozen=True)
class Kind:
    """`module` has `make(stack, log_dir, tell)`, which starts and asks nothing, and `unavailable()`, which says why
    this machine has no such target, and what to do. It may have `resolve`, see experiment.stack.read, or `attach`
    in its place; otherwise the harness has to understand the stack's file itself. `boxed`: commands run inside a box,
    which is checked when it is entered, and which ends together with the stack.
    """

    module: str
    boxed: bool = False

    def unavailable(self) -> str | None:
        if self.boxed:
            return None
        found: str | None = importlib.import_module(self.module).unavailable()
        return found


KNOWN: dict[str, Kind] = {  # the preferred one comes first
    "compose": Kind("chaos.targets.compose.target"),
    "process": Kind("chaos.targets.process.target", boxed=True),
}
ATTACHED = "attached"  # a project that others started; chosen by naming it
_ALL = {ATTACHED: Kind("chaos.targets.attached.target")}


def _kind(name: str) -> Kind:
    return KNOWN.get(name) or _ALL[name]


def choose(wanted: str | None) -> str:
    """The requested target, else the first that works here. Raises ChaosError if there is none."""
    from chaos.targets.box import box

    if box.inside():
        return next(name for name, kind in KNOWN.items() if kind.boxed)
    if wanted is None:
        return next(name for name, kind in KNOWN.items() if not kind.unavailable())
    if reason := _kind(wanted).unavailable():
        raise ChaosError(f"--target {wanted}: {reason}")
    return wanted


def boxed(name: str) -> bool:
    return name in KNOWN and KNOWN[name].boxed


def usable(wanted: str | None) -> Sequence[str]:
    """The requested target, else all that work here, as far as can be known before entering a box. The preferred one is
    last.
    """
    return [wanted] if wanted else [name for name, kind in reversed(KNOWN.items()) if not kind.unavailable()]


def read(
    name: str, file: Path, posture: str | None, sets: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> Stack:
    """The stack as the target understands its file. Raises BadExperiment."""
    from chaos.experiment import stack as stackfile

    if name not in KNOWN and name not in _ALL:  # nothing is started
        return stackfile.read(file, posture, sets, strict=False, environ=environ)
    module = importlib.import_module(_kind(name).module)
    if hasattr(module, "attach"):
        own: Stack = module.attach(file, posture, sets, environ)
        return own
    resolve = getattr(module, "resolve", None)
    return stackfile.read(file, posture, sets, strict=resolve is None, environ=environ, resolve=resolve)


def make(
    name: str, stack: Stack, log_dir: Path | None = None, tell: Callable[[str], None] = lambda text: None
) -> Target:
    """Make a target. It starts and asks nothing yet. `tell` receives what it is busy with."""
    found: Target = importlib.import_module(_kind(name).module).make(stack, log_dir, tell)
    return found
