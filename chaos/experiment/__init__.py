"""Turns a YAML file into a plan without open choices."""
