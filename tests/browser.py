"""A real Chromium, headless, spoken to over its debugging pipe: no port, no driver program, no sleeping."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # seconds for any one answer
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--hide-scrollbars", "--disable-background-networking", "--disable-component-update",
         "--remote-debugging-pipe")  # fmt: skip
CODES = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}


def program() -> str | None:
    """Chromium's path; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. `said` has what it wrote to its console, what it threw and what it asked the network for."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._torn, self._last = read, write, b"", 0
        self._session = ""
        self.said: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """What the browser answers; what it says meanwhile is noted. Fails if it refuses, or says nothing for long."""
        self._last += 1
        asked = {"id": self._last, "method": method, "params": params}
        asked |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, file: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file and wait until it is there."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=file.resolve().as_uri())
        while (event := self._next()).get("method") != "Page.loadEventFired":
            self._note(event)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, f"{script}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def press(self, key: str) -> None:
        about = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key[0])), "code": key if key in CODES else ""}
        text = {"text": "\r" if key == "Enter" else key} if key not in CODES or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def picture(self, whole: bool = True) -> bytes:
        """A PNG of the page, down to its end or as much as the window shows."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def printed(self) -> bytes:
        """A PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"])

    def _note(self, event: Any) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.consoleAPICalled":
            self.said.append(f"console: {[a.get('value') for a in params['args']]}")
        elif event.get("method") == "Runtime.exceptionThrown":
            self.said.append(f"thrown: {params['exceptionDetails']}")
        elif event.get("method") == "Log.entryAdded":
            self.said.append(f"log: {params['entry']['text']}")
        elif event.get("method") == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:")):
                self.said.append(f"network: {url}")

    def _next(self) -> Any:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._torn:
            assert select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0], "Chromium says nothing"
            more = os.read(self._read, 1 << 20)
            assert more, "Chromium has gone"
            self._torn += more
        line, _, self._torn = self._torn.partition(b"\0")
        return json.loads(line)


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """A browser with a profile of its own, gone when the block is left."""
    path = program()
    assert path, "no Chromium here"
    profile = tempfile.mkdtemp(prefix="chaos-browser-")
    theirs_in, ours_out = map(_high, os.pipe())
    ours_in, theirs_out = map(_high, os.pipe())
    quiet = _high(os.open(os.devnull, os.O_WRONLY))
    actions = [(os.POSIX_SPAWN_DUP2, fd, to) for fd, to in ((theirs_in, 3), (theirs_out, 4), (quiet, 2))]
    command = [path, *FLAGS, f"--user-data-dir={profile}"]
    pid = os.posix_spawn(path, command, os.environ, file_actions=actions, setsid=True)
    for fd in (theirs_in, theirs_out, quiet):
        os.close(fd)
    try:
        yield Page(ours_in, ours_out)
    finally:
        for fd in (ours_in, ours_out):
            os.close(fd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        shutil.rmtree(profile, ignore_errors=True)


def _high(fd: int) -> int:
    """Out of the way of 3 and 4."""
    found = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return found
