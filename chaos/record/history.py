"""All runs of a folder with their verdicts and measures, from an index that can be rebuilt from the runs' files.

The files remain authoritative: index.sqlite lies next to them, holds nothing else, and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from chaos import jsonfile
from chaos.model import badge
from chaos.record import older, store
from chaos.record.findings import flatten, number

NAME = "index.sqlite"
T = TypeVar("T")
VERSION = 2  # of the tables; an index of another version is rebuilt
RUNNING, UNJUDGED = "running", "unjudged"  # used instead of a verdict
TABLES = """
CREATE TABLE runs (path TEXT PRIMARY KEY, files TEXT, experiment TEXT, name TEXT, seed INTEGER, target TEXT,
  posture TEXT, short INTEGER, verdict TEXT,
  expected_failures INTEGER, claim TEXT);
CREATE TABLE measures (path TEXT, name TEXT, value REAL, PRIMARY KEY (path, name)) WITHOUT ROWID;
"""


class Past(msgspec.Struct, frozen=True):
    """One run. `path` is relative to the folder of runs; `name` sorts by time: 20260101T000000Z-s7."""

    path: str
    experiment: str
    name: str
    seed: int
    target: str
    posture: str
    short: bool
    verdict: str  # a verdict, or RUNNING, or UNJUDGED
    expected_failures: int
    claim: str

    @property
    def badge(self) -> str:
        """The verdict, with the number of expected failures."""
        return badge(self.verdict, self.expected_failures)

    @property
    def when(self) -> str:
        """`2026-01-01 00:00:00` (UTC); the name itself if the folder was given another name."""
        stamp = self.name.partition("-")[0]
        d, _, t = stamp.rstrip("Z").partition("T")
        if not (len(d) == 8 and len(t) == 6 and (d + t).isdigit()):
            return self.name
        return f"{d[:4]}-{d[4:6]}-{d[6:]} {t[:2]}:{t[2:4]}:{t[4:]}"


class History:
    """The runs below `runs`, updated when it is opened. Use it as a context manager."""

    def __init__(self, runs: Path) -> None:
        self.folder = runs
        self._db = _open(runs / NAME)
        try:
            self._refresh()
        except sqlite3.OperationalError:  # a full or read-only disk: use the index without storing it
            self._db.close()
            self._db = _made(sqlite3.connect(":memory:"))
            self._refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._db.close()

    def runs(self, experiment: str = "", verdict: str = "", target: str = "", search: str = "") -> list[Past]:
        """The runs that match all criteria, the newest first. `search`: words that may occur anywhere in a run."""
        found = []
        rows = self._db.execute(
            "SELECT path, experiment, name, seed, target, posture, short, verdict, expected_failures, claim FROM runs "
            "ORDER BY name DESC, experiment"
        )
        for row in rows:
            path, experiment_, name, seed, target_, posture, short, verdict_, expected, claim = row
            run = Past(path, experiment_, name, seed, target_, posture, bool(short), verdict_, expected, claim)
            if run.verdict == UNJUDGED and store.running(self.folder / run.path):
                run = msgspec.structs.replace(run, verdict=RUNNING)
            asked = ((experiment, run.experiment), (verdict.lower(), run.verdict.lower()), (target, run.target))
            if all(not wanted or wanted == is_ for wanted, is_ in asked) and _has(run, search):
                found.append(run)
        return found

    def measures(self, run: Past) -> dict[str, float | None]:
        """By dotted name, as in findings.json: `rto_s.text`. None means never."""
        rows = self._db.execute("SELECT name, value FROM measures WHERE path = ? ORDER BY name", (run.path,))
        return dict(rows.fetchall())

    def _refresh(self) -> None:
        """Read new and changed runs, and forget deleted ones. An unchanged run costs two stat calls."""
        known = dict(self._db.execute("SELECT path, files FROM runs").fetchall())
        there = {str(run.relative_to(self.folder)): run for run in store.every(self.folder)}
        with self._db:
            for path in known.keys() - there.keys():
                self._forget(path)
            for path, run in sorted(there.items()):
                if (files := _files(run)) != known.get(path):
                    self._forget(path)
                    self._read(path, run, files)

    def _forget(self, path: str) -> None:
        for table in ("runs", "measures"):
            self._db.execute(f"DELETE FROM {table} WHERE path = ?", (path,))

    def _read(self, path: str, run: Path, files: str) -> None:
        plan, found = jsonfile.mapping(run / "plan.json"), jsonfile.mapping(run / "findings.json")
        settings: dict[str, Any] = _of(plan, "settings", {})
        row = (
            path, files, _of(plan, "experiment", run.parent.name), run.name, number(_of(plan, "seed", 0)),
            _of(plan, "target", ""), _of(settings, "posture", ""), bool(plan.get("short")),
            _of(found, "verdict", UNJUDGED), older.expected_failures(found), _of(plan, "claim", ""),
        )  # fmt: skip
        self._db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(row))})", row)
        flat = [(path, name, value) for name, value in flatten(_of(found, "measures", {}))]
        self._db.executemany("INSERT INTO measures VALUES (?, ?, ?)", flat)


def _of(content: Mapping[str, Any], key: str, otherwise: T) -> T:
    """The value of `key` if it has the type of `otherwise`; else `otherwise`."""
    found = content.get(key)
    return found if isinstance(found, type(otherwise)) else otherwise


def _open(place: Path) -> sqlite3.Connection:
    """Open the index. An unreadable one, or one of another version, is deleted and rebuilt."""
    for _ in range(2):
        db: sqlite3.Connection | None = None
        try:
            if not place.parent.is_dir():
                break
            db = sqlite3.connect(place, timeout=10)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                db.execute("SELECT count(*) FROM runs, measures WHERE 0")
                return db
            if version == 0 and not db.execute("SELECT * FROM sqlite_master").fetchall():
                return _made(db)
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:
            pass
        finally:
            if db is not None and not _usable(db):
                db.close()
        with contextlib.suppress(OSError):
            place.unlink()
    return _made(sqlite3.connect(":memory:"))


def _usable(db: sqlite3.Connection) -> bool:
    try:
        return bool(db.execute("PRAGMA user_version").fetchone()[0] == VERSION)
    except sqlite3.Error:
        return False


def _made(db: sqlite3.Connection) -> sqlite3.Connection:
    db.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    return db


def _files(run: Path) -> str:
    """A fingerprint of the run's files, which changes when one of them does."""
    return " ".join(_look(run / name) for name in ("plan.json", "findings.json"))


def _look(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return "-"
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"


def _has(run: Past, search: str) -> bool:
    text = " ".join([run.path, run.target, run.posture, run.verdict, run.claim, "short" if run.short else ""]).lower()
    return all(word in text for word in search.lower().split())


def words(measures: Mapping[str, float | None]) -> Iterable[str]:
    """The few measures that a list of runs shows: the longest outage, and the number of lost writes."""
    away = {k.partition("rto_s.")[2]: v for k, v in measures.items() if k.startswith(("rto_s.", "probe_rto_s."))}
    if never := sorted(j for j, v in away.items() if v is None):
        yield f"never back: {', '.join(never)}"
    elif away and (longest := max(away, key=lambda j: (away[j] or 0.0, j))) and away[longest]:
        yield f"{longest} away {away[longest]:.2f} s"
    if lost := measures.get("delivery.lost"):
        yield f"{lost:,.0f} writes lost"
