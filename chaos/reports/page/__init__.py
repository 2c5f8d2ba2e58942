"""The frame of report.html: template, style and script, in Python so that an installed package needs no data files."""
