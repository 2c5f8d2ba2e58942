"""Everything the harness raises on purpose, with the exit code each ends in.

* ChaosError              exit 2, the harness could not do its job
  x BadExperiment         exit 64, a file or an argument is wrong; says where and what would be right
  x TargetError           the system under test could not be started, read or shaped
  x FaultError            a fault could not be injected or healed
    x NoBite              exit 3, a fault was injected and nobody can see it
  x NotSteady             exit 3, the system was not well before the first fault
  x Stopped               exit 3, a stop condition of the experiment held
  x LeaseLost             exit 2, the harness stood still for so long that others may be healing in its place
  x Halted                exit 75, somebody has halted all runs of this user; try again after `chaos resume`
"""

from __future__ import annotations

from typing import ClassVar


class ChaosError(Exception):
    exit_code: ClassVar[int] = 2


class BadExperiment(ChaosError):
    """Carries every problem found, one a line, so that a file is mended in one go."""

    exit_code: ClassVar[int] = 64

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TargetError(ChaosError):
    pass


class FaultError(ChaosError):
    pass


class NoBite(FaultError):
    exit_code: ClassVar[int] = 3


class NotSteady(ChaosError):
    exit_code: ClassVar[int] = 3


class Stopped(ChaosError):
    exit_code: ClassVar[int] = 3


class LeaseLost(ChaosError):
    pass


class Halted(ChaosError):
    exit_code: ClassVar[int] = 75  # sysexits.h, EX_TEMPFAIL: nothing is wrong with the command, it may be tried later
