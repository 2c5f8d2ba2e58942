"""Asks a run's questions: those of users in a process among the users, the others in the harness."""
