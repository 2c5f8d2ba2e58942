"""The API of the messaging stack and of the bank as OpenAPI documents, made from the types that the services read."""

from __future__ import annotations

from typing import Any

import msgspec

Operation = tuple[str, str, type[msgspec.Struct] | type[bytes] | None, dict[str, Any]]  # method, path, body, query

ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"}
LIMIT = {"limit": {"type": "integer", "minimum": 1, "maximum": 100}}
PAGE = {
    "after": {"type": "string", "pattern": "^([A-Za-z0-9][A-Za-z0-9_-]{0,127})?$"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
}
STATUSES = (200, 201, 400, 401, 403, 404, 405, 409, 411, 413, 414, 429, 431, 503)


def _messaging() -> list[Operation]:
    from services.apps.chat import Later, Message
    from services.apps.item_store import Item
    from services.apps.login3p import Consent, Exchange
    from services.apps.ride import Place
    from services.common.ledger import Transfer
    from services.common.passwords import Login

    small: list[Operation] = []
    for name in ("games", "channel", "mail"):
        small += [("post", f"/{name}/items", Item, {}), ("get", f"/{name}/items/{{id}}", None, {})]
    return [
        ("post", "/auth/register", Login, {}), ("post", "/auth/app-token", Login, {}), ("post", "/auth/login", Login,
        {}),
        ("get", "/auth/me", None, {}), ("get", "/auth/feed", None, {"checks": {"type": "integer", "minimum": 1,
        "maximum": 50}}),
        ("post", "/login3p/authorize", Consent, {}), ("post", "/login3p/token", Exchange, {}),
        ("post", "/chat/messages", Message, {}), ("get", "/chat/messages", None, {"with": {"type": "string"}, **LIMIT}),
        ("post", "/chat/scheduled", Later, {}), ("get", "/chat/readback", None, PAGE),
        ("put", "/media/{id}", bytes, {}), ("get", "/media/{id}", None, {}),
        ("get", "/timeline", None, {}), ("get", "/push", None, LIMIT),
        ("post", "/pay/transfers", Transfer, {}), ("get", "/pay/balance", None, {}), ("get", "/pay/readback", None,
        PAGE),
        ("post", "/ride/available", Place, {}), ("get", "/ride/calls", None, {}),
        *small, ("get", "/page", None, {}), ("get", "/status", None, {}), *_own(),
    ]  # fmt: skip


def _bank() -> list[Operation]:
    from services.common.ledger import Transfer
    from services.common.passwords import Login

    return [
        ("post", "/login", Login, {}), ("post", "/transfers", Transfer, {}), ("get", "/balance", None, {}),
        ("get", "/readback", None, PAGE), *_own(),
    ]  # fmt: skip


def _own() -> list[Operation]:
    return [("get", path, None, {}) for path in ("/healthz", "/startz", "/readyz", "/metrics")]


def document(title: str) -> dict[str, Any]:
    """`messaging` or `bank`."""
    operations = _messaging() if title == "messaging" else _bank()
    kinds = [kind for _, _, kind, _ in operations if kind not in (None, bytes)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    body = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for method, path, kind, query in operations:
        parameters = [{"name": n, "in": "query", "schema": s} for n, s in query.items()]
        if "{id}" in path:
            parameters.append({"name": "id", "in": "path", "required": True, "schema": ID})
        made: dict[str, Any] = {"parameters": parameters, "responses": {str(s): {"description": ""} for s in STATUSES}}
        if kind is bytes:
            made["requestBody"] = {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        elif kind is not None:
            made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body[kind]}}}
        paths.setdefault(path, {})[method] = made
    info = {"title": title, "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}
