"""Everything the harness raises on purpose, with the exit code each ends in.

* ChaosError              exit 2, the harness could not do its job
  x Crash                 a bug: one line, and a traceback in the run's folder or in $XDG_STATE_HOME/chaos/tracebacks
  x BadExperiment         exit 64, a file or an argument is wrong; says where, and what is expected
  x TargetError           the system under test could not be started, read or changed
    x NotOurs             something in the way belongs, or may belong, to others
    x CannotLook          a node could not be checked: it is unknown whether the fault is in force
  x FaultError            a fault could not be injected or healed
    x NoEffect            exit 3, the effect of a fault could not be confirmed
  x NotSteady             exit 3, the system was not healthy before the first fault
  x Stopped               exit 3, a stop condition of the experiment held
  x LeaseLost             exit 2, the harness stalled for so long that its watchdog may be healing in its place
  x Halted                exit 75, all runs of this user are halted; try again after `chaos resume`
  x StackInUse            exit 75, another command holds the stack; try again when it has ended
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar


class ChaosError(Exception):
    exit_code: ClassVar[int] = 2


class Crash(ChaosError):
    """A bug of the harness, or an unexpected condition of the machine."""


class BadExperiment(ChaosError):
    """Carries every problem found, one a line, so that a file can be corrected in one go."""

    exit_code: ClassVar[int] = 64

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TargetError(ChaosError):
    pass


class NotOurs(TargetError):
    pass


class CannotLook(TargetError):
    pass


class FaultError(ChaosError):
    pass


class NoEffect(FaultError):
    exit_code: ClassVar[int] = 3


class NotSteady(ChaosError):
    exit_code: ClassVar[int] = 3


class Stopped(ChaosError):
    exit_code: ClassVar[int] = 3


class LeaseLost(ChaosError):
    pass


class Halted(ChaosError):
    exit_code: ClassVar[int] = 75  # sysexits.h, EX_TEMPFAIL: the command is correct and may be tried again later


class StackInUse(ChaosError):
    """`holder` is the holder of the stack, as far as it is known."""

    exit_code: ClassVar[int] = 75

    def __init__(self, words: str, holder: Any = None) -> None:
        super().__init__(words)
        self.holder = holder


def __getattr__(name: str) -> Any:
    if name != "NoBite":  # the name of NoEffect in earlier releases
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("chaos.errors.NoBite is now chaos.errors.NoEffect", DeprecationWarning, stacklevel=2)
    return NoEffect
