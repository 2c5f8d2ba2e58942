"""Rules between addresses as one nftables table, `inet chaos`, which can be read back from the kernel.

All rules are replaced in one transaction, so that every packet sees either the old or the new ones, and a heal deletes
one table. Connections are not tracked, so established connections are affected as well. The hooks stay during a change:
when any hook is removed, the kernel drops what is held in any queue of the network namespace.

    chain input, forward, output   at their hooks, priority -10, policy accept: jump to `rules`
    chain rules                    ip saddr @a0 ip daddr @b0 counter drop     (`!= @a0` if b is everything else)
                                   meta l4proto tcp tcp flags & rst == 0 ... counter reject with tcp reset
                                   meta mark COPY return; meta iiftype loopback return
                                   ... counter queue num N bypass

Drops come first, then resets, then queues. A packet is queued once: the first queue takes it, and when it is released
it skips the rest of our chain. Packets from the loopback interface have already passed `output`, and packets with the
mark COPY are copies sent by queue.py. Resets are not answered with a reset, so that the resets of a rule for both
directions arrive.

Imports nothing of chaos. Numbers and attributes: linux/netfilter/nf_tables.h, xt_NFQUEUE.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from .netlink import APPEND, CREATE, NftError, attribute, dump, message, nested, number, parse, text, transact

__all__ = ["COPY", "QUEUE", "NftError", "Rule", "apply", "clear", "ease", "listing", "standing"]

TABLE = "chaos"
QUEUE = 770
COPY = 0x63707900  # mark of copies, which no rule queues again
PRIORITY = -10  # before the filters of firewalls and engines (0), after address translation (-100)
HOOKS = {"input": 1, "forward": 2, "output": 3}

_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _GETRULE = 0, 1, 2, 3, 6, 7
_DELRULE, _NEWSET, _GETSET, _DELSET, _NEWELEMENT, _GETELEMENT = 8, 9, 10, 11, 12, 13
_DROP, _JUMP, _RETURN = 0, -3, -5
_SADDR, _DADDR = 12, 16  # offsets of the addresses in an IPv4 header
_MARK, _IIFTYPE, _NFPROTO, _L4PROTO = 3, 8, 15, 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_IPV4_ADDRESS = 7
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_TCP_FLAGS, _RST = 13, 4
_WITH_TCP_RESET = 1
_BYPASS = 1

Do = Literal["drop", "reset", "queue"]
_ORDER: dict[str, Do] = {"drop": "drop", "reject": "reset", "queue": "queue"}  # the kernel's expression: our name


class Rule(TypedDict):
    """The treatment of packets from `a` to `b`, and back if `both`. `b` None: everything outside `a`. IPv4 addresses.

    `do` (default "drop"): "drop" drops them, "reset" answers TCP with a reset and lets other packets pass, "queue"
    passes them to the reader of the queue, or lets them pass if there is none. `packets`, in a listing: how many
    packets have met the rule, in both directions.
    """

    a: list[str]
    b: list[str] | None
    both: bool
    do: NotRequired[Do]
    packets: NotRequired[int]


def apply(rules: Sequence[Rule], table: str = TABLE, queue: int = QUEUE) -> None:
    """Replace all rules by `rules`, in one transaction; without rules there is no table. Raises NftError.

    Every change resets the counters of all rules, including unchanged ones.
    """
    if not rules:
        return clear(table)
    try:
        transact(_table(rules, table, _queue(queue)))
    except NftError as e:
        if e.errno != errno.ENOENT or all(_do(rule) != "queue" for rule in rules):
            raise
        _apply_with_xt(rules, table, queue)


def ease(table: str = TABLE) -> None:
    """Remove all rules, but keep hooks and table, so that held packets can be sent before `clear`. Raises NftError."""
    transact(_emptied(text(1, table)))


def clear(table: str = TABLE) -> None:
    """Delete the table, if it exists. Raises NftError."""
    transact(_erasure(text(1, table)))


def standing(table: str = TABLE) -> bool:
    """Whether the table exists, with or without rules. Raises NftError."""
    return any(_string(found[1]) == table for found in dump(_GETTABLE))


def listing(table: str = TABLE) -> list[Rule]:
    """The rules in the kernel, in the order in which they were given. Raises NftError.

    Rules only work if the hooks jump to them, so without all three jumps the result is empty.
    """
    at = text(1, table)
    read = [(_string(rule[2]), _words(rule[4])) for rule in dump(_GETRULE, at)]
    jumps = {chain for chain, words in read if words.get("verdict") == "rules"}
    if not jumps >= HOOKS.keys():
        return []
    ways = {way: words for chain, words in read if chain == "rules" and (way := _way(words))}
    found: dict[int, Rule] = {}
    for (do, here, there), words in ways.items():
        if here[0].startswith("a") and not here[1]:  # the way back belongs to the same rule
            back = ways.get((do, there, here))
            packets = sum(_count(w) for w in (words, back) if w)
            b = None if there[1] else _members(at, there[0])
            a = _members(at, here[0])
            found[int(here[0][1:])] = Rule(a=a, b=b, both=back is not None, do=do, packets=packets)
    return [found[n] for n in sorted(found)]


Side = tuple[str, bool]  # name of a set, and whether it means everything outside it


def _table(rules: Sequence[Rule], table: str, queue: bytes) -> list[bytes]:
    at = text(1, table)
    messages = [*_emptied(at), _chain(at, "rules")]
    for name, hook in HOOKS.items():
        base = nested(4, number(1, hook), number(2, PRIORITY)), number(5, 1), text(7, "filter")
        messages += [_chain(at, name, *base), _rule(at, name, _verdict(_JUMP, text(2, "rules")))]
    for n, rule in enumerate(rules):
        messages += _sets(at, n, rule)
    for do in _ORDER.values():
        if do == "queue":
            messages += [
                _rule(at, "rules", *_is(_MARK, struct.pack("=I", COPY)), _verdict(_RETURN)),
                _rule(at, "rules", *_is(_IIFTYPE, struct.pack("=H", _LOOPBACK)), _verdict(_RETURN)),
            ]
        for n, rule in enumerate(rules):
            if _do(rule) == do:
                messages += _ways(at, n, rule, _deed(do, queue))
    return messages


def _apply_with_xt(rules: Sequence[Rule], table: str, queue: int) -> None:
    """The same with the older target, for kernels without nft_queue."""
    try:
        transact(_table(rules, table, _xt_queue(queue)))
    except NftError as e:
        if e.errno == errno.ENOENT:
            raise NftError(e.errno, "this kernel has neither nft_queue nor xt_NFQUEUE, so no traffic is shaped") from e
        raise


def _do(rule: Rule) -> Do:
    do = rule.get("do", "drop")
    if do not in _ORDER.values():
        raise ValueError(f"a rule does drop, reset or queue; found {do!r}")
    return do


def _sides(n: int, rule: Rule) -> tuple[Side, Side]:
    assert rule["a"] and rule["b"] != [], f"a rule needs addresses on both sides: {rule}"
    return (f"a{n}", False), (f"a{n}", True) if rule["b"] is None else (f"b{n}", False)


def _sets(at: bytes, n: int, rule: Rule) -> Iterator[bytes]:
    here, there = _sides(n, rule)
    yield from _set(at, here[0], 2 * n + 1, rule["a"])
    if rule["b"] is not None:
        yield from _set(at, there[0], 2 * n + 2, rule["b"])


def _ways(at: bytes, n: int, rule: Rule, deed: Sequence[bytes]) -> Iterator[bytes]:
    here, there = _sides(n, rule)
    yield _between(at, here, there, deed)
    if rule["both"]:
        yield _between(at, there, here, deed)


def _between(at: bytes, source: Side, to: Side, deed: Sequence[bytes]) -> bytes:
    return _rule(
        at,
        "rules",
        *_is(_NFPROTO, bytes([socket.AF_INET])),  # in an IPv6 packet these bytes are not an address
        *_member(_SADDR, source),
        *_member(_DADDR, to),
        *deed,
    )


def _deed(do: Do, queue: bytes) -> list[bytes]:
    """Count the packet, then act on it. A reset first checks that the packet can be answered with one."""
    count = _expression("counter")
    if do == "drop":
        return [count, _verdict(_DROP)]
    if do == "queue":
        return [count, queue]
    return [
        *_is(_L4PROTO, bytes([socket.IPPROTO_TCP])),
        _expression("payload", number(1, 1), number(2, _TRANSPORT_HEADER), number(3, _TCP_FLAGS), number(4, 1)),
        _expression(
            "bitwise",
            *(number(1, 1), number(2, 1), number(3, 1)),
            *(nested(4, attribute(1, bytes([_RST]))), nested(5, attribute(1, b"\0"))),
        ),
        _compare(b"\0"),
        count,
        _expression("reject", number(1, _WITH_TCP_RESET)),
    ]


def _queue(queue: int) -> bytes:
    numbers = (attribute(kind, struct.pack(">H", value)) for kind, value in ((1, queue), (2, 1), (3, _BYPASS)))
    return _expression("queue", *numbers)


def _xt_queue(queue: int) -> bytes:
    info = struct.pack("=HHH2x", queue, 1, _BYPASS)
    return _expression("target", text(1, "NFQUEUE"), number(2, 3), attribute(3, info))


def _is(meta: int, value: bytes) -> tuple[bytes, bytes]:
    return _expression("meta", number(1, 1), number(2, meta)), _compare(value)


def _compare(value: bytes) -> bytes:
    return _expression("cmp", number(1, 1), number(2, 0), nested(3, attribute(1, value)))


def _member(offset: int, side: Side) -> tuple[bytes, bytes]:
    """Match if the address at `offset` of the packet's IPv4 header is in the set, or outside it."""
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


def _emptied(at: bytes) -> list[bytes]:
    """Messages that make an empty table, or remove the rules and sets of an existing one."""
    sets = [message(_DELSET, 0, at, attribute(2, found[2])) for found in dump(_GETSET, at)]
    return [message(_NEWTABLE, CREATE, at), message(_DELRULE, 0, at), *sets]


def _erasure(at: bytes) -> list[bytes]:
    """Messages that delete the table. It is created first, because deleting a missing table fails the transaction."""
    return [message(_NEWTABLE, CREATE, at), message(_DELTABLE, 0, at)]


def _words(expressions: bytes) -> dict[object, object]:
    """The content of a rule: {offset of the address: its Side, "packets": int, "verdict": action or jump target}."""
    words: dict[object, object] = {}
    offset = 0
    for _, expression in parse(expressions):
        fields = dict(parse(expression))
        name, data = _string(fields[1]), dict(parse(fields.get(2, b"")))
        if name == "payload":
            offset = int.from_bytes(data[3], "big")
        elif name == "lookup":
            words[offset] = (_string(data[1]), bool(int.from_bytes(data.get(5, b""), "big")))
        elif name == "counter":
            words["packets"] = int.from_bytes(data[2], "big")
        elif name in ("queue", "target", "reject"):
            words["verdict"] = "reject" if name == "reject" else "queue"
        elif name == "immediate" and 2 in (value := dict(parse(data[2]))):
            verdict = dict(parse(value[2]))
            words["verdict"] = _string(verdict[2]) if 2 in verdict else verdict[1] == bytes(4) and "drop"
    return words


def _way(words: Mapping[object, object]) -> tuple[Do, Side, Side] | None:
    """The action, source and destination of a rule; None for rules of another form."""
    source, to = words.get(_SADDR), words.get(_DADDR)
    do = _ORDER.get(str(words.get("verdict")))
    if do is None or not isinstance(source, tuple) or not isinstance(to, tuple):
        return None
    return do, source, to


def _count(words: Mapping[object, object]) -> int:
    packets = words.get("packets", 0)
    assert isinstance(packets, int)
    return packets


def _members(at: bytes, name: str) -> list[str]:
    packed: list[bytes] = []
    for answer in dump(_GETELEMENT, at, text(2, name)):
        for _, element in parse(answer.get(3, b"")):
            packed.append(dict(parse(dict(parse(element))[1]))[1])
    return [socket.inet_ntoa(address) for address in sorted(packed)]


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode()
