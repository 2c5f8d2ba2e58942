"""Tells a system that refuses a connection from a machine that cannot open one."""

from __future__ import annotations

import errno
import os
import socket

from chaos.errors import ChaosError
from chaos.protocols.questions import Answer

# The asking machine ran out of something, so the question did not reach the system.
OWN = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}


def refused(error: OSError) -> Answer:
    """A bad answer with its reason. Raises ChaosError if the error says nothing about the system."""
    unknown = isinstance(error, socket.gaierror)  # its numbers are not the system's
    named = os.strerror(error.errno) if error.errno and not unknown else error.strerror  # asyncio's text has an address
    said = named or str(error) or type(error).__name__
    if error.errno in OWN and not unknown:
        raise ChaosError(f"could not be asked: {said}") from error
    return Answer(False, why=f"name not resolved: {said}" if unknown else said)
