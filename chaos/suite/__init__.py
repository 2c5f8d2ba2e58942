"""A list of experiments with their seeds and budgets, played one after the other, and what came of them together."""
