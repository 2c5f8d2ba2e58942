"""Runs a suite: each run within its budget, until a run is halted, the suite's budget is used up, or it is
interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from chaos.errors import ChaosError
from chaos.experiment.suite import Play, Suite
from chaos.record.store import place, write
from chaos.report.suite import junit, sarif, summary
from chaos.report.suite.outcome import HALTED, Outcome, left_out, outcome
from chaos.run.child import INTERRUPTED, Player, interrupting
from chaos.units import duration, in_words


@dataclass
class Night:
    """`play` executes the runs, and writes junit.xml, suite.sarif and summary.md into `folder` after each one.

    `tell` gets a line for each start and end of a run, `hear` every line of a run's output. `code` overrides the
    verdicts' exit code if the suite was interrupted or halted; otherwise it is 0.
    """

    suite: Suite
    target: str | None
    stack_file: Path
    runs: Path
    folder: Path
    tell: Callable[[str], None]
    hear: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""  # why no further run is started
    code: int = 0

    def play(self, planned: Sequence[Play]) -> None:
        """Raises ChaosError if `folder` cannot be written."""
        player = Player(Path.cwd(), self.hear)
        end = time.monotonic() + duration(self.suite.budget)
        with interrupting(player.end) as interrupted:
            for n, play in enumerate(planned, 1):
                left = end - time.monotonic()
                if interrupted:
                    self.stopped, self.code = "not started: the suite was interrupted", INTERRUPTED
                if left <= 0 and not self.stopped:
                    self.stopped = f"not started: the suite's budget of {self.suite.budget} is used up"
                if self.stopped:
                    self.outcomes.append(left_out(play, self.stopped))
                else:
                    self.tell(f"== {n} of {len(planned)}: {play.title} (at most {in_words(play.budget)})")
                    self._one(player, play, min(play.budget, left))
                self._write()
        if interrupted:
            self.code = INTERRUPTED

    def _one(self, player: Player, play: Play, budget: float) -> None:
        into = place(self.runs, Path(play.entry.experiment).stem, play.seed)
        played = player.play(play.arguments(self.target, self.stack_file), into, budget)
        found = outcome(play, played)
        self.outcomes.append(found)
        self.tell(f"== {found.badge}  {play.title}, {found.seconds:.0f} s")
        if played.code == HALTED:
            said = played.said[-1].removeprefix("chaos: ") if played.said else "runs are halted, or the stack is in use"
            self.stopped, self.code = f"not started: {said}", HALTED

    def _write(self) -> None:
        """Write reports after every run, so that they exist if the suite is cut off."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ChaosError(
                f"{self.folder}: cannot be created ({e.strerror}); choose another folder with --out"
            ) from None
        name, root = self.suite.name, self.stack_file.resolve().parent
        found = {
            "junit.xml": junit.render(name, self.outcomes),
            "suite.sarif": sarif.render(name, version("chaos-harness"), self.outcomes, root),
            "summary.md": summary.render(name, self.suite.about, self.outcomes),
        }
        for file, text in found.items():
            write(self.folder / file, text.encode())
