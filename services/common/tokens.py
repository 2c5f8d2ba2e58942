"""Signed tokens that say who somebody is and are checked without asking any store."""

from __future__ import annotations

import time

import jwt

from services.common.errors import Refused

LIFE = 90 * 24 * 3600  # seconds: app users stay logged in


class Tokens:
    """`audience` keeps houses that share a key apart: the bank takes no token of the messaging stack."""

    def __init__(self, key: str, audience: str) -> None:
        self._key = key
        self._audience = audience

    def issue(self, user: str) -> str:
        claims = {"sub": user, "aud": self._audience, "exp": int(time.time()) + LIFE}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def user(self, authorization: str) -> str:
        """Who brings this `Bearer TOKEN`. Raises Refused(401)."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "no token: send Authorization: Bearer TOKEN")
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=self._audience,
                options={"require": ["exp", "sub", "aud"]},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise Refused(401, f"this token does not hold ({error}); log in again") from None
        return str(claims["sub"])
