"""The stack's HTTP API: a stack on the embedded target, and Schemathesis beside it in the box.

`python -m tests.fuzz.api --seconds N` starts the stack, asks for N seconds, and ends it. Each failure is printed with a
curl command, and the log of the stack's nodes says what they thought of it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.fuzz import inputs, openapi

ROOT = Path(__file__).parents[2]
HOSTS = {"messaging": ("10.77.1.10", 8000), "bank": ("10.77.3.50", 8000)}
CHECKS = "not_a_server_error,status_code_conformance,unsupported_method,negative_data_rejection,use_after_free"
SLOWEST = 10.0  # seconds
CONFIG = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 411, 413, 429, 503]
unsupported_method.enabled = true
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.api", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    seed = random.randrange(1 << 30) if asked.seed is None else asked.seed
    out = asked.out.resolve() / "api"
    out.mkdir(parents=True, exist_ok=True)
    return inside(asked.seconds, seed, out) if asked.inside else outside(asked.seconds, seed, out)


def outside(seconds: float, seed: int, out: Path) -> int:
    """In a folder of its own, so that a stack of the same name elsewhere is left alone."""
    from chaos.targets.box import box

    with tempfile.TemporaryDirectory(prefix="chaos-fuzz-") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        (folder / "docker-compose.yml").write_bytes((ROOT / "docker-compose.yml").read_bytes())
        (folder / "services").symlink_to(ROOT / "services")
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        chaos = [sys.executable, "-m", "chaos"]
        subprocess.run(
            [*chaos, "up", "--target", "process", "--posture", "remedied"],
            cwd=folder,
            env=env,
            check=True,
            capture_output=True,
        )
        try:
            argv = ["--inside", "--seconds", str(seconds), "--seed", str(seed), "--out", str(out.parent)]
            os.environ["PYTHONPATH"] = str(ROOT)
            return box.run_inside(argv, state=folder / ".chaos", program=[sys.executable, "-m", "tests.fuzz.api"])
        finally:
            subprocess.run(
                [*chaos, "down", "--target", "process"], cwd=folder, env=env, check=True, capture_output=True
            )


def inside(seconds: float, seed: int, out: Path) -> int:
    """Schemathesis for most of the time, bytes that are no request of the API for the rest."""
    findings: list[str] = []
    inputs = 0
    for title, share in (("messaging", 0.5), ("bank", 0.1)):
        asked, failed = schemathesis(title, seconds * share, seed, out)
        inputs, findings = inputs + asked, findings + failed
    for title, share in (("messaging", 0.3), ("bank", 0.1)):
        asked, failed = raw(title, seconds * share, seed, out)
        inputs, findings = inputs + asked, findings + failed
    print(json.dumps({"inputs": inputs, "findings": findings}))
    return 0


def token(title: str) -> str:
    """Of a user of the house."""
    login = json.dumps({"user": "fuzz", "password": "fuzz"})
    for path in ("/auth/register", "/auth/app-token") if title == "messaging" else ("/login",):
        status, answer = ask(title, "POST", path, login.encode())
        assert status in (200, 201), (path, status, answer)
    return str(json.loads(answer)["token"])


def ask(
    title: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*HOSTS[title], timeout=SLOWEST)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def schemathesis(title: str, seconds: float, seed: int, out: Path) -> tuple[int, list[str]]:
    """How many requests were made, and what failed. Its own words go to `out`."""
    document = out / f"{title}.json"
    document.write_text(json.dumps(openapi.document(title)))
    (out / "schemathesis.toml").write_text(CONFIG)
    host, port = HOSTS[title]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(out / "schemathesis.toml"), "--no-color",
        "fuzz", str(document),
         "--url", f"http://{host}:{port}", "-H", f"Authorization: Bearer {token(title)}", "--max-time",
         str(int(seconds)), "--checks", CHECKS,
         "--seed", str(seed), "--request-timeout", str(SLOWEST), "--continue-on-failure", "--max-failures", "20",
         "--generation-database", "none",
         "--suppress-health-check", "all"],
        cwd=out, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (out / f"{title}.txt").write_text(done.stdout + done.stderr)
    asked = re.search(r"(\d+) generated", done.stdout)
    failed = re.findall(r"❌ (.*): \d+$", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or (done.returncode and not failed) or asked is None:
        failed.append(f"schemathesis ended with {done.returncode}")
    return int(asked[1]) if asked else 0, [f"{title}: {what}; see {out}/{title}.txt" for what in failed]


TYPES = [
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/xml",
    "",
    "é",
    "application/json; charset=utf-16",
    "a" * 5000,
]
QUERIES = [
    "",
    "?",
    "?limit=0",
    "?limit=-1",
    "?limit=99999999999999999999",
    "?limit=%D9%A3",
    "?limit=1&limit=x",
    "?after=%00",
    "?after=../x",
    "?with=",
    "?with=%00",
    "?with=a%2fb",
    "?%ff=%fe",
    "?" + "a=b&" * 400,
    "?limit=1e3",
    "?checks=51",
]
PATHS = [
    "..",
    "%2e%2e",
    "a%2Fb",
    "%00",
    "a%00",
    "%ff",
    "é",
    "a" * 129,
    "a" * 5000,
    ".",
    "a.b",
    "-",
    "%E2%80%AE",
    "*",
    "a b",
    "a;b",
    "%25",
    "x",
]


@st.composite
def _request(draw: inputs.Draw, title: str) -> tuple[str, str, bytes, str]:
    """A request to one of the API's paths, of which something or everything is odd."""
    paths = openapi.document(title)["paths"]
    path = draw(st.sampled_from(sorted(paths)))
    method = draw(
        st.sampled_from(
            [m.upper() for m in paths[path]] * 4
            + ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "X"]
        )
    )
    good = json.dumps({"id": draw(st.uuids()).hex, "to": "other", "text": "t", "amount": 1, "after_s": 1,
    "user": "fuzz", "password": "p", "site": "s",
                       "code": "c", "value": {"a": [1]}, "lat": 1.0, "lon": 2.0}).encode()  # fmt: skip
    body = draw(
        st.one_of(
            inputs.json_files([good]),
            st.sampled_from(
                [
                    good,
                    b"[" * 400_000,
                    b'{"value": ' + b"[" * 200_000,
                    b'{"id": "' + b"x" * (1 << 20) + b'"}',
                    b" " * (1 << 20) + b"{}",
                ]
            ),
        )
    )
    path = path.replace("{id}", draw(st.sampled_from(PATHS)).replace(" ", "%20"))
    return method, path + draw(st.sampled_from(QUERIES)), body, draw(st.sampled_from([TYPES[0]] * 5 + TYPES))


def raw(title: str, seconds: float, seed: int, out: Path) -> tuple[int, list[str]]:
    """The same for requests that no description of the API allows."""
    end = time.monotonic() + seconds
    bearer = f"Bearer {token(title)}"
    found: dict[str, tuple[str, str, bytes, str, int, bytes]] = {}
    asked = 0
    while time.monotonic() < end:
        seed += 1

        @seeded(seed)
        @settings(
            max_examples=200,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(_request(title))
        def test(request: tuple[str, str, bytes, str]) -> None:
            nonlocal asked
            if time.monotonic() > end:
                return
            method, path, body, kind = request
            asked += 1
            try:
                status, answer = ask(
                    title,
                    method,
                    path.encode().decode("latin-1"),
                    body,
                    {"Content-Type": kind, "Authorization": bearer},
                )
            except (OSError, http.client.HTTPException, UnicodeEncodeError) as e:
                status, answer = (0, repr(e).encode()) if isinstance(e, TimeoutError) else (400, b"")
            if status in (0, 500, 501, 502, 504) or b"Traceback" in answer or b'File "' in answer:
                found.setdefault(f"{method} {path.partition('?')[0][:40]} {status}", (*request, status, answer))

        test()
    words = []
    for n, (name, (method, path, body, kind, status, answer)) in enumerate(found.items()):
        (out / f"{title}-{n}").write_bytes(body)
        asking = f"{method} {path[:200]} ({kind[:40]}, {len(body)} bytes in {out}/{title}-{n})"
        words.append(f"{title}: {name}: {asking}: {status} {answer[:200]!r}")
    return asked, words


if __name__ == "__main__":
    sys.exit(main())
