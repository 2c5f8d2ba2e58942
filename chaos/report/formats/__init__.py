"""The formats of report files, one a file; other packages add theirs (entry point chaos.reports)."""

from chaos.report.format import Report as KIND

__all__ = ["KIND"]
