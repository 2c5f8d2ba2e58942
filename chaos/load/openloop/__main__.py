"""The load's program: `prepare` signs users up, `run` executes the schedule, `readback` reads everything back.

Exit codes are in chaos/load/contract.py; errors are written to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import gevent
import gevent.pool

from chaos.load.contract import Exit
from chaos.load.openloop import crowd, reading, requests, visits
from chaos.load.openloop.crowd import Kind
from chaos.load.openloop.user import Broken, OpenUser, Operation, begin
from chaos.load.stop import Stop

SIGN_UP = 30.0  # seconds for all users to sign up
AT_ONCE = 8  # users who sign up at the same time


def prepare(run: Path, kinds: dict[str, Kind], count: int) -> None:
    """Sign `count` users up and write users.json. Sign-ups are retried, because the stack may have just started."""
    users = crowd.people(crowd.sign_ups(kinds, count), kinds)
    until = time.monotonic() + SIGN_UP
    pool = gevent.pool.Pool(AT_ONCE)
    said = [why for why in pool.imap_unordered(lambda user: _sign_up(user, until), users) if why]
    if said:
        raise Stop(Exit.NO_STACK, f"{len(said)} of {count} users could not sign up. The first: {said[0]}")
    crowd.save(run, users)
    print(f"{count} users signed up in {time.monotonic() - until + SIGN_UP:.1f} s", file=sys.stderr)


def _sign_up(user: OpenUser, until: float) -> str:
    """Why it failed; empty if it succeeded."""
    while True:
        try:
            begin(Operation(f"{user.name}-0000000", until))
            user.sign_up()
            return ""
        except Broken as e:
            refused = 400 <= e.status < 500
            if refused or time.monotonic() > until:
                return f"{user.name} ({type(user).__name__}): {e.error}"
        except Exception as e:
            traceback.print_exc()
            return f"{user.name} ({type(user).__name__}): {type(e).__name__}: {e}"
        gevent.sleep(0.3)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m chaos.load.openloop", description=__doc__)
    parser.add_argument("--mode", choices=("prepare", "run", "readback"), required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--file", type=Path, help="the users' file")
    what.add_argument("--requests", type=Path, help="requests without code, as JSON")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--journey", action="append", default=[], help="that somebody has to have (prepare)")
    parser.add_argument("--count", type=int, default=1, help="users to sign up (prepare)")
    parser.add_argument("--t0", type=float, default=0.0, help="t = 0 of the timeline on CLOCK_MONOTONIC, seconds")
    parser.add_argument("--first", type=int, default=1, help="number in each user's first id (run)")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness handles Ctrl-C, and sends SIGTERM
    try:
        file = args.file or args.requests
        kinds = crowd.load(file) if args.file else requests.load(file)
        if args.mode == "prepare":
            crowd.all_read_back(file, kinds)
            crowd.expect(file, kinds, args.journey)
            prepare(args.run, kinds, args.count)
        elif args.mode == "run":
            visits.walk(args.run, kinds, args.t0, args.first)
        else:
            reading.read_back(args.run, kinds, args.t0)
    except Stop as e:
        _say(str(e))
        return e.code
    except OSError as e:
        _say(f"{e.filename or args.run}: {e.strerror or e}; make room, or correct the folder's permissions")
        return Exit.NO_DISK
    return Exit.DONE


def _say(words: str) -> None:
    """Print, ignoring errors: if the disk is full the log is too, and the exit code has to suffice."""
    with contextlib.suppress(OSError):
        print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main()
    os._exit(code)  # a normal exit waits up to ten seconds for pending name look-ups
