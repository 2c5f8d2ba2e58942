"""The network helper: JSON lines in, one JSON line out for each; `python3 -m helper [TABLE]`.

    {"do": "apply", "cuts": [{"a": ["10.77.1.13"], "b": null, "both": true}]}   →  {"ok": true}
    {"do": "listing"}  →  {"ok": true, "cuts": [...]}       {"do": "clear"}, {"do": "ping"}  →  {"ok": true}
    whatever the kernel refuses                             →  {"ok": false, "error": "..."}

It ends when its input does, or on SIGTERM, and takes the cuts that it made with it: a harness that is killed leaves a
network that works. Cuts that somebody else made stay, so that to look is never to heal.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from . import nft

BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


class Session:
    """One harness's requests. `owns` is whether the standing table is this session's work."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.owns = False

    def answer(self, line: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
            return {"ok": True, **self._do(request)}
        except (OSError, ValueError, KeyError, TypeError) as e:
            return {"ok": False, "error": str(e) or repr(e)}

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "apply":
                nft.apply(request["cuts"], self.table)
                self.owns = True
            case "clear":
                nft.clear(self.table)
                self.owns = False
            case "listing":
                return {"cuts": nft.listing(self.table), "standing": nft.standing(self.table)}
            case "ping":  # bridged packets reach the table only while this is 1
                return {"bridged": BRIDGED.exists() and BRIDGED.read_text().strip() == "1"}
            case other:
                raise ValueError(f"expected apply, clear, listing or ping; found {other!r}")
        return {}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the harness, which still has to heal
    session = Session(sys.argv[1] if len(sys.argv) > 1 else nft.TABLE)
    try:
        for line in sys.stdin:
            print(json.dumps(session.answer(line)), flush=True)
    finally:
        if session.owns:
            nft.clear(session.table)


if __name__ == "__main__":
    main()
