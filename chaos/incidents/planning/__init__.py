"""Extensions of experiments for incidents, registered in pyproject.toml (entry points: chaos.extensions)."""
