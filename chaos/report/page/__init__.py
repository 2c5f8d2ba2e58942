"""The frame of report.html: template, style and script, as Python modules, so that the package needs no data files."""
