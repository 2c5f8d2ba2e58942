"""A users' file read without running it: the journeys and clients there are, and when nobody can know."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import users
from tests.messages import Says

ROOT = Path(__file__).parents[3]
HEAD = "from chaos.load.openloop import OpenUser, journey, readback\n"
USER = """
class Web(OpenUser):
    client_type = "web"
    hosts = ["http://a:80"]

    @journey("text", weight=2, writes=True)
    def text(self): ...

    @readback("text")
    def back(self, after): ...
"""


def read(folder: Path, text: str, **beside: str) -> users.Users:
    for name, content in beside.items():
        (folder / f"{name}.py").write_text(content, encoding="utf-8")
    file = folder / "users.py"
    file.write_text(text, encoding="utf-8")
    return users.read(file)


def test_shipped_files_are_read_whole() -> None:
    """Their own classes and those of modules beside them."""
    found = {f.stem: users.read(f) for f in (ROOT / "experiments" / "users").glob("*.py")}
    assert not any(one.partial for one in found.values())
    assert {"text", "bank", "login3p"} <= found["messaging"].journeys
    assert {"canary", "text"} <= found["employees"].journeys and "post" in found["posting"].journeys
    assert found["messaging"].clients == {"app", "web", "third-party", "business"}


@pytest.mark.parametrize(
    ("text", "journeys", "clients"),
    [
        (HEAD + USER, {"text"}, {"web"}),
        ("import chaos.load.openloop as o\nclass A(o.OpenUser):\n    @o.journey(name='x')\n    def x(self): ...\n",
         {"x"}, {"app"}),
        (("from chaos.load.openloop import OpenUser as U, journey as j\nN = 'x'\n"
         "class A(U):\n    @j(N)\n    def x(self): ...\n"), {"x"}, {"app"}),
        (HEAD + USER + "class More(Web):\n    @journey('pay')\n    def pay(self): ...\n", {"text", "pay"}, {"web"}),
        (HEAD + USER + "class Other(Web):\n    def text(self): ...\n    @journey('pay')\n    def pay(self): ...\n"
         "Web.abstract\n", {"text", "pay"}, {"web"}),
        (HEAD + USER.replace("client_type", "abstract = True\n    client_type")
         + "class Other(Web):\n    def text(self): ...\n    @journey('pay')\n    def pay(self): ...\n",
         {"pay"}, {"web"}),
        (HEAD + "class Mixed:\n    @journey('x')\n    def x(self): ...\nclass A(Mixed, OpenUser): ...\n",
         {"x"}, {"app"}),
        (HEAD + USER + "class Off(OpenUser):\n    weight = 0\n    @journey('off')\n    def off(self): ...\n",
         {"text"}, {"web"}),
        (HEAD + USER + "import random\nfrom typing import NamedTuple\nR = random.Random(1)\n"
         "class Page(NamedTuple):\n    a: int\nclass E(Exception): ...\n", {"text"}, {"web"}),
        ("# -*- coding: latin-1 -*-\n" + HEAD + USER, {"text"}, {"web"}),
        (HEAD + "from chaos.load.openloop.postgres import Postgres\n" + USER, {"text"}, {"web"}),
    ],
)  # fmt: skip
def test_what_is_written_plainly_is_known(tmp_path: Path, text: str, journeys: set[str], clients: set[str]) -> None:
    """Inherited, mixed in, imported under another name, overridden."""
    assert read(tmp_path, text) == users.Users(frozenset(journeys), frozenset(clients))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + USER + "for n in range(3):\n    type('X', (Web,), {})\n",
        HEAD + USER + "Other = type('Other', (Web,), {})\n",
        HEAD + USER + "def make(c):\n    return c\nOther = make(Web)\n",
        HEAD + USER + "setattr(Web, 'x', journey('x')(print))\n",
        HEAD + USER + "    pay = journey('pay')(print)\n",
        HEAD + USER.replace('"text"', "name()"),
        HEAD + USER.replace('"web"', "name()"),
        HEAD + USER + "import os\nif os.environ:\n    class More(Web): ...\n",
        HEAD + USER.replace("@journey", "@wrapped\n    @journey"),
        HEAD + "from somewhere import Base\nclass A(Base):\n    @journey('x')\n    def x(self): ...\n",
        HEAD + "from somewhere import *\n" + USER,
        "from somewhere import User\n",
        HEAD + USER + "class A(Web, metaclass=M): ...\n",
    ],
)
def test_what_only_running_it_would_tell_is_said_to_be_unknown(tmp_path: Path, text: str) -> None:
    """Nobody is refused by it."""
    assert read(tmp_path, text).partial


def test_modules_beside_it_are_read_and_may_go_in_circles(tmp_path: Path) -> None:
    """As Python would import them."""
    text = "from base import Web\nimport base\nclass A(base.Web): ...\n"
    found = read(tmp_path, text, base=f"import users\n{HEAD}{USER}")
    assert found.journeys == {"text"} and not found.partial


@pytest.mark.parametrize(
    "text",
    ["", "x = 1\n", HEAD, HEAD + "class A(OpenUser): ...\n", HEAD + "class A(OpenUser):\n    abstract = True\n",
     HEAD + "class A(OpenUser):\n    @readback('x')\n    def x(self, after): ...\n", "def f(:\n", "\0", "return 1\n",
     "(" * 10_000, HEAD + USER.replace('"text"', '"text')],
)  # fmt: skip
def test_a_file_without_a_journey_is_refused(tmp_path: Path, text: str) -> None:
    """And one that is no Python, in that Python's own words."""
    with pytest.raises(BadExperiment) as e:
        read(tmp_path, text)
    (problem,) = e.value.problems
    assert problem.startswith(f"{tmp_path}/users.py:")


@pytest.mark.parametrize("name", ["ask", "get", "stop", "weight"])
def test_a_journey_that_hides_what_users_need_is_refused(name: str, tmp_path: Path, says: Says) -> None:
    """It would be called in its place, and nothing would ever be sent."""
    path = tmp_path / "users.py"
    path.write_text(
        "from chaos.load.openloop import OpenUser, journey\n\n\nclass A(OpenUser):\n"
        f"    @journey('x')\n    def {name}(self): ...\n"
    )
    with says.raises(BadExperiment):
        users.read(path)


def test_a_file_larger_than_any_program_is_not_read(tmp_path: Path, says: Says) -> None:
    """Its 3 GB are a hole, none of which is on the disk."""
    file = tmp_path / "users.py"
    with file.open("wb") as out:
        out.truncate(3 << 30)
    with says.raises(BadExperiment):
        users.read(file)


PAY = "    @journey('pay'{marks})\n    def pay(self): ...\n"
PAID = "    @readback('pay')\n    def paid(self, after): ...\n"
WRITES = PAY.format(marks=", writes=True")


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "class A(OpenUser):\n" + WRITES,
        HEAD + "class A(OpenUser):\n" + WRITES + PAID.replace("'pay'", "'text'"),
        HEAD + "class A(OpenUser):\n" + WRITES + "class B(OpenUser):\n" + WRITES + PAID,
        HEAD + USER + "class More(Web):\n" + WRITES,
        HEAD + USER + "class Less(Web):\n    back = None\n",
        HEAD + "class Mixed:\n" + WRITES + "class A(Mixed, OpenUser): ...\n",
    ],
)
def test_a_journey_that_writes_and_that_nobody_reads_back_is_refused(tmp_path: Path, text: str, says: Says) -> None:
    """Each class for itself: another's read-back looks for other users' writes."""
    with says.raises(BadExperiment):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "class A(OpenUser):\n" + WRITES + PAID,
        HEAD + "class A(OpenUser):\n" + PAY.format(marks=", writes=False"),
        HEAD + "class A(OpenUser):\n" + PAY.format(marks=""),
        HEAD + "class Base(OpenUser):\n    abstract = True\n" + PAID + "class A(Base):\n" + WRITES,
        HEAD + "class Base(OpenUser):\n    abstract = True\n" + WRITES + "class A(Base):\n" + PAID,
        HEAD + "X = len('')\nclass A(OpenUser):\n" + PAY.format(marks=", writes=X > 0"),
        HEAD + "class A(OpenUser):\n" + WRITES + PAID.replace("'pay'", "'p' + 'ay'"),
        "from far import Member\n" + HEAD + "class A(Member):\n" + WRITES,
    ],
)
def test_what_is_read_back_or_cannot_be_known_is_not_refused(tmp_path: Path, text: str) -> None:
    """The load, which runs the file, refuses the rest before anything is broken."""
    found = read(tmp_path, text)
    assert found.partial or found.journeys == {"pay"}
