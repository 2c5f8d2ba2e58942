"""The values of knobs and the seeds that a sweep tries."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from chaos import redaction
from chaos.errors import BadExperiment
from chaos.experiment.file import Experiment

MOST = 200  # runs of one sweep; more is probably a typing error


def values(sets: Sequence[str], made: Experiment) -> dict[str, list[str]]:
    """Knob: the values to try, from `--set`, else from the experiment's `sweep:`. Raises BadExperiment."""
    if not sets and not made.sweep:
        raise BadExperiment(
            f"{made.name}: found no knob to sweep; expected --set KNOB=VALUE,VALUE… (such as "
            "--set boot_lanes=1,4,8,32), or `sweep:` in the file"
        )
    found = {knob: [_plain(v) for v in some] for knob, some in ({} if sets else made.sweep).items()}
    for given in sets:
        knob, equals, listed = given.partition("=")
        text = redaction.assignment(given)
        some = [v.strip() for v in (redaction.restored(knob, listed, os.environ) or "").split(",")]
        if not (equals and knob and all(some)):
            raise BadExperiment(f"--set {text}: expected KNOB=VALUE,VALUE…, e.g. --set boot_lanes=1,4,8,32")
        if knob in found:
            raise BadExperiment(f"--set {text}: {knob} was given before; list all its values in one --set")
        if len(set(some)) < len(some):
            raise BadExperiment(f"--set {text}: a value is given twice")
        found[knob] = some
    return found


def numbers(text: str | None, single: int) -> list[int]:
    """`1..3` or `1,4,9` as seeds; `single` if none are given. Raises BadExperiment."""
    if text is None:
        return [single]
    if m := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        found = list(range(int(m[1]), int(m[2]) + 1))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        found = [int(part) for part in text.split(",")]
    else:
        found = []
    if not found or len(set(found)) < len(found):
        raise BadExperiment(f"--seeds {text}: expected seeds such as 1..3 or 1,4,9, each once")
    return found


def combinations(made: Experiment, spread: Mapping[str, Sequence[str]], seeds: Sequence[int]) -> list[dict[str, str]]:
    """Every combination of the knobs' values, each to be run with every seed. Raises BadExperiment for too many."""
    found = [dict(zip(spread, chosen, strict=True)) for chosen in product(*spread.values())]
    if (n := len(found) * len(seeds)) > MOST:
        raise BadExperiment(f"{made.name}: that is {n} runs, expected {MOST} at most; leave values or seeds out")
    return found


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
