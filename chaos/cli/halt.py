"""`chaos halt` and `chaos resume`: stops and blocks all runs of this user on this machine."""

from __future__ import annotations

import contextlib

import click

PATIENCE = 60.0  # seconds that a run in a box has to heal
LOOK = 0.1  # seconds


@click.command("halt", epilog='Examples: chaos halt · chaos halt --why "deploying to production until 16:00"')
@click.option("--why", default="", help="The reason, shown by `chaos status`, `chaos doctor` and refused runs.")
@click.option("--within", type=float, default=PATIENCE, show_default=True, help="Seconds to wait for the runs to end.")
def halt_command(why: str, within: float) -> int:
    """Stop every run of this user on this machine, and block new ones until `chaos resume`.

    Each run heals and ends as on SIGTERM, wherever it was started. Exit 0 if all have ended, 2 if one has not.
    New runs end with exit 75 before they touch anything.
    """
    from chaos.run import halt
    from chaos.waiting import block_until

    click.echo(f"{halt.halt(why).words}; `chaos resume` allows runs again")
    left = list(halt.running())
    for run in left:
        click.echo(f"ending: {run.words}")
        halt.end(run)

    def none_left() -> bool:
        left[:] = [run for run in left if halt.alive(run)]
        return not left

    with contextlib.suppress(TimeoutError):
        block_until(none_left, within, LOOK)
    for run in left:
        click.echo(f"still running after {within:g} s: {run.words}; check whether it heals, or end it with `kill -KILL "
                   f"{run.pid}` and clean up with `chaos heal`", err=True)  # fmt: skip
    if not left:
        click.echo("no run is active")
    return 2 if left else 0


@click.command("resume", epilog="Example: chaos resume")
def resume_command() -> int:
    """Allow runs again after `chaos halt`."""
    from chaos.run import halt

    found = halt.resume()
    click.echo(f"resumed; it was {found.words}" if found else "runs were not halted")
    return 0


def notice() -> None:
    """Print the halt and the active runs, if there are any."""
    from chaos.run import halt

    if found := halt.halted():
        click.echo(f"{found.words}; `chaos resume` allows runs again")
    for run in halt.running():
        click.echo(f"running: {run.words}")
