"""Rosters read from what a stranger's stack has: labels, a staff file, CODEOWNERS, commits; wrong input in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chaos.errors import BadExperiment
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.incidents.staff import ownership
from tests.messages import Says

ROOT = Path(__file__).parents[4]
SHOP = """
services:
  web: {command: [python3, -m, shop.web], build: ./web, labels: {chaos.owners: "ana, bo"}, depends_on: [cart-1]}
  cart-1:
    command: [run]
    build: {context: ./cart}
    labels: {chaos.component: cart, chaos.owner: shopping}
    depends_on: {db: {condition: service_healthy}}
  cart-2: {command: [run], labels: {chaos.component: cart, chaos.owner: shopping}}
  db: {command: [postgres], labels: {chaos.owners: "cy", chaos.path: "sql, migrations"}}
"""


def stack(folder: Path, text: str = SHOP, **extension: object) -> Stack:
    file = folder / "compose.yaml"
    doc = yaml.safe_load(text) | ({"x-chaos": extension} if extension else {})
    file.write_text(yaml.safe_dump(doc))
    return stackfile.read(file, strict=False)


def test_labels_name_people_or_a_team_that_counts_as_one(tmp_path: Path) -> None:
    """Components from their services; depends_on is what they need; who is needed by nobody is a journey."""
    found = ownership.from_labels(stack(tmp_path))
    assert found.owners == {"web": ("ana", "bo"), "cart": ("shopping",), "db": ("cy",)}
    assert found.needs == {"web": ("cart",), "cart": ("db",)}
    assert found.journeys == {"web": ("web",)}
    assert found.lost(("db",)) == ("web",)


def test_journeys_and_needs_may_be_declared(tmp_path: Path) -> None:
    """Beside depends_on; a journey of components that this posture does not run is left out."""
    made = stack(tmp_path, journeys={"buy": ["web"], "fly": ["plane"]}, needs={"web": ["db"]})
    found = ownership.from_labels(made)
    assert found.journeys == {"buy": ("web",)} and found.needs["web"] == ("cart", "db")


def test_a_staff_file_names_people_teams_and_an_order(tmp_path: Path) -> None:
    """A team stands for its people; a knob takes the first so many."""
    staff = tmp_path / "staff.yaml"
    staff.write_text("teams: {shop: [ana, bo, cy]}\ncomponents: {web: [dana, shop], cart: [shop], db: [], gone: [x]}\n")
    found = ownership.from_staff_file(staff, stack(tmp_path))
    assert found.owners == {"web": ("dana", "ana", "bo", "cy"), "cart": ("ana", "bo", "cy"), "db": ()}
    assert ownership.from_staff_file(staff, stack(tmp_path), 2).owners["web"] == ("dana", "ana")


CODEOWNERS = """
# everything
*            @lead
/cart/       @ana @shop/carts   # the cart
sql          @cy
/web/**/*.py @nobody
"""


def test_the_last_rule_that_matches_a_components_sources_owns_it(tmp_path: Path) -> None:
    """The path label, else the build context; a component with several paths has the owners of all."""
    found = ownership.from_codeowners(Path("CODEOWNERS"), CODEOWNERS, stack(tmp_path))
    assert found.owners == {"web": ("lead",), "cart": ("ana", "shop/carts"), "db": ("cy", "lead")}


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "/a/b.py", True),
        ("/docs/", "/docs/x", True),
        ("/docs/", "/a/docs/x", False),
        ("docs", "/a/docs/x", True),
        ("a/b", "/x/a/b", False),
        ("*.py", "/a/b.py", True),
        ("*.py", "/a/b.pyc", False),
        ("/a/*", "/a/b", True),
        ("**/b", "/x/y/b", True),
        ("/a/**", "/a/x/y", True),
        ("/a/?", "/a/bc", False),
    ],
)
def test_patterns_are_read_as_in_gitignore(pattern: str, path: str, matches: bool) -> None:
    """Anchored by a slash that is not the last character."""
    assert bool(ownership.codeowners_pattern(pattern).search(path)) is matches


def test_who_made_a_tenth_of_the_commits_knows_it(tmp_path: Path) -> None:
    """The one who fixed a comma does not."""
    found = ownership.from_commits({"web": ["ana"] * 15 + ["bo"] * 4 + ["cy"], "db": []}, stack(tmp_path))
    assert found.owners == {"web": ("ana", "bo"), "db": ()}


@pytest.mark.parametrize(
    "text",
    [
        "components: [web]",
        "teams: {}",
        "components: {web: [a]}",
        "components: {web: [a]}\npeople: [b]",
        "components: {web: [a",
    ],
)
def test_a_wrong_staff_file_is_refused_in_words(tmp_path: Path, text: str, says: Says) -> None:
    """With its name."""
    staff = tmp_path / "staff.yaml"
    staff.write_text(text)
    with says.raises(BadExperiment) as e:
        ownership.from_staff_file(staff, stack(tmp_path))
    assert str(staff) in str(e.value)


def test_what_cannot_be_known_is_said_in_words(tmp_path: Path, says: Says) -> None:
    """No label, no path, no commit, no rule, no file, an odd pattern, odd journeys."""
    bare = "services: {a: {command: [x]}}"
    with says.raises(BadExperiment):
        ownership.from_labels(stack(tmp_path, bare))
    with says.raises(BadExperiment):
        ownership.places(stack(tmp_path, bare))
    with says.raises(BadExperiment):
        ownership.from_commits({"a": []}, stack(tmp_path, bare))
    with says.raises(BadExperiment):
        ownership.from_codeowners(Path("CODEOWNERS"), "# nothing\n", stack(tmp_path))
    with says.raises(BadExperiment):
        ownership.from_codeowners(Path("CODEOWNERS"), "a[bc] @ana", stack(tmp_path))
    with says.raises(BadExperiment):
        ownership.from_staff_file(tmp_path / "nowhere", stack(tmp_path))
    with says.raises(BadExperiment):
        ownership.from_labels(stack(tmp_path, journeys={"buy": "web"}))


def test_the_stack_of_this_project_declares_its_staff() -> None:
    """Owners by the knob, journeys of the experiments' users, and chores of components that are there."""
    made = {n: stackfile.read(ROOT / "docker-compose.yml", "as-was", {"owners_per_component": str(n)}) for n in (1, 3)}
    found = {n: ownership.declared(s) for n, s in made.items()}
    one, three = found[1], found[3]
    assert one is not None and three is not None
    assert {len(o) for o in one.roster.owners.values()} == {1}
    assert max(len(o) for o in three.roster.owners.values()) == 3
    assert three.roster.lost(("gateway",)) == tuple(j for j in sorted(three.roster.journeys) if j != "bank")
    assert set(three.lapse) <= set(three.roster.owners)


@pytest.mark.parametrize(
    "staff",
    [
        {"fil": "x"},
        {"file": "staff.yaml", "per_component": "hands"},
        {"file": "staff.yaml", "lapse": ["boat"]},
    ],
    ids=str,
)
def test_a_wrong_declaration_is_refused_in_words(tmp_path: Path, staff: dict[str, object], says: Says) -> None:
    """With its place."""
    (tmp_path / "staff.yaml").write_text("components: {web: [a], cart: [a], db: [a]}")
    with pytest.raises(BadExperiment) as e:
        ownership.declared(stack(tmp_path, staff=staff))
    assert "x-chaos.staff" in str(e.value)
    says(e.value)


def test_a_stack_without_staff_declares_none(tmp_path: Path) -> None:
    """Most stacks."""
    assert ownership.declared(stack(tmp_path)) is None
