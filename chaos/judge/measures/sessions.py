"""Which users stayed logged in, by client, and what happened to the others.

A user was thrown out if an operation got a 401, or if its record says so: a users' file that logs in again by itself
records THROWN_OUT and LOGGED_IN, or LOGGED_OUT if that fails (docs/journal.md).
"""

from __future__ import annotations

from collections import defaultdict

from chaos.judge.measures.phases import studied
from chaos.model import Op
from chaos.record.findings import Sessions
from chaos.record.journal import Journal, Line

THROWN_OUT, LOGGED_IN, LOGGED_OUT = "thrown out", "logged in", "logged out"
TOO_MANY = 429


def thrown_out(op: Op) -> bool:
    return op.status == 401 or THROWN_OUT in op.error


def kept(journal: Journal, client: str) -> tuple[set[str], dict[str, Line]]:
    """Users of `client` who were logged in before the first fault, and those of them thrown out since, with the
    line.
    """
    before: set[str] = set()
    out: dict[str, Line] = {}
    for n, op, p in studied(journal):
        if op.client != client:
            continue
        if p == "before" and op.ok:
            before.add(op.user)
        elif p != "before" and thrown_out(op):
            out.setdefault(op.user, n)
    return before, {user: n for user, n in out.items() if user in before}


def sessions(journal: Journal) -> dict[str, Sessions]:
    """By client: users who were logged in, the share never thrown out, and log-ins since the first fault."""
    since: dict[str, list[Op]] = defaultdict(list)
    for _, op, p in studied(journal):
        if p != "before":
            since[op.client].append(op)
    return {client: _of(journal, client, ops) for client, ops in sorted(since.items())}


def _of(journal: Journal, client: str, ops: list[Op]) -> Sessions:
    before, out = kept(journal, client)
    logged_in = [op for op in ops if LOGGED_IN in op.error]
    return Sessions(
        users=len(before),
        kept=round(1 - len(out) / len(before), 6) if before else None,
        forced_log_outs=sum(map(thrown_out, ops)),
        log_ins=len(logged_in),
        thrown_out_at_once=sum(not op.ok and thrown_out(op) for op in logged_in),
        refused_as_too_many=sum(op.status == TOO_MANY for op in ops),
    )
