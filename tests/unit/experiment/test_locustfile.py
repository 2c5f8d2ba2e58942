"""A locustfile is read and never run: what is certainly wrong is refused, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import locustfile
from tests.messages import Says

QUICKSTART = """
import time
from locust import HttpUser, task, between

class QuickstartUser(HttpUser):
    wait_time = between(1, 5)

    @task
    def hello_world(self):
        self.client.get("/hello")
        self.client.get("/world")

    @task(3)
    def view_items(self):
        for item_id in range(10):
            self.client.get(f"/item?id={item_id}", name="/item")
            time.sleep(1)

    def on_start(self):
        self.client.post("/login", json={"username":"foo", "password":"bar"})
"""


def read(folder: Path, text: str | bytes, *classes: str) -> frozenset[str]:
    file = folder / "locustfile.py"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return locustfile.read(file, classes)


@pytest.mark.parametrize(
    "text",
    [
        QUICKSTART,
        "import locust\nclass A(locust.FastHttpUser): ...\n",
        "from locust import User as U\nclass Base(U):\n    abstract = True\nclass A(Base): ...\n",
        "from locust.contrib.fasthttp import FastHttpUser\nclass A(FastHttpUser): ...\n",
        "from locust import User\nclass Mixed: ...\nclass A(Mixed, User): ...\n",
        "from common import ShopUser\n",
        "from common import *\n",
        "from .common import ShopUser\n",
        "from grpc_user import GrpcUser\nclass A(GrpcUser): ...\n",
        "import common\nclass A(common.user): ...\n",
        "from locust import HttpUser\nA = type('A', (HttpUser,), {})\n",
        "try:\n    from locust import HttpUser\nexcept ImportError:\n    raise\nif True:\n    class A(HttpUser): ...\n",
        "from locust import User\nclass Base(User):\n    abstract: bool = True\nclass A(Base):\n    abstract = False\n",
        "from typing import Generic\nfrom locust import User\nclass A(User, Generic): ...\n",
    ],
    ids=range(14),
)
def test_what_may_have_users_is_taken(tmp_path: Path, text: str) -> None:
    """Locust's own documentation, base classes, other packages, classes that a call makes."""
    assert isinstance(read(tmp_path, text), frozenset)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1\n",
        "class A: ...\n",
        "from locust import HttpUser, TaskSet\nclass A(HttpUser):\n    abstract = True\nclass B(TaskSet): ...\n",
        "from locust import LoadTestShape\nclass A(LoadTestShape): ...\n",
        "from unittest import TestCase\nclass A(TestCase): ...\nclass B(Exception): ...\n",
        "from locust import HttpUser\ndef make():\n    class A(HttpUser): ...\n",
        "class A(:\n",
        b"\xff\xfe\x00",
        b"x = '\x00'\n",
    ],
    ids=range(10),
)
def test_what_has_no_users_is_refused(tmp_path: Path, text: str | bytes, says: Says) -> None:
    """Also what is not Python, with its line."""
    with says.raises(BadExperiment):
        read(tmp_path, text)


def test_classes_that_are_asked_for_have_to_be_there(tmp_path: Path, says: Says) -> None:
    """Where all are known; otherwise Locust says it when the stack is up."""
    assert read(tmp_path, QUICKSTART, "QuickstartUser") == {"QuickstartUser"}
    with says.raises(BadExperiment):
        read(tmp_path, QUICKSTART, "QuickUser")
    read(tmp_path, QUICKSTART + "from common import *\n", "QuickUser")


def test_nothing_of_it_is_run(tmp_path: Path) -> None:
    """It is somebody's program."""
    read(tmp_path, QUICKSTART + f"open({str(tmp_path / 'run')!r}, 'w')\nraise SystemExit\n")
    assert not (tmp_path / "run").exists()
