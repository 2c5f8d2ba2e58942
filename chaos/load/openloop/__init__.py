"""The load's own process: run it with `python -m chaos.load.openloop`, import it from a users' file, nowhere else.

Importing it imports locust, which patches sockets, threads and time of the whole process.
"""

from __future__ import annotations

from chaos.load.openloop.user import Broken, OpenUser, Page, journey, readback

__all__ = ["Broken", "OpenUser", "Page", "journey", "readback"]
