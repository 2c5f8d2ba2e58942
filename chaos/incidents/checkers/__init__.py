"""Checks of an incident's replay, registered in pyproject.toml (entry points: chaos.checkers)."""
