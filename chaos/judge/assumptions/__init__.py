"""What must hold in every run before a check can pass or fail: one assumption a file, found by name."""

from chaos.protocols import Assumption as KIND

__all__ = ["KIND"]
