"""What watches a run: Prometheus' configuration and rules, and Grafana's dashboards as code."""
