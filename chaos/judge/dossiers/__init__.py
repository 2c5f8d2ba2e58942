"""Incident dossiers, the facts that a run is compared with. Packages add theirs (entry point chaos.dossiers)."""

from chaos.protocols import Dossier as KIND

__all__ = ["KIND"]
