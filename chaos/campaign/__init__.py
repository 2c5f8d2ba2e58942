"""Suites and sweeps: several runs, one after another, and their common reports."""
