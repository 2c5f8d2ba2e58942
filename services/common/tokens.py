"""Signed tokens that identify a user and are verified without a store."""

from __future__ import annotations

import hashlib
import hmac
import time

import jwt

from services.common import chores
from services.common.errors import Refused, Unavailable

LIFE = 90 * 24 * 3600  # seconds: app users stay logged in


class Tokens:
    """`audience` separates systems that share a key: the bank accepts no token of the messaging stack.

    With a `ring` (and chores on) keys are rotated: tokens name their key, and are valid as long as the ring is renewed.
    """

    def __init__(self, key: str, audience: str, ring: chores.Term | None = None) -> None:
        self._key = key
        self._audience = audience
        self._ring = ring if chores.ON else None

    def issue(self, user: str) -> str:
        claims = {"sub": user, "aud": self._audience, "exp": int(time.time()) + LIFE}
        if self._ring is None:
            return jwt.encode(claims, self._key, algorithm="HS256")
        if self._ring.over:
            raise Unavailable("the signing key has expired; rotate it")
        kid = str(self._ring.renewed)
        return jwt.encode(claims, self._key_of(kid), algorithm="HS256", headers={"kid": kid})

    def user(self, authorization: str) -> str:
        """The user of a `Bearer TOKEN`. Raises Refused(401)."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "no token: send Authorization: Bearer TOKEN")
        try:
            claims = jwt.decode(
                token, self._key_for(token), algorithms=["HS256"], audience=self._audience,
                options={"require": ["exp", "sub", "aud"]},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise Refused(401, f"this token is not valid ({error}); log in again") from None
        return str(claims["sub"])

    def _key_for(self, token: str) -> str:
        """Raises Refused(401) if the ring has expired, jwt.InvalidTokenError for an invalid token."""
        if self._ring is None:
            return self._key
        if self._ring.over:
            raise Refused(401, "the keys for verifying tokens have expired; rotate them")
        return self._key_of(str(jwt.get_unverified_header(token).get("kid", "")))

    def _key_of(self, kid: str) -> str:
        """Derived, so that every instance has the same ring, and a restart keeps it."""
        return hmac.new(self._key.encode(), f"key {kid}".encode(), hashlib.sha256).hexdigest()
