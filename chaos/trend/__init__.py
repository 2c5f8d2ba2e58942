"""Each measure over the runs of one experiment: what got worse, by a stated test, and what differs by itself."""
