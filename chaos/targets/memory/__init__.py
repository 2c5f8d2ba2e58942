"""A target made of dicts, for tests."""
