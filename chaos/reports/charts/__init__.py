"""Charts of a run as inline SVG: strips under one time axis, which the page's script can zoom.

Drawn here and not by matplotlib: the strips take their colours from the page, so that dark mode and print work, they
weigh a tenth, start without its second of import, and have nothing in them that differs between two builds.
"""
