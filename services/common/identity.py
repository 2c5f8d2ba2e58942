"""The user as identified by the gateway: `X-User` is accepted only with a seal made with the stack's own key.

Without the seal, anybody who can reach a service directly could impersonate any user.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re

from starlette.requests import Request

from services.common.certificate import certified
from services.common.errors import Refused
from services.common.settings import SETTINGS

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@functools.lru_cache(maxsize=4096)
def vouch(user: str) -> dict[str, str]:
    """Headers that tell a service of this stack who the user is."""
    seal = hmac.new(SETTINGS.need("TOKEN_KEY").encode(), f"user:{user}".encode(), hashlib.sha256)
    return {"X-User": user, "X-User-Seal": seal.hexdigest()}


def user_of(request: Request) -> str:
    """The user admitted by the gateway. Raises Refused: 401 without one, 403 if the caller may not name one."""
    certified(request)
    user = request.headers.get("x-user", "")
    seal = request.headers.get("x-user-seal", "")
    if not USER.fullmatch(user) or not hmac.compare_digest(vouch(user)["X-User-Seal"].encode(), seal.encode()):
        raise Refused(401, "this request has no user; send it through a gateway with a token or a session")
    return user


def check_user(name: str) -> str:
    if not USER.fullmatch(name):
        raise Refused(400, f"user: found {name[:80]!r}, expected 1 to 64 of letters, digits, '.', '_', '-'")
    return name


def check_id(text: str) -> str:
    """Check an id chosen by a client: without dots and slashes it is safe as a file name and in a path."""
    if not IDENTITY.fullmatch(text):
        raise Refused(400, f"id: found {text[:80]!r}, expected 1 to 128 of letters, digits, '_', '-'")
    return text
