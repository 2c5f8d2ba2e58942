"""Charts of a run as inline SVG: strips on a common time axis, which the page's script can zoom.

They are not made with matplotlib: strips use the page's colours, so that dark mode and print work. They are a tenth of
the size, need no second for an import, and are identical in every build.
"""
