"""Cuts between addresses as one nftables table, `inet chaos`, read back from the kernel as they were asked for.

The table is replaced as a whole in one transaction, so a cut of any size is there for every packet at the same
instant, and to heal is to delete one table. No connection tracking: established connections are cut as well.

    chain input, forward, output   at their hooks, priority -10, policy accept: jump to `cuts`
    chain cuts                     ip saddr @a0 ip daddr @b0 drop     (`!= @a0` where b is everybody else)

Imports nothing of chaos. Numbers and attributes: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import TypedDict

from .netlink import APPEND, CREATE, NftError, attribute, dump, message, nested, number, parse, text, transact

__all__ = ["Cut", "NftError", "apply", "clear", "listing", "standing"]

TABLE = "chaos"
PRIORITY = -10  # before the filters of firewalls and engines (0), after address translation (-100)
HOOKS = {"input": 1, "forward": 2, "output": 3}

_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _GETRULE = 0, 1, 2, 3, 6, 7
_NEWSET, _NEWELEMENT, _GETELEMENT = 9, 12, 13
_DROP, _JUMP = 0, -3
_SADDR, _DADDR = 12, 16  # where an IPv4 header has its addresses
_NFPROTO, _NETWORK_HEADER, _IPV4_ADDRESS = 15, 1, 7


class Cut(TypedDict):
    """No packet from `a` to `b` (nor back, where `both`). `b` None: everybody outside `a`. IPv4 addresses."""

    a: list[str]
    b: list[str] | None
    both: bool


def apply(cuts: Sequence[Cut], table: str = TABLE) -> None:
    """Make exactly `cuts` true, in one transaction; none at all leaves no table. Raises NftError."""
    if not cuts:
        return clear(table)
    at = text(1, table)
    messages = [*_erasure(at), message(_NEWTABLE, CREATE, at), _chain(at, "cuts")]
    for name, hook in HOOKS.items():
        base = nested(4, number(1, hook), number(2, PRIORITY)), number(5, 1), text(7, "filter")
        messages += [_chain(at, name, *base), _rule(at, name, _verdict(_JUMP, text(2, "cuts")))]
    for n, cut in enumerate(cuts):
        messages += _cut(at, n, cut)
    transact(messages)


def clear(table: str = TABLE) -> None:
    """Delete the table; nothing happens where there is none. Raises NftError."""
    transact(_erasure(text(1, table)))


def standing(table: str = TABLE) -> bool:
    """Whether the table is there at all, whatever is in it. Raises NftError."""
    return any(_string(found[1]) == table for found in dump(_GETTABLE))


def listing(table: str = TABLE) -> list[Cut]:
    """The cuts in force, read back from the kernel's own rules, in the order they were given. Raises NftError.

    Rules that the hooks do not lead to cut nothing, so without all three jumps there is no cut.
    """
    at = text(1, table)
    rules = [(_string(rule[2]), _words(rule[4])) for rule in dump(_GETRULE, at)]
    jumps = {chain for chain, words in rules if words.get("verdict") == "cuts"}
    if not jumps >= HOOKS.keys():
        return []
    ways = [way for chain, words in rules if chain == "cuts" and (way := _way(words))]
    found: list[Cut] = []
    for here, there in ways:
        if here[0].startswith("a") and not here[1]:  # the way back is part of the same cut
            b = None if there[1] else _members(at, there[0])
            found.append(Cut(a=_members(at, here[0]), b=b, both=(there, here) in ways))
    return found


Side = tuple[str, bool]  # a set's name, and whether everybody outside it is meant


def _cut(at: bytes, n: int, cut: Cut) -> Iterator[bytes]:
    assert cut["a"] and cut["b"] != [], f"a cut has somebody on both sides: {cut}"
    here: Side = (f"a{n}", False)
    there: Side = (f"a{n}", True) if cut["b"] is None else (f"b{n}", False)
    yield from _set(at, here[0], 2 * n + 1, cut["a"])
    if cut["b"] is not None:
        yield from _set(at, there[0], 2 * n + 2, cut["b"])
    yield _drop(at, here, there)
    if cut["both"]:
        yield _drop(at, there, here)


def _drop(at: bytes, source: Side, to: Side) -> bytes:
    return _rule(
        at,
        "cuts",
        _expression("meta", number(1, 1), number(2, _NFPROTO)),  # of an IPv6 packet these bytes are no address
        _expression("cmp", number(1, 1), number(2, 0), nested(3, attribute(1, bytes([socket.AF_INET])))),
        *_member(_SADDR, source),
        *_member(_DADDR, to),
        _verdict(_DROP),
    )


def _member(offset: int, side: Side) -> tuple[bytes, bytes]:
    """The address at `offset` of the packet's IPv4 header is in the set, or outside it."""
    name, outside = side
    return (
        _expression("payload", number(1, 1), number(2, _NETWORK_HEADER), number(3, offset), number(4, 4)),
        _expression("lookup", text(1, name), number(2, 1), number(5, int(outside))),
    )


def _verdict(code: int, *chain: bytes) -> bytes:
    return _expression("immediate", number(1, 0), nested(2, nested(2, number(1, code), *chain)))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *attributes))


def _rule(at: bytes, chain: str, *expressions: bytes) -> bytes:
    return message(_NEWRULE, CREATE | APPEND, at, text(2, chain), nested(4, *expressions))


def _chain(at: bytes, name: str, *base: bytes) -> bytes:
    return message(_NEWCHAIN, CREATE, at, text(3, name), *base)


def _set(at: bytes, name: str, number_: int, addresses: Sequence[str]) -> Iterator[bytes]:
    yield message(_NEWSET, CREATE, at, text(2, name), number(4, _IPV4_ADDRESS), number(5, 4), number(10, number_))
    keys = (nested(1, nested(1, attribute(1, socket.inet_aton(address)))) for address in sorted(set(addresses)))
    yield message(_NEWELEMENT, CREATE, at, text(2, name), nested(3, *keys))


def _erasure(at: bytes) -> list[bytes]:
    """Made first, where it is not there, because to delete what is not there fails the whole transaction."""
    return [message(_NEWTABLE, CREATE, at), message(_DELTABLE, 0, at)]


def _words(expressions: bytes) -> dict[object, object]:
    """What a rule says: {offset of the address: its Side, "verdict": "drop" or the chain it jumps to}."""
    words: dict[object, object] = {}
    offset = 0
    for _, expression in parse(expressions):
        fields = dict(parse(expression))
        name, data = _string(fields[1]), dict(parse(fields.get(2, b"")))
        if name == "payload":
            offset = int.from_bytes(data[3], "big")
        elif name == "lookup":
            words[offset] = (_string(data[1]), bool(int.from_bytes(data.get(5, b""), "big")))
        elif name == "immediate" and 2 in (value := dict(parse(data[2]))):
            verdict = dict(parse(value[2]))
            words["verdict"] = _string(verdict[2]) if 2 in verdict else verdict[1] == bytes(4) and "drop"
    return words


def _way(words: dict[object, object]) -> tuple[Side, Side] | None:
    """From whom to whom a rule drops; None for any other rule."""
    source, to = words.get(_SADDR), words.get(_DADDR)
    if words.get("verdict") != "drop" or not isinstance(source, tuple) or not isinstance(to, tuple):
        return None
    return source, to


def _members(at: bytes, name: str) -> list[str]:
    packed: list[bytes] = []
    for answer in dump(_GETELEMENT, at, text(2, name)):
        for _, element in parse(answer.get(3, b"")):
            packed.append(dict(parse(dict(parse(element))[1]))[1])
    return [socket.inet_ntoa(address) for address in sorted(packed)]


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode()
