"""A locustfile as Locust itself reads it: its classes, its options, and what is wrong with them."""

from __future__ import annotations

import argparse
import traceback
from pathlib import Path
from typing import Any

import locust
from locust import FastHttpUser, HttpUser
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.util.load_locustfile import load_locustfile

from chaos.load.contract import Exit
from chaos.load.stop import Stop


def environment(file: Path, options: argparse.Namespace) -> Environment:
    """Locust's environment of this locustfile. `options` are those of our program. Raises Stop with what is wrong."""
    try:
        *_, classes, shapes = load_locustfile(str(file))
    except BaseException as e:  # also SystemExit: it is somebody's program
        traceback.print_exc()
        raise Stop(Exit.USAGE, f"{file}: cannot be imported: {type(e).__name__}: {e}") from e
    if not classes:
        raise Stop(
            Exit.USAGE, f"{file}: no User class found; expected one that subclasses HttpUser, FastHttpUser or User"
        )
    if strange := sorted(set(options.classes) - set(classes)):
        known = ", ".join(sorted(classes))
        raise Stop(Exit.USAGE, f"{file}: no User class {', '.join(strange)}; known: {known}")
    chosen = [classes[name] for name in options.classes] or list(classes.values())
    shape = _first(shapes)
    try:
        made = Environment(
            locustfile=file.name,
            user_classes=chosen,
            shape_class=shape,
            events=locust.events,
            host=options.host or None,
            parsed_options=_parsed(file, options),
        )
    except ValueError as e:
        raise Stop(Exit.USAGE, f"{file}: {e}") from e
    made._filter_tasks_by_tags()
    if problems := [f"{file}: {cls.__name__}: {why}" for cls in made.user_classes if (why := _problem(cls, options))]:
        raise Stop(Exit.USAGE, "\n".join(problems))
    return made


def _first(shapes: Any) -> Any:
    found = list(shapes.values()) if isinstance(shapes, dict) else list(shapes or ())
    return found[0] if found else None


def _parsed(file: Path, options: argparse.Namespace) -> Any:
    """The options that a locustfile may look at, with the defaults of those that it declares itself."""
    words = ["--headless", "--locustfile", str(file), "--users", str(options.users)]
    words += ["--spawn-rate", str(options.spawn_rate)]
    words += ["--host", options.host] if options.host else []
    for name, values in (("--tags", options.tags), ("--exclude-tags", options.exclude_tags)):
        words += [name, *values] if values else []
    try:
        return get_parser(default_config_files=[]).parse_args(words)
    except SystemExit as e:
        raise Stop(
            Exit.USAGE, f"{file}: its own options (init_command_line_parser) need values without a default"
        ) from e


def _problem(cls: Any, options: argparse.Namespace) -> str:
    if not cls.tasks:
        which = " with these tags" if options.tags or options.exclude_tags else ""
        return f"no task{which}; expected at least one method marked @task"
    if issubclass(cls, HttpUser | FastHttpUser) and not (cls.host or options.host):
        return "no host; expected `host: http://NAME:PORT` in the experiment's load, or in the class"
    return ""
