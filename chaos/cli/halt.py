"""`chaos halt` and `chaos resume`: the brake for everything of this user on this machine."""

from __future__ import annotations

import time

import click

PATIENCE = 60.0  # seconds: what a run in a box has to heal
LOOK = 0.1  # seconds


@click.command("halt", epilog='Examples: chaos halt · chaos halt --why "deploying to production until 16:00"')
@click.option("--why", default="", help="For whoever meets it: `chaos status`, `chaos doctor` and refused runs say it.")
@click.option("--within", type=float, default=PATIENCE, show_default=True, help="Seconds to wait for the runs to end.")
def halt_command(why: str, within: float) -> int:
    """Stop every run of this user on this machine, and let none begin until `chaos resume`.

    Each run heals and ends as on SIGTERM, wherever it was started. Exit 0 when all have ended, 2 when one has not.
    A run that is to begin meanwhile ends with exit 75 and has touched nothing.
    """
    from chaos import halt

    click.echo(f"{halt.halt(why).words}; `chaos resume` lets runs begin again")
    left = halt.running()
    for run in left:
        click.echo(f"ending: {run.words}")
        halt.end(run)
    deadline = time.monotonic() + within
    while (left := [run for run in left if halt.alive(run)]) and time.monotonic() < deadline:
        time.sleep(LOOK)
    for run in left:
        click.echo(f"still there after {within:g} s: {run.words}; look whether it heals, or end it with `kill -KILL "
                   f"{run.pid}` and clear up with `chaos heal`", err=True)  # fmt: skip
    if not left:
        click.echo("no run is left")
    return 2 if left else 0


@click.command("resume", epilog="Example: chaos resume")
def resume_command() -> int:
    """Let runs begin again after `chaos halt`."""
    from chaos import halt

    found = halt.resume()
    click.echo(f"resumed; it was {found.words}" if found else "nothing was halted")
    return 0


def notice() -> None:
    """Say what is halted and who runs, where there is anything to say."""
    from chaos import halt

    if found := halt.halted():
        click.echo(f"{found.words}; `chaos resume` lets runs begin")
    for run in halt.running():
        click.echo(f"running: {run.words}")
