"""The parts of the kill matrix: see benchmarks/killmatrix.py."""
