"""`chaos incident`: dossiers in a terminal, and pages whose tables come from runs and whose words from people."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from chaos.cli import main
from chaos.incidents import file as dossiers
from chaos.incidents.report import dossier as printed
from chaos.incidents.report import page as incident_page
from chaos.judge.judge import judge
from chaos.record.journal import Journal
from tests.golden.make import load
from tests.messages import Says
from tests.unit.cli.test_commands import refusal

ROOT = Path(__file__).parents[3]
KAKAO = "kakao-2022-10-15"


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(("incident", *args))
    return int(e.value.code or 0)


def golden(name: str) -> incident_page.Played:
    journal = load(name)
    return journal, judge(journal, f"runs/zone-fire/{name}")


def test_a_dossier_is_printed_in_order_with_its_uses() -> None:
    """Facts by time with their confidence, then targets with what each may do; within the width, without colours."""
    text = printed.render(dossiers.read(dossiers.path(ROOT, KAKAO)), {"zone-fire": "nothing is lost"}, width=100)
    times = [text.index(what) for what in ("about half of the 32000 servers", "fire out", "every function back")]
    assert times == sorted(times)
    assert "set plant.boot;" in text and "chaos run zone-fire: nothing is lost" in text
    assert max(map(len, text.splitlines())) <= 100 and "\x1b" not in text


def test_dossiers_are_listed_with_what_replays_them(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each."""
    assert call() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == dossiers.names(ROOT)
    assert any(line.startswith(KAKAO) and "(chaos run" in line and "zone-fire" in line for line in lines)


def test_a_dossier_is_there_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON with the dossier's own names."""
    assert call(KAKAO, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["targets"]["bank_core_loss"]["use"] == "control" and "zone-fire" in found["replayed_by"]


@pytest.mark.parametrize(
    "args",
    [
        ("kakao",),
        (KAKAO, "last"),
        (KAKAO, "--out", "x.md"),
        (KAKAO, "--page", "nothing-such", "--runs", "none"),
        ("twitter-2022-11-17", "--page", "tests/golden/zone-fire-as-was"),
    ],
    ids=str,
)
def test_wrong_use_is_said_in_words(args: tuple[str, ...], capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """What was found, what was expected; exit 64."""
    assert call(*args) == 64
    says(refusal(capsys))


def test_a_page_sets_facts_beside_both_runs() -> None:
    """One column a run; a target that does not speak of a run has a dash there; both runs are named."""
    played = [golden("zone-fire-as-was"), golden("zone-fire-remedied")]
    text = incident_page.render(dossiers.read(dossiers.path(ROOT, KAKAO)), played, {}, {"mechanism": "It burned."})
    assert "| fact | use | value | as-was run | remedied run |" in text
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert rows["text_return_fraction"].endswith("**reproduced** | - |")
    assert rows["bank_core_loss"].count("**untouched**") == 2
    assert "**as predicted**" in rows["same_site_with_failover_fraction"]
    assert rows["bank"] == "| bank | not touched | not touched |"
    assert "runs/zone-fire/zone-fire-as-was" in text and "runs/zone-fire/zone-fire-remedied" in text
    assert "It burned." in text and incident_page.UNWRITTEN in text


@pytest.mark.parametrize("played", [[], [golden("logout-storm-as-was")]], ids=["no run", "a run"])
def test_a_formula_is_no_markup(played: list[incident_page.Played]) -> None:
    """A power has two stars, which Markdown would read as bold type: in the facts and in what would have helped."""
    text = incident_page.render(dossiers.read(dossiers.path(ROOT, "twitter-2022-12-28")), played, {}, {})
    assert r"(1 - f) \*\* n" in text and "f**2" not in text and r"f\*\*2" in text


def test_an_experiment_that_is_being_written_stops_no_dossier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken YAML beside the others: the incident is told all the same."""
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    for name in ("seeds", "services"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "wip.yaml").write_text("name: [")
    (tmp_path / "experiments" / "zone-fire.yaml").write_text((ROOT / "experiments" / "zone-fire.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    assert call() == 0 and call(KAKAO) == 0


def test_runs_are_told_apart_by_as_little_as_it_takes() -> None:
    """Posture, experiment, settings, name: two columns never have the same one."""
    fire, gap = golden("zone-fire-as-was"), golden("staff-exodus-latent")
    lanes = replace(fire[0], plan=structs.replace(fire[0].plan, settings={**fire[0].plan.settings, "boot_lanes": 4}))
    assert incident_page.labels([fire, golden("zone-fire-remedied")]) == ["as-was run", "remedied run"]
    assert incident_page.labels([fire, gap]) == ["zone-fire run", "staff-exodus-latent run"]
    assert incident_page.labels([fire, (lanes, fire[1])]) == ["boot_lanes=1", "boot_lanes=4"]
    assert incident_page.labels([fire, (fire[0], replace(fire[1], run="another"))])[1] == "another"


def test_what_people_wrote_is_kept(tmp_path: Path) -> None:
    """Written once by hand, the page written again twice: the words stay and the tables are the tool's."""
    page = tmp_path / "page.md"
    assert call(KAKAO, "--page", "--out", str(page)) == 0
    assert "`chaos run zone-fire`" in page.read_text()
    because = page.read_text().replace(incident_page.UNWRITTEN, "Because\n\n- of <fire>", 1)
    page.write_text(because + "\nscribbled below\n")
    assert call(KAKAO, "--page", "--out", str(page)) == 0
    first = page.read_text()
    assert call(KAKAO, "--page", "--out", str(page)) == 0
    assert page.read_text() == first and "Because\n\n- of <fire>" in first and "scribbled" not in first


@pytest.mark.parametrize("name", dossiers.names(ROOT))
def test_every_incident_has_a_page_with_its_mechanism(name: str) -> None:
    """docs/incidents/NAME.md, written by the tool, with the parts that only people can write."""
    text = (ROOT / "docs" / "incidents" / f"{name}.md").read_text()
    hand = incident_page.by_hand(text)
    assert set(hand) == set(incident_page.HAND) and all(len(words) > 200 for words in hand.values())
    dossier = dossiers.read(dossiers.path(ROOT, name))
    assert all(fact.what in text for _, fact in dossier.facts()), "written before the dossier changed; write it again"


def test_loading_a_journal_needs_no_seeds() -> None:
    """A run carries its facts, so it can be judged where the dossier is not."""
    assert isinstance(golden("zone-fire-as-was")[0], Journal)
