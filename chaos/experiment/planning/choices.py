"""The inputs of planning besides the experiment's file: choices of the user, and facts about the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.experiment.users import Users
from chaos.model import Node


@dataclass(frozen=True)
class Choices:
    """What the user chose on the command line, and what was read from the stack and from the project's files."""

    seed: int
    settings: Mapping[str, Any]
    found: Mapping[str, Any]  # by extension, what it read from the project's files
    without: frozenset[str] = frozenset()  # kinds of check to leave out
    short: bool = False
    no_faults: bool = False
    between_zones_ms: float = 0.0  # latency between zones, one way, according to the stack
    postures: tuple[str, ...] = ()  # the stack's postures
    described: tuple[Node, ...] = ()  # all nodes in the stack's file, in any posture
    users: Users | None = None  # what is known of the load's journeys; None if its file was not read
    load_file: str = ""  # the load's file where it was found, relative to experiments/; empty if it was not looked for
