"""The reports of a suite: a list of experiments with seeds and budgets, and their combined result."""
