"""Certificates between programs of this stack: identity and expiry. Used only while chores are on.

All certificates are valid for long, except the gateways', whose renewal is a chore. An expired one is refused.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import time

from starlette.requests import Request

from services.common import chores
from services.common.errors import Refused
from services.common.settings import SETTINGS

HEADER = "X-Certificate"
LONG = 90 * 24 * 3600  # seconds


class Certificate:
    """This program's own certificate: `NODE UNTIL SEAL`."""

    def __init__(self) -> None:
        self._until = time.time() + LONG
        self._term: chores.Term | None = None

    def short(self, lives: float) -> chores.Term:
        """Let it expire from now on; returns the chore that renews it."""
        self._term = chores.Term("renew the certificate", lives)
        return self._term

    def headers(self) -> dict[str, str]:
        """Headers to send with a request; none while chores are off."""
        if not chores.ON:
            return {}
        return {HEADER: _sealed(SETTINGS.node, self._until if self._term is None else self._term.until)}


OWN = Certificate()


def certified(request: Request) -> None:
    """Raises Refused(403) for a program without a valid certificate. Not for users, who have none."""
    if not chores.ON:
        return
    shown = request.headers.get(HEADER, "")
    node, until = _read(shown)
    if time.time() > until:
        raise Refused(403, f"the certificate of {node} expired {time.time() - until:.1f} s ago; renew it")


@functools.lru_cache(maxsize=8)
def _sealed(node: str, until: float) -> str:
    text = f"{node} {until:.3f}"
    return f"{text} {hmac.new(SETTINGS.need('TOKEN_KEY').encode(), text.encode(), hashlib.sha256).hexdigest()}"


@functools.lru_cache(maxsize=256)
def _read(shown: str) -> tuple[str, float]:
    node, _, rest = shown.partition(" ")
    until, _, _ = rest.partition(" ")
    try:
        found = float(until)
    except ValueError:
        raise Refused(403, "this program shows no certificate; call through a gateway") from None
    if not hmac.compare_digest(_sealed(node, found), shown):
        raise Refused(403, f"the certificate of {node[:40]!r} was not made by this stack")
    return node, found
