"""What a probe with a tolerance asks, one question a file."""

from chaos.protocols.questions import Question as KIND

__all__ = ["KIND"]
