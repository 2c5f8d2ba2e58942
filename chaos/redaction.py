"""Recognises secrets among knobs and variables, and removes them from texts.

A run uses the real values. Everything that is shown or stored has HIDDEN instead. A secret is recognised by its name
(it contains a word such as "token" and does not end like a measure or setting, as in `token_ttl`), or by its value.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

HIDDEN = "(hidden)"
CARRIED = "CHAOS_SECRETS"  # {"KNOB": "VALUE"} as JSON: the values behind `--set KNOB=(hidden)`
LEAST = 4  # minimum length of values that are searched for in texts

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NOUNS = {"apikey", "auth", "authorization", "bearer", "cookie", "cred", "credential", "jwt", "pass", "passcode",
          "passphrase", "passwd", "password", "pgpass", "pwd", "secret", "token"}  # fmt: skip
_WITHIN = re.compile(r".*(apikey|credential|passphrase|passwd|password|secret|token)s?")  # dbpassword, authtoken
_KEYS_OF_DATA = {"cache", "foreign", "group", "hash", "hot", "index", "lookup", "map", "object", "partition", "primary",
                 "public", "routing", "row", "shard", "sort"}  # fmt: skip
_MEASURES = {
    "age", "alg", "algorithm", "attempts", "bits", "bucket", "budget", "burst", "bytes", "cache", "check", "checks",
    "cost", "count", "days", "delay", "dir", "disabled", "enabled", "endpoint", "expiration", "expires", "expiry",
    "factor", "field", "file", "folder", "format", "header", "host", "hosts", "hours", "id", "ids", "index",
    "interval", "kind", "len", "length", "level", "life", "lifetime", "limit", "limits", "max", "min", "minutes",
    "mode", "ms", "name", "names", "node", "nodes", "number", "path", "percent", "period", "policy", "port", "ports",
    "prefix", "quota", "rate", "ratio", "replicas", "required", "retries", "rotation", "rounds", "scheme", "seconds",
    "secs", "server", "servers", "service", "services", "share", "size", "strength", "suffix", "timeout", "tries",
    "ttl", "type", "uri", "url", "version", "zone",
}  # fmt: skip
_HOSTS = re.compile(r"[\w.-]+:\d+(,[\w.-]+:\d+)*")
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{8,}\.[\w-]{8,}\.|(?i:^(bearer|basic) \S{8,})|"
    r"\b(gh[oprsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|sk-[\w-]{16,}|AKIA[0-9A-Z]{12,})"
)
_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_USER_INFO = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)(?=@)")


def secret(name: str, value: object) -> bool:
    """Whether a knob or variable with this name and value is a secret."""
    if value is None or value == "" or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return _named(name, counted=True)
    return isinstance(value, str) and ((_named(name) and not _address(name, value)) or _formed(value))


def shown(name: str, value: Any) -> Any:
    """The value as it is shown and stored; nested values are handled, too."""
    if isinstance(value, Mapping):
        return mapping(value)
    if isinstance(value, list | tuple):
        return [shown(name, one) for one in value]
    if secret(name, value):
        return HIDDEN
    return _USER_INFO.sub(rf"\1:{HIDDEN}", value) if isinstance(value, str) else value


def mapping(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown(str(name), value) for name, value in values.items()}


def assignment(text: str) -> str:
    """Redact `KNOB=VALUE`."""
    name, equals, value = text.partition("=")
    return f"{name}={shown(name, value)}" if equals else shown("", text)


def arguments(argv: Sequence[str]) -> list[str]:
    """Redact a command line."""
    return [hidden for hidden, _ in _arguments(argv)]


def carried(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """A command line that every user of this machine may read, and the variable with the values removed from it."""
    knobs = dict(text.split("=", 1) for hidden, text in _arguments(argv) if text and HIDDEN in hidden)
    return arguments(argv), {CARRIED: json.dumps(knobs)} if knobs else {}


def restored(knob: str, value: str, environ: Mapping[str, str]) -> str | None:
    """The real value of a command-line value; None if it is hidden and the real one is not given."""
    if HIDDEN not in value:
        return value
    try:
        found = json.loads(environ.get(CARRIED, "{}")).get(knob)
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def secrets(values: Mapping[str, Any]) -> Iterator[str]:
    """The texts to hide among these values."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from secrets(value)
        elif isinstance(value, list | tuple):
            for one in value:
                yield from secrets({name: one})
        elif secret(str(name), value):
            yield str(value)
        elif isinstance(value, str):
            yield from (m[2] for m in _USER_INFO.finditer(value))


class Hider:
    """Removes these values from texts.

    A value that is part of a name in `kept` stays: a node may have the same name as its password, and replacing it
    would make reports unreadable.
    """

    def __init__(self, values: Iterable[str], kept: Collection[str] = ()) -> None:
        found = {v for v in values if len(v) >= LEAST and not any(v in name for name in kept)}
        words = "|".join(map(re.escape, sorted(found, key=len, reverse=True)))
        self._pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)") if found else None

    def text(self, said: str) -> str:
        return self._pattern.sub(HIDDEN, said) if self._pattern else said

    def all(self, value: Any) -> Any:
        """The same for all texts inside `value`, at any depth."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.all(k): self.all(v) for k, v in value.items()}
        return [self.all(one) for one in value] if isinstance(value, list | tuple) else value


def _arguments(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word as it is shown, and the KNOB=VALUE in it."""
    before = ""
    for word in argv:
        option, equals, rest = word.partition("=")
        if before == "--set":
            yield assignment(word), word
        elif option == "--set" and equals:
            yield f"--set={assignment(rest)}", rest
        else:
            yield shown("", word) if "://" in word else word, ""
        before = word


def _named(name: str, counted: bool = False) -> bool:
    """Whether the name means a secret. `counted`: the value is a number, and `max_tokens` is not a secret."""
    words = [w.lower() for w in _WORDS.findall(name)]
    if not words or words[-1] in _MEASURES:
        return False
    singular = [w.removesuffix("s") if w not in _NOUNS else w for w in words]
    if counted and (words[-1] != singular[-1] or words[-1] == "auth"):
        return False
    if any(w in _NOUNS or _WITHIN.fullmatch(w) for w in singular):
        return True
    return singular[-1] == "key" and not set(words[:-1]) & _KEYS_OF_DATA


def _address(name: str, value: str) -> bool:
    """Whether it is an address: `AUTH: auth-a:8000,auth-b:8000` says where the service is."""
    return "auth" in name.lower() and _HOSTS.fullmatch(value) is not None


def _formed(value: str) -> bool:
    return bool(_FORMS.search(value)) or (_RANDOM.fullmatch(value) is not None and _random(value))


def _random(value: str) -> bool:
    """Whether letters and digits are mixed as in a random string."""
    digits, capitals = sum(map(str.isdigit, value)), sum(map(str.isupper, value))
    changes = sum(_kind(a) != _kind(b) for a, b in pairwise(value))
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    mixed = 3 <= digits < len(value) or (digits and 3 <= capitals < len(value) - digits)
    return bool(mixed) and changes >= len(value) / 4 and bits >= 3.2


def _kind(c: str) -> tuple[bool, bool]:
    return c.isdigit(), c.isupper()
