"""Odd input for every parser: each input ends in a documented exit code, soon, small, and leaves no file elsewhere.

`make fuzz` runs it for an hour; `pytest tests/fuzz` replays every input that was ever found, and tries a few new ones.
docs/fuzzing.md says how to read a finding and how to add a parser.
"""
