"""The project's name is Compose's own choice, whichever Compose it is; what others of its names lead to stays apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.targets.compose import project
from chaos.targets.docker import network_helper
from chaos.targets.docker.engine import Engine
from tests.messages import Says

SERVICES = "services: {web: {image: x}}\n"


def stack_in(folder: Path, text: str = SERVICES) -> Stack:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "docker-compose.yml").write_text(text, encoding="utf-8")
    return stackfile.read(folder / "docker-compose.yml", strict=False)


@pytest.mark.parametrize(
    ("folder", "dotenv", "top", "environ", "name"),
    [
        ("Shop.v2", "", "", {}, "shopv2"),
        ("_-9 Lives", "", "", {}, "9lives"),
        ("shop", "", "Toko!", {}, "toko"),
        ("shop", "", "${TOKO:-toko}", {}, "toko"),
        ("shop", "A=1\nexport COMPOSE_PROJECT_NAME='from-file' # ours\n", "toko", {}, "from-file"),
        ("shop", "COMPOSE_PROJECT_NAME=one\nCOMPOSE_PROJECT_NAME = two # three\n", "", {}, "two"),
        ("shop", "#COMPOSE_PROJECT_NAME=one\nMY_COMPOSE_PROJECT_NAME=two\n", "", {}, "shop"),
        ("shop", "COMPOSE_PROJECT_NAME=file\n", "toko", {"COMPOSE_PROJECT_NAME": "Said"}, "said"),
        ("shop", "COMPOSE_PROJECT_NAME=file\n", "", {"COMPOSE_PROJECT_NAME": ""}, "shop"),
    ],
)
def test_the_name_is_the_one_that_compose_would_take(
    folder: str, dotenv: str, top: str, environ: Mapping[str, str], name: str, tmp_path: Path
) -> None:
    """The environment, the .env file beside the stack, `name:`, the folder; in the one form that engines accept."""
    stack = stack_in(tmp_path / folder, SERVICES + (f"name: '{top}'\n" if top else ""))
    (tmp_path / folder / ".env").write_text(dotenv, encoding="utf-8")
    assert project.name(stack, environ) == name


@pytest.mark.parametrize("folder", ["日本", "---", ".._"])
def test_a_folder_that_gives_no_name_is_refused(folder: str, tmp_path: Path, says: Says) -> None:
    """Rather than the name of nobody; one from the environment helps."""
    stack = stack_in(tmp_path / folder)
    with says.raises(BadExperiment):
        project.name(stack, {})
    assert project.name(stack, {"COMPOSE_PROJECT_NAME": "x"}) == "x"


def test_tables_of_the_packet_filter_are_words_and_one_for_each_stack_and_project() -> None:
    """a-b and a_b, digits first, two checkouts under one name: none heals another's."""
    engines = [Engine(p, s) for p in ("a-b", "a_b", "ab", "9x", "a" * 300) for s in ("/one/c.yml", "/two/c.yml")]
    tables = {network_helper.table(engine) for engine in engines}
    assert len(tables) == len(engines)
    assert all(t.replace("_", "").isalnum() and t[0].isalpha() and len(t) < 80 for t in tables)
