"""`incident`: names the dossier that a run is compared with. The plan carries all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from chaos.experiment.stack import Stack
from chaos.incidents import file as dossiers
from chaos.incidents.carried import Dossier
from chaos.protocols.extension import Extension


@final
@dataclass
class Incident(Extension):
    block: ClassVar = str  # seeds/<incident>.yaml
    carries: ClassVar = Dossier

    given: str | None
    found: Dossier | None

    @staticmethod
    def read(given: str | None, stack: Stack) -> Dossier | None:
        return None if given is None else dossiers.raw(dossiers.path(stack.root, given))

    def carry(self) -> Mapping[str, Any] | None:
        return dict(self.found) if self.found else None
