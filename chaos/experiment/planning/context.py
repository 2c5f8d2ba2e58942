"""The state that all parts of planning share: the experiment, the target, the choices, and the results so far."""

from __future__ import annotations

import random

from chaos.experiment.file import Experiment
from chaos.experiment.planning.choices import Choices
from chaos.experiment.planning.draft import Draft
from chaos.experiment.planning.extensions import Extensions
from chaos.experiment.planning.problems import Problems
from chaos.experiment.planning.settings import Settings
from chaos.protocols import Target


class Context:
    def __init__(self, file: str, experiment: Experiment, target: Target, choices: Choices) -> None:
        self.experiment, self.target, self.choices = experiment, target, choices
        self.nodes = sorted(target.nodes())
        self.problems = Problems(file)
        self.settings = Settings(choices, experiment.scale, self.problems)
        self.draft = Draft()
        self.extensions = Extensions(self)

    def dice(self, what: str) -> random.Random:
        """Return a generator for one choice, seeded by `what`: a new node in one zone changes no choice in another."""
        return random.Random(f"{self.choices.seed} {what}")
