"""The extensions of one plan, and which of them handles each word of the timeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chaos.errors import BadExperiment
from chaos.experiment.extensions import KIND as Extension
from chaos.experiment.extensions import every

if TYPE_CHECKING:
    from chaos.experiment.planning.context import Context


class Extensions:
    """All installed extensions, created for one plan. Raises BadExperiment if two of them handle the same word."""

    def __init__(self, context: Context) -> None:
        blocks, found = context.experiment.blocks, context.choices.found
        self._made = {name: cls(context, blocks.get(name), found.get(name)) for name, cls in every().items()}
        self.params = self._words((name, one.params) for name, one in self._made.items())
        self.choosers = self._words((name, one.choosers) for name, one in self._made.items())
        self.ends = self._words((name, one.ends) for name, one in self._made.items())

    def _words(self, said: Iterable[tuple[str, Collection[str]]]) -> Mapping[str, Extension]:
        owners: dict[str, str] = {}
        for name, words in said:
            for word in words:
                if (other := owners.setdefault(word, name)) != name:
                    raise BadExperiment(
                        f"extensions {other} and {name} both answer for {word!r}; uninstall one of them"
                    )
        return {word: self._made[name] for word, name in owners.items()}

    def begin(self) -> None:
        for one in self._made.values():
            one.begin()

    def carried(self) -> Mapping[str, Any]:
        """Return the parts of the plan by extension, without extensions that have none."""
        each = ((name, one.carry()) for name, one in self._made.items())
        return {name: value for name, value in each if value is not None}
