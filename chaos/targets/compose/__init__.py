"""The stack as containers, started by the compose command."""
