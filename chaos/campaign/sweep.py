"""Runs a sweep: one plan for every combination of knobs and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos import redaction
from chaos.experiment.plan import Plan
from chaos.judge.judge import judge
from chaos.model import Verdict
from chaos.record.journal import Journal
from chaos.record.store import every, place, pretty
from chaos.run.child import INTERRUPTED, Player, interrupting

VERDICTS = {verdict.exit_code for verdict in Verdict}  # how a run with a verdict ends


@dataclass(frozen=True)
class Arm:
    """One run of a sweep: its knobs, its seed and its plan."""

    knobs: Mapping[str, str]
    seed: int
    plan: Plan
    hider: redaction.Hider | None = None

    @property
    def words(self) -> str:
        return ", ".join([*(f"{k}={redaction.shown(k, v)}" for k, v in self.knobs.items()), f"seed {self.seed}"])


@dataclass
class Sweep:
    """`command` is the part of the command line that all runs share. `resume` reuses finished runs of the same plans.
    `tell` gets a line for each start and end of a run.
    """

    arms: Sequence[Arm]
    command: Sequence[str]
    runs: Path
    resume: bool
    tell: Callable[[str], None]
    done: list[Path] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def play(self) -> int:
        """Run all arms. Returns 0, or the exit code of the event that ended the sweep early."""
        player = Player(Path.cwd())
        with interrupting(player.end) as interrupted:
            for k, arm in enumerate(self.arms, 1):
                title = f"[{k}/{len(self.arms)}] {arm.words}"
                run = recorded(self.runs, arm.plan, arm.hider) if self.resume else None
                if run is None:
                    self.tell(title)
                    knobs = [f"--set={key}={value}" for key, value in arm.knobs.items()]
                    into = place(self.runs, arm.plan.experiment, arm.seed)
                    played = player.play([*self.command, f"--seed={arm.seed}", *knobs], into)
                    if interrupted:
                        return INTERRUPTED
                    if played.code not in VERDICTS:
                        return played.code
                    run = played.run
                self._ended(title, run)
        return 0

    def _ended(self, title: str, run: Path | None) -> None:
        verdict = Verdict.ERROR if run is None else judge(Journal.load(run)).verdict
        self.verdicts.append(verdict)
        if run is not None:
            self.done.append(run)
        self.tell(f"{title}: {verdict.value}  {run or 'it ended before it had a folder'}")


def recorded(runs: Path, plan: Plan, hider: redaction.Hider | None = None) -> Path | None:
    """The newest complete run of exactly this plan. `hider`: the one that the run was saved with."""
    wanted = pretty(plan.redacted(hider))
    for run in sorted(every(runs), key=lambda r: r.name, reverse=True):
        if run.parent.name != plan.experiment or (run / "plan.json").read_bytes() != wanted:
            continue
        if any(e.data.get("status") == "done" for _, e in Journal.load(run).of("run.end")):
            return run
    return None
