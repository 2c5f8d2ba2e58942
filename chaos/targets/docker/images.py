"""Images: those that a stack's description builds, and the harness's own two; `python -m chaos.targets.docker.images`.

All are built from one base. If no registry may be reachable, the stack's x-chaos block names a program that finds or
makes the base (`base: services/images/base`) and prints its name.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import io
import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.errors import ChaosError, TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.targets.compose.command import Command, version
from chaos.targets.compose.declared import declared
from chaos.targets.docker.engine import Engine, explained

if TYPE_CHECKING:
    from docker import APIClient

Progress = Callable[[str], None]

CLIENTS = ("redis", "psycopg", "psycopg-binary")  # of users' files; see the extra `clients`
PACKAGES = ("locust", "msgspec", *CLIENTS)  # of the load's image
BASE = "debian:bookworm-slim"
BUILD_SECONDS = 900.0  # a step of a build may run this long without output
PACKAGE = Path(__file__).resolve().parents[2]  # chaos itself
_STEP = re.compile(r"^(?:Step (\d+/\d+)|#\d+ \[.*?(\d+/\d+)\])")


@functools.cache
def helper_tag() -> str:
    """Derived from the contents, so that another version of the harness builds another image."""
    return f"chaos-harness/helper:{_digest(_helper_files().values())}"


@functools.cache
def load_tag() -> str:
    return f"chaos-harness/load:{_digest([*_load_files().values(), _packages().encode()])}"


async def prepare(engine: Engine, stack: Stack, progress: Progress, anew: bool = False) -> None:
    """Build missing images; with `anew` everything that is not in the engine's cache. Raises TargetError."""
    started = {*stack.in_file(stack.services), *stack.jobs}
    specs = {name: spec for name, spec in declared(stack).services.items() if name in started and spec.get("build")}
    builds = {_image(stack, engine.project, name, spec): name for name, spec in specs.items()}
    wanted = [image for image in builds if anew or not await is_here(engine, image)]
    own = [tag for tag in (helper_tag(), load_tag()) if anew or not await is_here(engine, tag)]
    if not wanted and not own:
        return
    base = await _base(stack, progress)

    async def the_stacks() -> None:
        for image in wanted:
            progress(f"building image {image}")
            steps = build_steps(image, progress)
            await Command(stack, engine).run("build", builds[image], base=base, silence=BUILD_SECONDS, progress=steps)

    async def our_own() -> None:
        for tag in own:
            progress(f"building image {tag}")
            await engine.ask(functools.partial(_build, tag=tag, base=base, progress=progress))

    await asyncio.gather(the_stacks(), our_own())  # concurrently, because each mostly waits for the network


def _image(stack: Stack, project: str, service: str, spec: Mapping[str, Any]) -> str:
    """The name of what Compose builds."""
    separator = "_" if version() < (2,) else "-"
    return stackfile.settled(stack, spec.get("image")) or f"{project}{separator}{service}"


async def is_here(engine: Engine, image: str) -> bool:
    return bool(await engine.ask(lambda api: api.images(image)))


async def _base(stack: Stack, progress: Progress) -> str:
    program = stack.extension.get("base")
    if not program:
        return os.environ.get("CHAOS_BASE", BASE)
    where = f"{stack.path}: x-chaos.base: {program}"
    try:
        process = await asyncio.create_subprocess_exec(
            str(stack.root / program),
            cwd=stack.root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as e:
        raise TargetError(
            f"{where}: cannot be run ({e.strerror}); expected a program that prints an image's name"
        ) from e
    assert process.stdout is not None and process.stderr is not None
    said: list[str] = []
    while line := (await process.stderr.readline()).decode(errors="replace"):
        said.append(line.strip())
        progress(said[-1])
    names = (await process.stdout.read()).decode().split()
    if await process.wait() or not names:
        raise TargetError(f"{where}: no base image: {' / '.join(said[-4:]) or 'it printed nothing'}")
    return names[-1]


def _build(api: APIClient, tag: str, base: str, progress: Progress) -> None:
    """Build one of the harness's own images. Blocks."""
    steps = build_steps(tag, progress)
    said: list[str] = []
    files, arguments = _helper_files(), {"BASE": base}
    if tag == load_tag():
        files, arguments = {**_load_files(), **_ca()}, {"BASE": base, "PACKAGES": _packages()}
    answers = api.build(
        fileobj=_tar(files),
        custom_context=True,
        tag=tag,
        buildargs=arguments,
        rm=True,
        decode=True,
        timeout=int(BUILD_SECONDS),
    )
    for answer in answers:
        said.append(str(answer.get("stream", answer.get("error", ""))))
        steps(said[-1])
        if "error" in answer:
            raise TargetError(f"image {tag} could not be built: {explained(''.join(said[-12:]))}")


def build_steps(image: str, progress: Progress) -> Progress:
    """Pass only a builder's steps on to `progress`."""

    def tell(line: str) -> None:
        if m := _STEP.match(line):
            progress(f"building image {image}: step {m[1] or m[2]}")

    return tell


def _helper_files() -> Mapping[str, bytes]:
    folder = PACKAGE / "helper"
    return {
        "Dockerfile": (folder / "Dockerfile").read_bytes(),
        **{f"helper/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))},
    }


def _load_files() -> Mapping[str, bytes]:
    return {"Dockerfile": (PACKAGE / "load" / "Dockerfile").read_bytes()}


def _packages() -> str:
    """In the harness's own versions, so that the tested ones are used; clients only if they are installed here."""
    return " ".join(f"{name}=={found}" for name in PACKAGES if (found := _version(name)))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        assert name in CLIENTS, f"{name} is a dependency of the harness"
        return ""


def _ca() -> Mapping[str, bytes]:
    """The host's CA bundle, if it names one: pip trusts it while the image is built."""
    path = Path(os.environ.get("SSL_CERT_FILE") or os.devnull)
    return {"ca/bundle.crt": path.read_bytes() if path.is_file() else b""}


def _digest(contents: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def _tar(files: Mapping[str, bytes]) -> io.BytesIO:
    """A reproducible archive: otherwise the engine's cache would never hit."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    out.seek(0)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.targets.docker.images", description=__doc__)
    parser.add_argument("--stack", type=Path, default=Path("docker-compose.yml"), help="the stack's description")
    try:
        stack = stackfile.read(parser.parse_args(argv).stack, strict=False)
        asyncio.run(prepare(Engine("chaos", ""), stack, lambda line: print(line, flush=True), anew=True))
    except ChaosError as e:
        print(f"error: {e}", file=sys.stderr)
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
