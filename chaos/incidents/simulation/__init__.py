"""Simulates a whole site with all its users."""
