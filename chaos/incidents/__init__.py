"""Compares runs with real incidents: dossiers, staff, people, and the simulation of a whole site."""
