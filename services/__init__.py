"""The messaging stack that the experiments are played on: real processes, real stores, its own failure modes."""
