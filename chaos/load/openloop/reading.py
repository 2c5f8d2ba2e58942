"""Mode readback: what the stack holds of every user, one line for each page."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import gevent.pool

from chaos.load.contract import OPS, PATIENCE
from chaos.load.openloop import crowd
from chaos.load.openloop.crowd import Kind
from chaos.load.openloop.user import Broken, OpenUser, Operation, Page, begin
from chaos.load.record import Line, Record

AT_ONCE = 8  # concurrent read-backs
TRIES = 8  # attempts for a page, over all hosts, at most a second apart
PATIENT = 40.0  # seconds; later pages get one attempt for each host, or a dead stack would take minutes


def read_back(run: Path, kinds: dict[str, Kind], t0: float) -> None:
    """Write one line for each page, for every user and journey with a read-back."""
    users = crowd.people(crowd.saved(run, kinds), kinds)
    record = Record(run / OPS)
    jobs = [(u, name, m) for u in users for name, m in kinds[type(u).__name__].readbacks]
    pool, until = gevent.pool.Pool(AT_ONCE), time.monotonic() + PATIENT
    for _ in pool.imap_unordered(lambda job: _read_back(record, t0, until, *job), jobs):
        pass
    print(f"{record.lines:,} pages of {len(jobs):,} read-backs", file=sys.stderr)


def _read_back(record: Record, t0: float, until: float, user: OpenUser, name: str, method: str) -> None:
    after: str | None = None
    turned: set[str] = set()
    number = 0
    while True:
        number += 1
        identity = f"{user.name}-readback-{number:07d}"
        start = time.monotonic()
        page, why, status = _page(getattr(user, method), user, after, identity, until)
        further = page.next if page else None
        if further in turned:
            page, why = None, Broken("info", f"paging goes in circles: after {after!r} comes {further!r} again")
        end = time.monotonic()
        record.write(
            Line(
                t=round(start - t0, 6),
                start=round(start - t0, 6),
                end=round(end - t0, 6),
                journey=name,
                op="readback",
                client=user.client_type,
                user=user.name,
                id=identity,
                result=why.result if why else "ok",
                status=status,
                error=why.error if why else "",
                ids=tuple(map(str, page.ids)) if page else (),
                page=number,
                last=page is not None and page.next is None,
            )
        )
        if page is None or page.next is None:
            return
        after = page.next
        turned.add(after)


def _page(
    read: Callable[[str | None], Page], user: OpenUser, after: str | None, identity: str, until: float
) -> tuple[Page | None, Broken | None, int]:
    """A page, or why it could not be read after several attempts at every host. Repeated reads are harmless."""
    why = Broken("info", "never tried")
    for n in range(TRIES):
        if n >= len(user.hosts) and time.monotonic() > until:
            break
        operation = Operation(identity, time.monotonic() + PATIENCE)
        begin(operation)
        try:
            with gevent.Timeout(PATIENCE):
                page = read(after)
            if not isinstance(page, Page):
                raise TypeError(f"found {page!r}, expected a Page")
            return page, None, operation.status
        except Broken as e:
            why = e
        except gevent.Timeout:
            why = Broken("info", f"gave up after {PATIENCE:g} s")
        except Exception as e:
            why = Broken("info", f"{type(e).__name__}: {e}", operation.status)
        user.turn()
        gevent.sleep(min(1.0, 0.1 * 2**n))
    return None, why, why.status
