"""The checks of an experiment, one a file."""

from chaos.protocols import Checker as KIND

__all__ = ["KIND"]
