"""Derives one verdict from a run's journal, with pure functions."""
