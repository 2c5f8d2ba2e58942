"""Looks at a stack that it has never seen: the map of it, and a first set of experiments. Pure; the commands write."""
