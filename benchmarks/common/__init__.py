"""What several benchmarks stand on: results and their document, stacks to hurt, servers to ask."""
