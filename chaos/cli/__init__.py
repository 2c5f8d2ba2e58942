"""The command line. Commands are imported when they are called, so that `chaos --help` is there at once."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from chaos.errors import ChaosError

USAGE = 64  # sysexits.h: the command was used wrongly

COMMANDS = {
    "run": ("chaos.cli.run", "Run an experiment: start the stack, load it, break it, judge it."),
    "plan": ("chaos.cli.inspect", "Print what a run would do, to the second and to the node."),
    "list": ("chaos.cli.listing", "List experiments, or the runs made so far."),
    "show": ("chaos.cli.inspect", "Show one experiment, or one run's summary."),
    "compare": ("chaos.cli.compare", "Lay runs side by side: who was hurt, what was lost, what each knob did."),
    "sweep": ("chaos.cli.sweep", "Run an experiment under every combination of knobs, then compare."),
    "watch": ("chaos.cli.watch", "Follow a run from another terminal."),
    "serve": ("chaos.cli.serve", "Show all runs on a local page: search, compare, read reports."),
    "gc": ("chaos.cli.gc", "Say which old runs may go, and remove them."),
    "up": ("chaos.cli.stack", "Start the stack and leave it running."),
    "down": ("chaos.cli.stack", "End everything of the stack."),
    "status": ("chaos.cli.stack", "Say which nodes run and what is broken."),
    "heal": ("chaos.cli.stack", "Undo every fault that anybody left behind."),
    "halt": ("chaos.cli.halt", "Stop every run of yours on this machine, and let none begin."),
    "resume": ("chaos.cli.halt", "Let runs begin again after a halt."),
    "suite": ("chaos.cli.suite", "Play a list of experiments; one verdict, junit.xml, SARIF, a summary."),
    "trend": ("chaos.cli.trend", "Show each measure over the runs, and what got worse."),
    "drive": ("chaos.cli.drive", "Inject and heal faults as standard input says, for tests in any language."),
    "check": ("chaos.cli.judge", "Judge a run again from its files."),
    "report": ("chaos.cli.judge", "Write a run's reports again from its files."),
    "staff": ("chaos.cli.staff", "Say who is left of each component when whom leaves."),
    "faults": ("chaos.cli.inspect", "List the faults, their parameters and where they work."),
    "incident": ("chaos.cli.incident", "Say what is known of an incident, or write its page from runs."),
    "simulate": ("chaos.cli.simulate", "Compute how a whole site burns and comes back, with all its users."),
    "schema": ("chaos.cli.inspect", "Print the JSON Schema of experiment files."),
    "doctor": ("chaos.cli.doctor", "Say what this machine can do and what to install for the rest."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(COMMANDS[name][0]), f"{name}_command")
        assert isinstance(found, click.Command)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from chaos.registry import hint

            raise click.UsageError(f"no command {args[0]!r}; {hint(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chaos-harness", message="%(version)s")
def chaos() -> None:
    """What happens to our users when a zone burns, or the people who know the system leave?

    \b
    chaos run zone-fire                      the data-centre fire, as it was
    chaos run zone-fire --posture remedied   same seed, same load, tools and data replicated
    chaos doctor                             what this machine can do
    """


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 PASS, 1 FAIL, 2 ERROR, 3 INCONCLUSIVE, 4 DIRTY, 64 usage, 75 halted,
    130 interrupted."""
    try:
        code = chaos.main(args=None if argv is None else list(argv), prog_name="chaos", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as e:
        e.show()
        sys.exit(USAGE)
    except click.ClickException as e:
        e.show()
        sys.exit(e.exit_code)
    except ChaosError as e:
        print(f"chaos: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("chaos: interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as e:
        _unwritten(e)
    sys.exit(code if isinstance(code, int) else 0)


def _unwritten(error: OSError) -> NoReturn:
    """Nobody reads any more (`chaos list | head -1`), or there is no room for what we say."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries once more as it ends
    if isinstance(error, BrokenPipeError):
        sys.exit(0)
    print(f"chaos: {error.strerror}: {error.filename or 'standard output'}", file=sys.stderr)
    sys.exit(ChaosError.exit_code)
