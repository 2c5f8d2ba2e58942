"""What is bound into a node's view of the files: all that it needs, and nothing that happens to lie around it."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from chaos.errors import TargetError
from chaos.targets.box import view
from tests.messages import Says


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A home with a project in it, a project elsewhere, and programs of both."""
    for name in (
        "home/project/.venv/bin",
        "home/.ssh",
        "home/.local/bin",
        "home/tools/bin",
        "data/project",
        "opt/x/bin",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/.netrc").write_text("secret")
    return tmp_path


def needed(root: Path, machine: Path, **environ: str) -> list[str]:
    found = view.needed(root, {"HOME": str(machine / "home"), **environ})
    assert found[0] == root
    return [str(path) for path in found]


def test_a_stack_sees_its_folder_its_python_and_what_path_names(machine: Path) -> None:
    """And what somebody names who knows that it needs more; of a package in /opt all."""
    tools, more = machine / "home/tools/bin", machine / "data"
    found = needed(machine / "home/project", machine, PATH=f"{tools}:/usr/bin::relative:{machine}/none",
                   CHAOS_READABLE=f"{more}")  # fmt: skip
    assert {str(tools), str(more), sys.prefix, sys.base_prefix, str(Path(view.__file__).parents[2])} <= set(found)
    assert str(machine / "none") not in found and "relative" not in found
    assert view.package_of(Path("/opt/x/y/bin")) == Path("/opt/x") and view.package_of(Path("/usr/bin")) == Path(
        "/usr/bin"
    )


@pytest.mark.parametrize("variable", ["PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "CHAOS_READABLE"])
def test_no_variable_opens_the_home(machine: Path, variable: str) -> None:
    """Nor what the home lies in, by whatever name."""
    (machine / "link").symlink_to(machine / "home")
    named = ":".join(map(str, [machine / "home", machine / "link", machine, "/", "/tmp"]))
    found = needed(machine / "data/project", machine, **{variable: named})
    assert not {str(machine / "home"), str(machine / "link"), str(machine), "/", "/tmp"} & set(found)


@pytest.mark.parametrize("root", ["/", "/tmp", "/var/tmp", "/home", "/etc", "/opt"])
def test_a_stack_in_everybodys_folder_is_refused(machine: Path, root: str, says: Says) -> None:
    """Its nodes would see all of it."""
    with says.raises(TargetError):
        view.needed(Path(root), {"HOME": str(machine / "home")})


def test_what_lies_in_another_that_is_shown_is_shown_once(machine: Path) -> None:
    """And what the system's folders hold not at all: they are shown anyway. Links are followed, and stay."""
    home, project = machine / "home", machine / "home/project"
    (machine / "short").symlink_to(project)
    found = view.places([project, project / ".venv", Path("/usr/bin"), machine / "short" / ".venv"], home)
    assert found == sorted([str(project), str(machine / "short" / ".venv")])


def test_a_home_within_a_project_stays_shut_but_for_what_is_needed(machine: Path) -> None:
    """A project in the folder of all homes: an empty folder lies over each home, and on it what is needed of it."""
    home = machine / "home"
    found = view.places([machine, home / "project/.venv", machine / "data/project"], home)
    assert found == [str(machine), str(home / "project/.venv")]
    assert view.private(home, [machine]) == []


def test_of_a_home_that_is_the_project_itself_the_private_part_is_hidden(machine: Path) -> None:
    """What begins with a dot, as far as nothing needed lies in it."""
    home = machine / "home"
    (home / ".venv").mkdir()
    hidden = view.private(home, [home, home / ".venv", home / ".local/bin"])
    assert sorted(hidden) == [str(home / ".netrc"), str(home / ".ssh")]
    assert view.private(home, [home / "project"]) == []


def test_this_kernel_is_asked_without_a_change(machine: Path) -> None:
    """A call with nothing to do: what matters is whether the kernel knows it."""
    assert view.refused() in (0, errno.ENOSYS, errno.EPERM)
