"""report.html in a real Chromium: by mouse, by keyboard, on a phone, on paper, and without a word to anybody."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.report.formats import html
from tests.browser import Page, browser
from tests.golden import make

pytestmark = pytest.mark.browser

ZOOM = "document.querySelector('#zoom output').textContent"
FOCUS = "document.activeElement.className || document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run's."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(html.render(make.load("zone-fire-as-was"), make.verdict("zone-fire-as-was")))
    return file


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    """One browser for all of them."""
    with browser() as page:
        yield page


@pytest.fixture
def page(tab: Page, report: Path) -> Iterator[Page]:
    """The report, freshly opened; whoever uses it, it says nothing to the console and asks the network for nothing."""
    tab.said.clear()
    tab.open(report)
    yield tab
    tab.run("0")  # whatever it had to say by now has been said
    assert tab.said == []


def size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_the_browser_tells_on_a_page_that_misbehaves(tab: Page, tmp_path: Path) -> None:
    """A planted page that throws, complains and asks the network: else silence would prove nothing."""
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('planted'); nothing.at.all</script>")
    tab.said.clear()
    tab.open(bad)
    tab.run("0")
    said = " ".join(tab.said)
    assert "planted" in said and "thrown" in said and "network: http://127.0.0.1:9/x.png" in said


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_no_screen_is_too_narrow(page: Page, report: Path, width: int, dark: bool) -> None:
    """Nothing scrolls sideways but the charts and tables in their own frames; night has a dark ground."""
    page.open(report, width, 844, dark)
    assert page.run("document.documentElement.scrollWidth") == width
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 24, 31)" if dark else "rgb(255, 255, 255)")
    found = size(page.picture())
    assert found[0] == width and found[1] > 2000


def test_the_verdict_and_the_three_answers_are_seen_first(page: Page) -> None:
    """Without scrolling, on a laptop."""
    first = "[...document.querySelectorAll('.badge, .answer')].slice(0, 4)"
    assert max(page.run(f"{first}.map(e => e.getBoundingClientRect().bottom)")) < 900


def test_the_charts_are_zoomed_by_keyboard_alone(page: Page) -> None:
    """Tab comes to each control, Enter presses it, on a chart + and arrows and 0 do the same."""
    page.run("document.querySelector('nav a:last-of-type').focus()")
    seen = []
    for _ in range(9):
        page.press("Tab")
        seen.append(page.run(FOCUS))
    assert seen == ["+", "−", "←", "→", "Whole run", "first-blow", "second-blow", "promote-1", "wide"]  # noqa: RUF001
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.run(ZOOM) == "the whole run"
    page.press("+")
    zoomed = page.run(ZOOM)
    assert zoomed.endswith(" s") and page.run(ZOOM) != "the whole run"
    page.press("ArrowRight")
    assert page.run(ZOOM) != zoomed
    page.press("0")
    assert page.run(ZOOM) == "the whole run"
    page.run("document.querySelector('#zoom [data-act=in]').focus()")
    page.press("Enter")
    assert page.run(ZOOM) == zoomed


def test_zooming_moves_all_charts_together_and_leaves_words_as_they_are(page: Page) -> None:
    """The same seconds in each; letters are not stretched; what lies outside is not named."""
    boxes = "[...document.querySelectorAll('.plot')].map(p => p.getAttribute('viewBox').split(' ')[2])"
    before = set(page.run(boxes))
    page.run("document.querySelectorAll('#zoom button')[7].click()")  # promote-1, at 10 s
    after = set(page.run(boxes))
    assert len(before) == len(after) == 1 and float(after.pop()) < float(before.pop()) / 4
    hidden = "[...document.querySelector('.marks').children].map(e => e.style.display)"
    assert page.run(hidden) == ["none", "none", ""]
    assert page.run("document.querySelectorAll('.plot text').length") == 0
    ticks = page.run("[...document.querySelector('.ticks').children].map(e => e.textContent)")
    assert "10 s" in ticks and "10 h" in ticks and 5 < len(ticks) < 40


def test_a_mouse_drags_over_what_it_wants_to_see(page: Page) -> None:
    """From a tenth to a fifth of the chart; a double click shows all of it again."""
    page.run("document.querySelector('svg.chart').scrollIntoView()")
    box = "document.querySelector('svg.chart').getBoundingClientRect()"
    x, y, width = page.run(f"(b => [b.left, b.top, b.width])({box})")
    page.drag((x + 0.2 * width, y + 200), (x + 0.3 * width, y + 200))
    start, _, end, _ = (word for word in page.run(ZOOM).replace(" to", "").split())  # "3.2 s to 17.5 s"
    begin, whole = (float(n) for n in page.run("document.querySelector('#zoom').dataset.axis").split()[:2])
    assert 0.1 < (float(end) - float(start)) / (whole - begin) < 0.16


def test_it_prints_on_a_few_pages_without_controls(page: Page) -> None:
    """Whole and zoomed out, whatever was looked at before."""
    page.run("document.querySelectorAll('#zoom button')[5].click()")
    pdf = page.printed()
    assert pdf.startswith(b"%PDF") and 3 <= pdf.count(b"/Type /Page\n") <= 9
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.run("getComputedStyle(document.querySelector('#zoom')).display") == "none"
    page.call("Emulation.setEmulatedMedia", media="")


def test_without_a_script_it_says_the_same(page: Page, report: Path) -> None:
    """A reader that runs none sees every chart; the controls, which would do nothing, are not there."""
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(report)
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert page.run("getComputedStyle(document.querySelector('#zoom')).display") == "none"
    assert page.run("[...document.querySelectorAll('svg.chart')].every(c => c.getBoundingClientRect().height > 100)")
    assert page.run("document.querySelectorAll('.ticks text').length") > 20
