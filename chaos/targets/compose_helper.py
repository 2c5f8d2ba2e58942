"""The network helper under compose: one container in the host's network, for as long as we are connected to it.

It is the only container with a capability (NET_ADMIN, NET_RAW, on the host's network).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.targets import images
from chaos.targets.compose_engine import OURS, Engine, cgroup_parent
from chaos.targets.compose_stream import Stream
from chaos.targets.network import NOT_BRIDGED

if TYPE_CHECKING:
    from docker import APIClient

_BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def cut_blocked() -> str | None:
    """Why nothing can be cut on this machine, with what to do; None where it can, or where only the helper can tell."""
    if sys.platform != "linux":
        return None  # the engine's kernel is in a virtual machine; the helper looks there before the first cut
    return None if _BRIDGED.exists() and _BRIDGED.read_text().strip() == "1" else NOT_BRIDGED


def start(engine: Engine) -> Stream:
    """Two stacks on one engine have a table each, and do not heal each other. Blocks. Raises TargetError."""
    return engine.ask_now(lambda api: _start(api, engine.project))


def _start(api: APIClient, project: str) -> Stream:
    config = api.create_host_config(
        network_mode="host",
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN", "NET_RAW"],
        security_opt=["no-new-privileges"],
        read_only=True,
        cgroup_parent=cgroup_parent(api),
        cpu_shares=4096,  # what lies between the zones must not grow because processors are short
        auto_remove=True,
    )
    made = api.create_container(
        images.helper_tag(),
        ["python3", "-u", "-m", "helper", project.replace("-", "_")],
        stdin_open=True,
        labels={OURS: project, "chaos.kind": "helper"},
        host_config=config,
    )
    stream = Stream(api.attach_socket(made["Id"], {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}))
    api.start(made["Id"])
    return stream
