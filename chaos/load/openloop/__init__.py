"""The load process. Run it with `python -m chaos.load.openloop`; import it only in a users' file.

Importing it imports locust, which patches sockets, threads and time of the whole process.
"""

from __future__ import annotations

from chaos.load.openloop.user import Broken, OpenUser, Page, journey, readback

__all__ = ["Broken", "OpenUser", "Page", "journey", "readback"]
