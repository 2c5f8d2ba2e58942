"""The messaging stack that the experiments run on: real processes, real stores, and failure modes of its own."""
