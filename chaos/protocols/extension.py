"""The protocol of extensions: parts of an experiment that the harness itself does not know, such as a site that
boots.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from chaos.model import Node

if TYPE_CHECKING:
    from chaos.experiment.plan import Plan, Release
    from chaos.experiment.planning.context import Context
    from chaos.experiment.stack import Stack


@dataclass
class Extension:
    """An extension, created for one plan. Its name is also that of its block in the file, and of its part of the plan.

    It declares the words of the timeline that it handles. Problems are reported to `context.problems` with their place.
    """

    block: ClassVar[Any] = None  # the type of its block; None: it has no block
    carries: ClassVar[Any] = Mapping[str, Any]  # the type of its part of the plan, which `carry` returns
    params: ClassVar[Collection[str]] = ()  # parameters of faults that it converts to plain values
    choosers: ClassVar[Collection[str]] = ()  # keys of a selector that choose among the nodes with matching labels
    none_chosen: ClassVar[str] = ""  # message if they choose no node and that is allowed; empty: it is an error
    ends: ClassVar[Collection[str]] = ()  # words after `until:`

    context: Context
    given: Any  # its block; None if the file has none
    found: Any  # the result of `read`; None if it was not called

    @staticmethod
    def read(given: Any, stack: Stack) -> Any:
        """Read what it needs from the project's files; planning reads none. Raises BadExperiment."""
        return None

    def begin(self) -> None:
        """Called before the first line of the timeline."""
        return None

    def param(self, name: str, value: Any, place: str) -> Mapping[str, Any]:
        """Convert one of `params` to the fault's parameters, with all names resolved."""
        return {name: value}

    def chosen(self, chooser: str, value: Any, nodes: Sequence[Node], place: str) -> Sequence[Node]:
        """The part of `nodes` that one of `choosers` selects. `value` is text, as for labels."""
        return nodes

    def releases(self, end: str, at: float, names: Sequence[str], place: str) -> Sequence[Release]:
        """When a fault that starts at `at` is healed on these nodes, if it lasts until one of `ends`."""
        return ()

    def carry(self) -> Any:
        """Its part of the plan, for checks and reports, after the timeline was planned; None: nothing."""
        return None

    @staticmethod
    def said(plan: Plan) -> Sequence[str]:
        """What `chaos plan` shows besides the timeline, one paragraph each."""
        return ()
