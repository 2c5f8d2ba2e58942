"""Rosters: who owns each component, and which owners are left when people leave."""
