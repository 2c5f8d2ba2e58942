"""Reports on incidents: pages, terminal output, and facts compared with runs."""
