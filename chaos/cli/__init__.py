"""The command line. Commands are imported when they are called, so that `chaos --help` is fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from chaos import crash
from chaos.cli import out
from chaos.errors import ChaosError

INTERRUPTED = 130
USAGE = 64  # sysexits.h: wrong usage

GROUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Run experiments": {
        "init": ("chaos.cli.discover", "Write experiments for your stack, ready to run."),
        "run": ("chaos.cli.run", "Run an experiment: start the stack, load it, inject faults, judge."),
        "plan": ("chaos.cli.inspect", "Print what a run would do, to the second and the node."),
        "suite": ("chaos.cli.suite", "Run a list of experiments and report one verdict for all of them."),
        "sweep": ("chaos.cli.sweep", "Run an experiment with every combination of knobs, then compare."),
        "drive": ("chaos.cli.drive", "Inject and heal faults on commands from standard input."),
    },
    "Look": {
        "discover": ("chaos.cli.discover", "Print the map of a stack, and what faults can reach."),
        "list": ("chaos.cli.listing", "List experiments, or past runs."),
        "show": ("chaos.cli.inspect", "Show an experiment's file, or a run's summary."),
        "watch": ("chaos.cli.watch", "Follow a run from another terminal."),
        "serve": ("chaos.cli.serve", "Search, compare and read all runs on a local web page."),
        "faults": ("chaos.cli.inspect", "List the faults, their parameters and the targets they work on."),
        "schema": ("chaos.cli.inspect", "Print the JSON Schema of experiment files."),
        "gc": ("chaos.cli.gc", "List old runs that can be removed, and remove them."),
    },
    "Judge": {
        "check": ("chaos.cli.judge", "Judge a run again from its files."),
        "report": ("chaos.cli.judge", "Write a run's reports again from its files."),
        "compare": (
            "chaos.cli.compare",
            "Compare runs: who was affected, what was lost, what knobs changed.",
        ),
        "trend": ("chaos.cli.trend", "Show each measure across runs, and what got worse."),
    },
    "Stack": {
        "up": ("chaos.cli.stack", "Start the stack and leave it running."),
        "status": ("chaos.cli.stack", "Show which nodes run and what faults left behind."),
        "down": ("chaos.cli.stack", "Stop the stack and remove everything that belongs to it."),
        "doctor": ("chaos.cli.doctor", "Show what this machine can do, and what to install for the rest."),
    },
    "Safety": {
        "heal": ("chaos.cli.stack", "Undo every fault that earlier runs left behind."),
        "halt": ("chaos.cli.halt", "Stop all your runs on this machine and block new ones."),
        "resume": ("chaos.cli.halt", "Allow runs again after a halt."),
    },
    "Incidents": {
        "incident": ("chaos.cli.incident", "Show the dossier of an incident, or write its page from runs."),
        "staff": ("chaos.cli.staff", "Show which components lose their owners when given people leave."),
        "simulate": ("chaos.cli.simulate", "Simulate how a whole site fails and recovers, with all its users."),
    },
}
COMMANDS = {name: found for group in GROUPS.values() for name, found in group.items()}
WIDEST = max(map(len, COMMANDS))  # aligns the groups

CLICKS = (click.ClickException, click.Abort, click.exceptions.Exit)  # exceptions by which click ends a command


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(COMMANDS[name][0]), f"{name}_command")
        assert isinstance(found, click.Command)
        found.epilog = _examples(found.epilog)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from chaos.registry import hint

            raise click.UsageError(f"no command {args[0]!r}; {hint(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with crash.caught(but=CLICKS):  # before click, which takes any broken pipe for a closed standard output
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(WIDEST), text) for name, (_, text) in group.items()])


EXAMPLES = """\b
Examples:
  chaos run zone-fire                      lose a data centre, as in the incident
  chaos run zone-fire --posture remedied   the same seed and load, with data and tools replicated
  chaos watch                              follow the run from another terminal
  chaos compare RUN last                   what the knobs changed
  chaos init                               write experiments for the Compose project here
  chaos up                                 start the stack and leave it running
  chaos halt                               stop all your runs on this machine
  chaos incident kakao-2022-10-15          what is known of the incident

`chaos COMMAND --help` has the options and more examples of a command.
"""


def _examples(epilog: str | None) -> str | None:
    """The `Examples: ONE · TWO` of a command, one a line."""
    words, colon, commands = (epilog or "").partition(": ")
    if not colon or not words.startswith("Example"):
        return epilog
    return "\n".join(["\b", "Examples:", *(f"  {one}" for one in commands.split(" · "))])


@click.command(
    cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EXAMPLES
)
@click.version_option(package_name="chaos-harness", message="%(version)s")
def chaos() -> None:
    """Run chaos experiments against a Compose stack, with real load, and judge what users saw."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code.

    0 PASS, 1 FAIL, 2 ERROR, 3 INCONCLUSIVE, 4 DIRTY, 64 usage, 75 halted or in use, 130 interrupted.
    """
    with out.said():
        code = _code(argv)
        try:
            sys.stdout.flush()
        except OSError as e:  # no space for the output
            out.deafen(sys.stdout)
            code = code or crash.ended(ChaosError(f"standard output: {e.strerror}"))
    sys.exit(code)


def _code(argv: Sequence[str] | None) -> int:
    try:
        with crash.caught(but=CLICKS):
            code = chaos.main(args=None if argv is None else list(argv), prog_name="chaos", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as e:
        e.show()
        return USAGE if isinstance(e, click.UsageError) else ChaosError.exit_code
    except ChaosError as e:
        return crash.ended(e)
    except (KeyboardInterrupt, click.Abort):
        crash.complain("chaos: interrupted")
        return INTERRUPTED
