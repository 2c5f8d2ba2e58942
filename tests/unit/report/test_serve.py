"""`chaos serve`: pages over a folder of runs, and nothing of the disk but what they show."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from chaos.cli.serve import application
from chaos.report.site.site import Site
from tests.golden import make
from tests.messages import Says, lines

NASTY = '"><script>alert(1)</script>'


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two recorded runs, judged, with a file of passwords beside them as a real run has."""
    for k, name in enumerate(("zone-fire-as-was", "zone-fire-remedied")):
        run = tmp_path / "runs" / "zone-fire" / f"2026010{k + 1}T000000Z-s7"
        run.mkdir(parents=True)
        for file in ("plan.json", "findings.json", "journal.jsonl"):
            shutil.copy(make.HERE / name / file, run)
        (run / "report.html").write_text(f"<p>report {k}")
        (run / "users.json").write_text("secret")
    return tmp_path / "runs"


AS_WAS, REMEDIED = "zone-fire/20260101T000000Z-s7", "zone-fire/20260102T000000Z-s7"


def heard(page: str) -> str:
    """The page's words."""
    text = re.sub(r"<(style|script|title).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def test_all_runs_are_listed_with_their_reports(runs: Path) -> None:
    """The newest first, each with its verdict and a link."""
    page = Site(runs).get("/").body.decode()
    assert page.index(REMEDIED) < page.index(AS_WAS)
    assert (
        f'href="/runs/{AS_WAS}/report.html"' in page
        and page.count(">PASS<") == page.count(">PASS, 1 expected failure<") == 1
    )
    assert Site(runs).get(f"/runs/{AS_WAS}/report.html").body == b"<p>report 0"


def test_runs_are_searched_by_words(runs: Path, says: Says) -> None:
    """What was asked stands in the field again, as text."""
    page = Site(runs).get("/", [("q", "REMEDIED pass")]).body.decode()
    assert REMEDIED in page and AS_WAS not in page
    page = Site(runs).get("/", [("q", NASTY)]).body.decode()
    assert "<script>" not in page and AS_WAS not in page and REMEDIED not in page
    says(lines(heard(page), "No run"))


def test_two_runs_stand_side_by_side(runs: Path, says: Says) -> None:
    """Measure by measure, what differs marked."""
    asked = [("run", AS_WAS), ("run", REMEDIED), ("run", AS_WAS), ("run", "no/such")]
    page = Site(runs).get("/compare", asked).body.decode()
    says(lines(heard(page), "side by side"))
    rows = {r.split("<td>")[1].split("</td>")[0]: r for r in page.split("<tr")[1:] if "<td>" in r}
    text = json.loads((runs / AS_WAS / "findings.json").read_text())["measures"]["rto_s"]["text"]
    assert f"<td>{text:,g}</td>" in page
    assert "differs" in rows["posture"] and "as-was" in rows["posture"] and "remedied" in rows["posture"]
    assert "differs" not in rows["seed"]
    nothing = Site(runs).get("/compare").body.decode()
    assert "<td>" not in nothing
    says(heard(nothing))


@pytest.mark.parametrize(
    "path",
    [f"/runs/{AS_WAS}/users.json", f"/runs/{AS_WAS}/../../../passwd", "/runs/../../etc/passwd", f"/runs/{AS_WAS}/logs",
     "/runs//etc/passwd", f"/runs/{AS_WAS}/", "/runs/", "/index.sqlite", "/runs/zone-fire/nothing/report.html"],
)  # fmt: skip
def test_nothing_else_of_the_disk_is_shown(runs: Path, path: str) -> None:
    """Passwords of the users, logs and whatever lies above."""
    answer = Site(runs).get(path)
    assert answer.status == 404 and b"secret" not in answer.body and b"root:" not in answer.body


def test_a_run_that_was_cut_off_is_listed_without_a_link(runs: Path) -> None:
    """And a report that is missing says how to make it."""
    (runs / AS_WAS / "findings.json").unlink()
    (runs / REMEDIED / "report.html").unlink()
    assert f'href="/runs/{AS_WAS}' not in Site(runs).get("/").body.decode()
    answer = Site(runs).get(f"/runs/{REMEDIED}/report.html")
    assert answer.status == 404 and f"chaos report {REMEDIED}".encode() in answer.body


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path, says: Says) -> None:
    """Nothing is broken, there is just nothing."""
    page = Site(tmp_path).get("/")
    assert page.status == 200
    says(heard(page.body.decode()))


def test_a_browser_gets_headers_and_a_stranger_nothing(runs: Path) -> None:
    """A page elsewhere whose name resolves to this machine is refused; no page may load anything from elsewhere."""

    async def ask() -> tuple[int, str, int, int]:
        runner = web.AppRunner(application(runs), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/") as ours:
                policy = ours.headers["Content-Security-Policy"]
            async with http.get(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"}) as theirs:
                pass
            async with http.post(f"http://127.0.0.1:{port}/") as posted:
                pass
        await runner.cleanup()
        return ours.status, policy, theirs.status, posted.status

    status, policy, stranger, posted = asyncio.run(ask())
    assert (status, stranger, posted) == (200, 421, 405)
    assert policy.startswith("default-src 'none'")
