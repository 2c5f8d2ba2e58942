"""High availability of the databases: a supervisor beside each, and the lease that decides which one is primary."""
