"""All runs of a folder with their verdicts and measures, looked up in an index that is made again from the files.

The files stay the truth: index.sqlite lies beside them, holds nothing that they do not, and may be removed at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from chaos import store

NAME = "index.sqlite"
VERSION = 1  # of the tables; another one is made anew
RUNNING, UNJUDGED = "running", "unjudged"  # in the place of a verdict
TABLES = """
CREATE TABLE runs (path TEXT PRIMARY KEY, files TEXT, experiment TEXT, name TEXT, seed INTEGER, target TEXT,
  posture TEXT, short INTEGER, verdict TEXT, claim TEXT);
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
    claim: str

    @property
    def when(self) -> str:
        """`2026-01-01 00:00:00` (UTC); the name itself where somebody gave the folder another."""
        stamp = self.name.partition("-")[0]
        d, _, t = stamp.rstrip("Z").partition("T")
        if not (len(d) == 8 and len(t) == 6 and (d + t).isdigit()):
            return self.name
        return f"{d[:4]}-{d[4:6]}-{d[6:]} {t[:2]}:{t[2:4]}:{t[4:]}"


class History:
    """The runs below `runs`, brought up to date when it is opened. Use it as a context."""

    def __init__(self, runs: Path) -> None:
        self.folder = runs
        self._db = _open(runs / NAME)
        try:
            self._refresh()
        except sqlite3.OperationalError:  # a disk that is full, or not ours to write on: look without keeping
            self._db.close()
            self._db = _made(sqlite3.connect(":memory:"))
            self._refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._db.close()

    def runs(self, experiment: str = "", verdict: str = "", target: str = "", search: str = "") -> list[Past]:
        """The newest first; only those that are all of what is asked for. `search`: words found anywhere in a run."""
        found = []
        rows = self._db.execute(
            "SELECT path, experiment, name, seed, target, posture, short, verdict, claim FROM runs "
            "ORDER BY name DESC, experiment"
        )
        for row in rows:
            path, experiment_, name, seed, target_, posture, short, verdict_, claim = row
            run = Past(path, experiment_, name, seed, target_, posture, bool(short), verdict_, claim)
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
        """Read what is new or changed, forget what is gone. What is as it was costs two looks at its files."""
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
        plan, found = _json(run / "plan.json"), _json(run / "findings.json")
        settings = plan.get("settings") or {}
        row = (
            path, files, plan.get("experiment", run.parent.name), run.name, plan.get("seed", 0), plan.get("target", ""),
            settings.get("posture", ""), bool(plan.get("short")), found.get("verdict", UNJUDGED), plan.get("claim", ""),
        )  # fmt: skip
        self._db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(row))})", row)
        flat = [(path, name, value) for name, value in flatten(found.get("measures") or {})]
        self._db.executemany("INSERT INTO measures VALUES (?, ?, ?)", flat)


def flatten(measures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number of findings.json's measures by its dotted name; lists and words are left out."""
    for key, value in measures.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield name, value


def _open(place: Path) -> sqlite3.Connection:
    """One that cannot be read or is of another version is removed: there is nothing in it that is not elsewhere."""
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
    """What the files looked like when they were read: any change of one shows."""
    return " ".join(_look(run / name) for name in ("plan.json", "findings.json"))


def _look(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return "-"
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"


def _json(file: Path) -> dict[str, Any]:
    """{} where it is not there or makes no sense: a run that was cut off is a run all the same."""
    try:
        found = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}
    return found if isinstance(found, dict) else {}


def _has(run: Past, search: str) -> bool:
    text = " ".join([run.path, run.target, run.posture, run.verdict, run.claim, "short" if run.short else ""]).lower()
    return all(word in text for word in search.lower().split())


def words(measures: Mapping[str, float | None]) -> Iterable[str]:
    """The little that a list of runs says of each: who was away longest, and how many writes were lost."""
    away = {k.removeprefix("rto_s."): v for k, v in measures.items() if k.startswith("rto_s.")}
    if never := sorted(j for j, v in away.items() if v is None):
        yield f"never back: {', '.join(never)}"
    elif away and (longest := max(away, key=lambda j: (away[j] or 0.0, j))) and away[longest]:
        yield f"{longest} away {away[longest]:.2f} s"
    if lost := measures.get("delivery.lost"):
        yield f"{lost:,.0f} writes lost"
