"""Machines without a Linux kernel of their own, where the Docker engine runs in a virtual machine."""

from __future__ import annotations

import sys


def unsupported() -> str | None:
    """Why no target works here, and what to do; None on Linux.

    Nodes, load and harness have to share one clock and one /proc, those of the engine's kernel.
    """
    if sys.platform == "linux":
        return None
    return (
        f"the harness needs a Linux kernel, the Docker engine's or its own, and this is {sys.platform}; `make "
        "container` in a checkout of chaos opens a shell beside the engine, where every command works"
    )
