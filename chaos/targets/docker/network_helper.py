"""The network helper under compose: one container in the host's network, as long as this process is connected to it.

It is the only container with capabilities (NET_ADMIN and NET_RAW, on the host's network).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.targets.docker import images
from chaos.targets.docker.engine import Engine, cgroup_parent
from chaos.targets.docker.streams import Stream
from chaos.targets.network import NOT_BRIDGED

if TYPE_CHECKING:
    from docker import APIClient

_BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def cut_blocked() -> str | None:
    """Why this machine does not support cuts, and what to do; None if it does."""
    return None if _BRIDGED.exists() and _BRIDGED.read_text(encoding="utf-8").strip() == "1" else NOT_BRIDGED


def table(engine: Engine) -> str:
    """The name of a stack's table in the packet filter: valid for nft, and unique to this stack and project."""
    own = hashlib.sha256(f"{engine.project}\0{engine.stack}".encode()).hexdigest()[:12]
    return f"chaos_{engine.project[:40].replace('-', '_')}_{own}"


def start(engine: Engine) -> Stream:
    """Start the helper. Each stack on an engine has its own table, so that heals do not interfere. Blocks. Raises
    TargetError.
    """
    return engine.ask_now(lambda api: _start(api, engine))


def _start(api: APIClient, engine: Engine) -> Stream:
    config = api.create_host_config(
        network_mode="host",
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN", "NET_RAW"],
        security_opt=["no-new-privileges"],
        read_only=True,
        cgroup_parent=cgroup_parent(api),
        cpu_shares=4096,  # latency between zones must not grow when processors are short
        auto_remove=True,
    )
    made = api.create_container(
        images.helper_tag(),
        ["python3", "-u", "-m", "helper", table(engine)],
        stdin_open=True,
        labels=engine.own("helper"),
        host_config=config,
    )
    stream = Stream(api.attach_socket(made["Id"], {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}))
    api.start(made["Id"])
    return stream
