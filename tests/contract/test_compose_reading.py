"""Files as others write them are read by Compose, of both kinds, and stacks of them are started and faulted."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import APIClient

from chaos.errors import BadExperiment, TargetError
from chaos.experiment.stack import Stack
from chaos.model import Node
from chaos.protocols.capabilities import EXEC, KILL
from chaos.targets import known
from chaos.targets.compose import command
from chaos.targets.compose.target import Compose
from chaos.targets.docker import images

pytestmark = pytest.mark.engine

PREFIX = "chaosfiles"  # of every project here
V2 = "CHAOS_TEST_COMPOSE_V2"  # names a folder with the plugin `docker compose`, for machines that have 1.29 as well
IMAGE = images.helper_tag()


@pytest.fixture(params=["1", "2"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Compose of that major version."""
    if request.param == "2" and V2 in os.environ:
        monkeypatch.setenv("DOCKER_CONFIG", os.environ[V2])
    command.forget()
    if command.version()[0] != int(request.param):
        pytest.skip(f"no Compose {request.param} here; {V2} may name a folder with cli-plugins/docker-compose")
    yield int(request.param)
    monkeypatch.undo()
    command.forget()


def folder(tmp_path: Path, **files: str) -> Path:
    """Files by name, with _ for a dot; returns the first."""
    place = tmp_path / f"{PREFIX} of a stranger's"
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("__", "-").replace("_", ".")).write_text(text.replace("IMAGE", IMAGE), encoding="utf-8")
    return next(place / name.replace("__", "-").replace("_", ".") for name in files)


def test_what_others_write_is_read_as_compose_reads_it(version: int, tmp_path: Path) -> None:
    """Values from .env, defaults, `extends`, an override, anchors, a required variable and an escaped dollar sign."""
    file = folder(
        tmp_path,
        compose_yaml="""
services:
  web: &web
    image: IMAGE
    command: ["sleep", "${SECONDS_:-5}"]
    environment: {FROM_ENV: "${WORD}", DOLLAR: "a$$b", NEEDED: "${WORD:?set it}"}
  api:
    extends: {file: base.yaml, service: common}
    labels: {chaos.zone: b}
  again: {<<: *web, environment: [X=1]}
""",
        compose_override_yaml="services: {web: {environment: {OVER: ridden}, labels: {chaos.zone: a}}}\n",
        base_yaml="services: {common: {image: IMAGE, command: [sleep, '7'], environment: {COMMON: 'yes'}}}\n",
        _env="WORD=hello\n",
    )
    made = known.read("compose", file, None, {}, {})
    web = made.services["web"]
    assert web.environment == {"FROM_ENV": "hello", "DOLLAR": "a$b", "NEEDED": "hello", "OVER": "ridden"}
    assert web.command == ("sleep", "5")
    assert made.services["api"].environment == {"COMMON": "yes"} and made.services["api"].command == ("sleep", "7")
    assert [(node.name, node.zone) for node in made.nodes] == [("again", ""), ("api", "b"), ("web", "a")]


@pytest.mark.parametrize(
    "text",
    [
        "services: {web: {image: x, evironment: {}}}",
        "services: {web: {image: '${MISSING:?is needed}'}}",
        "services: {web: {image: x, depends_on: [nobody]}}",
    ],
)
def test_what_compose_refuses_is_refused_with_its_words(version: int, text: str, tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(BadExperiment) as refused:
        known.read("compose", folder(tmp_path, compose_yaml=text), None, {}, {})
    assert "compose.yaml" in str(refused.value) and ("Compose v2" in str(refused.value)) is (version == 1)


def test_included_files_are_read_by_the_compose_that_can(version: int, tmp_path: Path) -> None:
    """`include:` came with Compose 2.20."""
    file = folder(
        tmp_path,
        compose_yaml="include: [other.yaml]\nservices: {web: {image: IMAGE}}\n",
        other_yaml="services: {db: {image: IMAGE}}\n",
    )
    if version == 1:
        with pytest.raises(BadExperiment, match="Compose v2"):
            known.read("compose", file, None, {}, {})
    else:
        assert [node.name for node in known.read("compose", file, None, {}, {}).nodes] == ["db", "web"]


STACK = """
services:
  web:
    build: web
    scale: 3
  migrate:
    image: IMAGE
    command: [touch, /shared/migrated]
    volumes: ["shared:/shared"]
  db:
    image: IMAGE
    command: [sh, -c, "test -e /shared/migrated && touch /tmp/up && exec sleep 3600"]
    stop_grace_period: 0s
    depends_on: {migrate: {condition: service_completed_successfully}}
    volumes: ["shared:/shared"]
    healthcheck: {test: "test -e /tmp/up && sleep 3.5", interval: 1s, timeout: 10s}
  once:
    image: IMAGE
    command: ["true"]
volumes: {shared: }
"""


def test_replicas_jobs_and_builds_come_up_and_each_container_is_a_node(version: int, tmp_path: Path) -> None:
    """A build without `image:`, three containers of one service, a job that another one waits for, one that nobody
    waits for, and a health check that takes its time. One of the three dies, and nobody else.
    """
    file = folder(tmp_path, compose_yaml=STACK)
    (file.parent / "web").mkdir()
    (file.parent / "web" / "Dockerfile").write_text(f'FROM {IMAGE}\nCMD ["sleep", "3600"]\n', encoding="utf-8")
    stack = known.read("compose", file, None, {}, {})
    assert [node.name for node in stack.nodes] == ["db", "once", "web-1", "web-2", "web-3"]
    said: list[str] = []
    one = Compose(stack, None, said.append, within=30.0, project=PREFIX)
    try:
        asyncio.run(faulted(one, stack))
        assert any(line.startswith("once ") for line in said)
    finally:
        asyncio.run(one.down())
        shutil.rmtree(file.parent)
    api = APIClient(version="auto")
    assert not [c for c in api.containers(all=True) if PREFIX in c["Names"][0]]
    assert not [n for n in api.networks() if n["Name"].startswith(PREFIX)]
    for image in api.images(f"{PREFIX}*web"):
        api.remove_image(image["Id"], force=True)


async def faulted(one: Compose, stack: Stack) -> None:
    await one.up()
    assert await one.residue() == []
    await one.up()  # a second time changes nothing
    every = await one.engine.containers()
    assert sorted(every) == ["db", "migrate", "once", "web-1", "web-2", "web-3"]
    two = Node("web-2", "web", "")
    kill, inside = one.can.need(KILL), one.can.need(EXEC)
    await kill.kill([two])
    assert [await one.running(node) for node in stack.nodes] == [True, False, True, False, True]
    assert await one.residue() == ["web-2 is not running"]
    await one.heal()
    assert await one.residue() == [] and await one.running(two)
    assert (await inside.exec(two, ["hostname"]))[1].strip() == every["web-2"].id[:12]
    with pytest.raises(TargetError):
        await inside.exec(Node("once", "once", ""), ["true"])


def test_a_job_that_fails_ends_the_start(version: int, tmp_path: Path) -> None:
    """It was to end with 0."""
    text = "services: {once: {image: IMAGE, command: ['false']}, web: {image: IMAGE, command: [sleep, '60']}}"
    stack = known.read("compose", folder(tmp_path, compose_yaml=text), None, {}, {})
    one = Compose(stack, None, within=10.0, project=PREFIX)
    try:
        with pytest.raises(TargetError, match=r"once[^\n]*exited 1"):
            asyncio.run(one.up())
    finally:
        asyncio.run(one.down())
