"""Executes a plan: the orchestrator, and the mechanisms that guarantee that everything is healed."""
