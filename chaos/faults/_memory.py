"""What memory faults have in common: a limit in which a program can start, and that the machine can exceed."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta

from chaos.errors import BadExperiment

MIB = 1 << 20
MemoryLimit = Annotated[float, Meta(ge=6, extra={"unit": "MiB"})]  # for all of a node's processes together


def within_the_machine(fault: str, limit: float) -> None:
    """Raise BadExperiment for a limit (MiB) that a node cannot reach before this machine is out of memory."""
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MIB
    if limit >= has:
        raise BadExperiment(f"{fault}.limit: found {limit:g} MiB, expected less than this machine has ({has:.0f} MiB)")
