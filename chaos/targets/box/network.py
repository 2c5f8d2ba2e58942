"""The box's network: for each node a namespace, a veth pair and a /32 address, routed through the box's own namespace.

It is routed, not bridged, so that the cuts of chaos.helper.nft see every packet without br_netfilter.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos.errors import TargetError

GATEWAY = "10.77.0.1"
NOWHERE = "10.77.0.53"  # drops all packets: the name server of nodes without name resolution
_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def build(folder: Path, addresses: Mapping[str, str]) -> None:
    """Make a namespace `folder/NAME` for each new name. Blocks for about 5 ms each. Raises TargetError.

    setns(2) affects only one thread. It is called in a temporary thread, so that no other code runs in a node's
    network.
    """
    folder.mkdir(exist_ok=True)
    missing = {name: address for name, address in addresses.items() if not (folder / name).exists()}
    if missing:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_build, folder, missing).result()


def _build(folder: Path, addresses: Mapping[str, str]) -> None:
    from pyroute2 import IPRoute  # 0.1 s, needed in the box only
    from pyroute2.netlink.exceptions import NetlinkError

    gateway_ns = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    name = "box"
    try:
        with IPRoute() as gateway:
            lo = gateway.link_lookup(ifname="lo")[0]
            gateway.addr("replace", index=lo, address=GATEWAY, prefixlen=32)
            gateway.route("replace", dst=f"{NOWHERE}/32", type="blackhole")
            for name, address in addresses.items():
                _namespace(folder / name)
                _wire_node(address, gateway_ns)
                _call(_libc.setns(gateway_ns, _CLONE_NEWNET), "setns")
                peer = gateway.link_lookup(ifname=_peer(address))[0]
                gateway.link("set", index=peer, state="up")
                gateway.route("add", dst=f"{address}/32", oif=peer)
    except (OSError, NetlinkError) as e:
        raise TargetError(f"{name}: its network could not be made: {e}; `chaos doctor` says what is missing") from e
    finally:
        _libc.setns(gateway_ns, _CLONE_NEWNET)
        os.close(gateway_ns)


def _namespace(place: Path) -> None:
    """Move this thread into a new network namespace and bind it to a path."""
    _call(_libc.unshare(_CLONE_NEWNET), "unshare")
    place.touch()
    _call(_libc.mount(_OWN.encode(), os.fsencode(place), b"", _MS_BIND, b""), "mount")
    # As in a container: no IPv6 (72 links would cause traffic), and port 80 needs no capability.
    for setting, value in (("ipv6/conf/all/disable_ipv6", "1"), ("ipv4/ip_unprivileged_port_start", "0")):
        path = Path("/proc/sys/net", setting)
        if path.exists():
            path.write_text(value, encoding="utf-8")


def _wire_node(address: str, gateway_ns: int) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as node:
        node.link("add", ifname="eth0", kind="veth", peer={"ifname": _peer(address), "net_ns_fd": gateway_ns})
        eth0, lo = node.link_lookup(ifname="eth0")[0], node.link_lookup(ifname="lo")[0]
        node.addr("add", index=eth0, address=address, prefixlen=32)
        for link in (lo, eth0):
            node.link("set", index=link, state="up")
        node.route("add", dst=f"{GATEWAY}/32", oif=eth0, scope=253)  # 253: on this link
        node.route("add", dst="default", gateway=GATEWAY, oif=eth0)


def _peer(address: str) -> str:
    """A unique interface name of at most 15 characters. v10-77-1-13 would have 11 to 15, so the common prefix is
    dropped.
    """
    return "v" + "-".join(address.split(".")[1:])


def _call(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
