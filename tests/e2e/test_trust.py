"""A project of somebody else's on the embedded target: what its files may reach, and where a secret of ours goes."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.stage import CHAOS, Started

pytestmark = pytest.mark.box
VALUE = "hunter2x"
SERVER = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
"""
USERS = """
import os
from pathlib import Path
from chaos.load.openloop import OpenUser, journey

for place in {places!r}:
    try:
        found = Path(place).read_text() if Path(place).is_file() else os.listdir(place)
        print("found:", found or "nothing", flush=True)
    except OSError as e:
        print("not found:", place, flush=True)
print("environment:", sorted(os.environ), flush=True)

class Visitor(OpenUser):
    hosts = ("http://web:8000",)
    client_type = "web"

    @journey("look")
    def look(self) -> None:
        self.get("/")
"""
# What an operator of the experiment has run: it fails, and the run with it, where it reaches too much or too little.
# Its command line does not have the value either.
LOOK = """
test "${{TOKEN%?}}" = {most} && test "${{TOKEN#{most}}}" = {last} || exit 1
cat {secret} 2>/dev/null && exit 2
echo x 2>/dev/null >> server.py && exit 3
touch {outside}/written 2>/dev/null && test -e {secret} && exit 4
echo x > /tmp/mine && cat /tmp/mine || exit 5
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stack, home = tmp_path / "stack", tmp_path / "home"
    for place in (stack / "experiments", home / ".ssh", tmp_path / "elsewhere"):
        place.mkdir(parents=True)
    (home / ".ssh" / "id").write_text("secret of the home")
    (stack / "server.py").write_text(SERVER)
    service = {
        "command": ["python3", "-S", "server.py"],
        "labels": {"chaos.zone": "a"},
        "networks": {"n": {"ipv4_address": "10.77.1.10"}},
        "healthcheck": {"test": ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000"]},
    }
    postures = {"plain": {"api_token": "toy"}}
    (stack / "docker-compose.yml").write_text(
        json.dumps({"x-chaos": {"postures": postures}, "services": {"web": service}})
    )
    places = [str(home / ".ssh" / "id"), str(home), str(tmp_path / "state"), "/run", "/var/lib"]
    (stack / "experiments" / "users.py").write_text(USERS.format(places=places))
    look = LOOK.format(most=VALUE[:-1], last=VALUE[-1], secret=home / ".ssh" / "id", outside=tmp_path / "elsewhere")
    where, given = {"name": "web"}, {"environment": {"TOKEN": "${api_token}"}}
    (stack / "experiments" / "look.yaml").write_text(json.dumps({
        "name": "look", "claim": "It sees what it needs.", "recover": "3s", "steady": {"for": "2s", "within": "60s"},
        "load": {"users": "users.py", "count": 4, "rate": "30/s", "floor": "5/s"},
        "operators": {"look": {"exec": ["sh", "-c", look]}},
        "timeline": [
            {"at": "0.5s", "for": "6s", "fault": "deploy", "where": where, "with": given},
            {"at": "5s", "do": "look", "where": where},
        ],
        "checks": [{"availability": {"at_least": "5%"}}],
    }))  # fmt: skip
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OTHERS_TOKEN", "secret of the environment")
    return stack


def test_a_strangers_project_sees_what_it_needs_and_a_secret_stays_one(project: Path) -> None:
    """In a box that stands, entered from another folder, with runs kept elsewhere."""
    place = project.parent / "elsewhere"
    stack = ["--stack", str(project / "docker-compose.yml"), "--target", "process"]
    subprocess.run([*CHAOS, "up", *stack, "--set", f"api_token={VALUE}"], check=True, cwd=place, timeout=120)
    try:
        run = Started(
            place / "runs", "run", "look", *stack, "--set", f"api_token={VALUE}", "--metrics-port", "0", cwd=place
        )
        told = set()
        while run.process.poll() is None:
            found = command_lines()
            typed = found.get(run.process.pid, "")  # a child has its parent's until its own program has begun
            told |= {words for words in found.values() if VALUE in words and words != typed}
            time.sleep(0.05)
        done = run.done()
    finally:
        subprocess.run([*CHAOS, "down", *stack], check=True, cwd=place, timeout=60)
    assert done.code == 0, done.out + done.err
    assert not told, "a command line that everybody reads has the secret in it"
    logs = "".join(log.read_text() for log in (done.run / "logs").glob("*"))
    assert "not found:" in logs and "found: ['" not in logs and "secret of" not in logs and "OTHERS_TOKEN" not in logs
    kept = "".join(f.read_text() for f in done.run.rglob("*") if f.is_file())
    assert VALUE not in kept + done.out + done.err and "(hidden)" in kept
    assert not list((project / "experiments").glob("**/__pycache__")) and (project / "server.py").read_text() == SERVER


def command_lines() -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_text(errors="replace")
            except OSError:
                continue
    return found
