"""Trends of measures over the runs of one experiment: regressions, by a stated test, and flakiness."""
