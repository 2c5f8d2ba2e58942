"""The program of a load with a locustfile: `check` reads it, `run` lets Locust run it until the end or SIGTERM.

Exit codes are in chaos/load/contract.py; errors are written to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

import gevent
import gevent.event
import locust
from locust.env import Environment

from chaos.load.closedloop import locustfile
from chaos.load.closedloop.operations import Operations
from chaos.load.contract import NOTES, OPS, PATIENCE, Exit
from chaos.load.heartbeat import Heartbeat
from chaos.load.notes import Notebook
from chaos.load.record import Record
from chaos.load.stop import Stop

STOPPING = PATIENCE + 4.0  # seconds for users to end their tasks and to run on_stop
LOOK = 0.05  # seconds


def run(made: Environment, args: argparse.Namespace) -> None:
    """Start the users, signal readiness once all are there, and let them work until the end. Raises Stop."""
    notebook = Notebook(args.run / NOTES, args.t0)
    operations = Operations(args.t0, args.t0 + args.begin, args.first, notebook)
    events: Any = made.events
    operations.listen(events)
    made.stop_timeout = PATIENCE
    runner = made.create_local_runner()
    stop = gevent.event.Event()
    gevent.signal_handler(signal.SIGTERM, stop.set)
    events.init.fire(environment=made, runner=runner, web_ui=None)
    Heartbeat(notebook).start()
    _spawn(made, args, operations, stop)
    operations.record = Record(args.run / OPS)
    print(f"{runner.user_count} users", file=sys.stderr, flush=True)
    end = args.t0 + args.until
    while not stop.wait(min(LOOK, max(end - time.monotonic(), 0.001))) and time.monotonic() < end:
        if operations.failed:
            raise operations.failed
        _alive(made, operations)
    with gevent.Timeout(STOPPING, False):
        runner.stop()
    events.quitting.fire(environment=made, reverse=True)
    events.quit.fire(exit_code=0)


def _spawn(made: Environment, args: argparse.Namespace, operations: Operations, stop: gevent.event.Event) -> None:
    """Return when all users were started. Raises Stop if they cannot be."""
    runner = made.runner
    assert runner is not None
    spawned, events = gevent.event.Event(), cast(Any, made.events)
    events.spawning_complete.add_listener(lambda **_: spawned.set())
    if made.shape_class is not None:
        runner.start_shape()
        print("a LoadTestShape decides how many users there are", file=sys.stderr)
        return
    runner.start(args.users, args.spawn_rate)
    while not spawned.wait(LOOK) and not stop.is_set():
        starting = runner.spawning_greenlet
        if starting is not None and starting.ready() and starting.exception is not None:
            error = starting.exception
            raise Stop(Exit.USAGE, f"users could not be started: {type(error).__name__}: {error}")
    gevent.sleep(LOOK)
    _alive(made, operations)


def _alive(made: Environment, operations: Operations) -> None:
    """Raises Stop if nobody is left, or the locustfile stopped Locust."""
    runner = made.runner
    assert runner is not None
    if made.shape_class is None and runner.user_count == 0 and operations.error:
        raise Stop(Exit.NO_STACK, f"every user has ended; the last one with {operations.error}")
    if runner.state in ("stopped", "stopping", "cleanup"):
        raise Stop(Exit.ENDED, "the locustfile has stopped Locust before the end of the run")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m chaos.load.closedloop", description=__doc__)
    parser.add_argument("--mode", choices=("check", "run"), required=True)
    parser.add_argument("--file", type=Path, required=True, help="the locustfile")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--spawn-rate", type=float, default=1.0, help="users started a second")
    parser.add_argument("--host", default="", help="for classes that name none")
    parser.add_argument("--tag", dest="tags", action="append", default=[])
    parser.add_argument("--exclude-tag", dest="exclude_tags", action="append", default=[])
    parser.add_argument("--class", dest="classes", action="append", default=[])
    parser.add_argument("--seed", type=int, default=0, help="of Python's random")
    parser.add_argument("--t0", type=float, default=0.0, help="t = 0 of the timeline on CLOCK_MONOTONIC, seconds")
    parser.add_argument("--begin", type=float, default=0.0, help="operations count from this t on, seconds")
    parser.add_argument("--until", type=float, default=0.0, help="the end, seconds on the timeline")
    parser.add_argument("--first", type=int, default=1, help="number in each user's first id")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness handles Ctrl-C, and sends SIGTERM
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    random.seed(args.seed)
    try:
        made = locustfile.environment(args.file, args)
        if args.mode == "run":
            run(made, args)
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
    assert locust.__version__  # imported first: it patches sockets, threads and time
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a normal exit waits for somebody's threads and pending name look-ups
