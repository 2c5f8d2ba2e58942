"""Values that are sampled periodically during a run, one probe a file."""

from chaos.protocols import Probe as KIND

__all__ = ["KIND"]
