"""What the harness costs and how exact it is, measured beside others; `python -m benchmarks` writes docs/benchmarks.md.

A benchmark is a module here with a function `rows() -> Result`; its docstring says what is measured and how. A module
without that function (a program of its own) is left alone.
"""
