"""Where odd files come from: shipped ones, changed as a tree or as text, and bytes that are no file at all."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

NESTED: Any = "x"
for _ in range(60):
    NESTED = [NESTED]
SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3.5, 0.5, 1e308, -1e-300, 10**20, 10**400, float("inf"), float("-inf"),
    float("nan"),
    "", " ", "0", "1", "01", "no", "null", "~", "all", "\0", "a\0b", "\n", "a\nb: c", "\x1b[31mred\x1b[0m", "\x85",
    "\u2028", "\u202e", "\ufeff", "\ud800", "\U0010ffff", "é", "e\u0301", "<script>alert(1)</script>", "|x|", "`x`",
    "../../../../tmp/chaos-fuzz", "/tmp/chaos-fuzz", "..", ".", "/", "a/b", "~/x", "con\\x", "-", "--help", "-rf",
    "x" * 300, "x" * 70_000, "0x10", "1e3", "1_000", "٣", "\uff11s", "5s", "5 s", "0s", "-5s", "1e400s", "nans", "infs",
    "1h", "500ms", "5ms", "99999999999h", "50%", "150%", "-1%", "1e999%", "nan%", "60/s", "0/s", "inf/s", "1/0s", "2/h",
    "64MiB", "-1MiB", "1e30GiB", "${", "${}", "${posture}", "${boot_lanes}", "${nobody}", "${23h}", "${${posture}}",
    "$", "$$", "$PATH", "${PATH}", "${PATH:-x}", "${PATH:?x}", "{{ x }}", "{% raw %}", "%s", "{0}", "{x!r}", "a: b",
    "a,b", "a=b", "'", '"', "'unbalanced", "*", "**", "[", "(", "\\", "^(a+)+$", "zone", "name", "b", "chat1",
    "gateway1",
    "127.0.0.1:80:80", "3000-65000:3000-65000", "::1", "256.1.1.1", "[CMD-SHELL]", "2022-10-15", "=", "<<",
    datetime.date(2022, 10, 15), datetime.datetime(2022, 10, 15, 6, 33), b"\xff\x00", set(), {"a"},
]  # fmt: skip
HEAPS: list[Any] = [
    [], {}, [[]], [{}], [None], {"": None}, {"a": 1}, {"name": "b"}, {"share": "50%"}, {"pick": 1}, {"pick": True},
    NESTED,
    {1: 2}, {None: 1}, {True: 1}, {1.5: 2}, ["a", 1, None], [1, 2], [0, 0], ["x"] * 2000,
    {"k" + str(n): n for n in range(500)},
    {"test": []}, {"test": ["CMD-SHELL"]}, {"test": ["CMD"]}, {"why": "x"}, {"success": "all", "below": "90%"},
]  # fmt: skip
KEYS: list[Any] = [
    "", " ", "name", "when", "where", "for", "with", "every", "until", "id", "fault", "do", "at", "like", "short",
    "scale",
    "nobody", "a.b", "a/b", "../x", "\0", "\x1b[2J", "é", "x" * 5000, 1, 0, -1, 1.5, None, True, "yes", "<<", "=",
    "${x}",
    "__class__", "to", "leave", "pick", "share", "except", "orphaned_by", "services", "x-chaos", "profiles", "labels",
]  # fmt: skip

leaves = st.one_of(
    st.sampled_from(SCALARS),
    st.integers(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20),
    st.text("0123456789.eE+-_%smhdKMGiB/ ", max_size=8),
)  # fmt: skip
values = st.one_of(
    leaves,
    st.sampled_from(HEAPS),
    st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([k for k in KEYS if isinstance(k, str)]), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)

BOMB = b"a: &a [" + b", ".join([b"x"] * 9) + b"]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9)) for n in range(8)
)  # fmt: skip
RAW: list[bytes] = [
    b"", b"\0", b"\n", b"---\n", b"--- a\n--- b\n", b"...", b"%YAML 9.9\n---\na: 1\n", b"%TAG ! x\n", b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xff", b"\xc3\x28", b"a: \xed\xa0\x80\n", b"[" * 900, b"[" * 30_000, b"{" * 30_000, b"{a: " * 5_000,
    b"- " * 30_000, b"? " * 9_000, b"!!" * 500,
    b"a: &a {b: *a}\n", b"&a [*a]\n", b"a: *b\n", b"<<: 1\n", b"<<: [1]\n", b"? [a]\n: 1\n", b"? {a: b}\n: 1\n",
    b"!!python/object:os.system x\n",
    b"!!binary x\n", b"a: !!binary =\n", b"a: !!int x\n", b"a: !!float x\n", b"a: !!timestamp x\n",
    b"a: 2022-99-99\n", b"a: 9999999999-01-01\n",
    b"a: !!set {b}\n", b"a: !!omap [b: 1]\n", b"a: !!pairs [b: 1]\n", b"a: !!omap {b: 1}\n", b"a: !x y\n",
    b"a: 1\na: 2\n",
    b"a: " + b"9" * 5000 + b"\n", b"a: 0b" + b"1" * 20000 + b"\n", b"a: 1:2:3:4\n", b"a: 190:20:30.15\n",
    b"a: .inf\n", b"a: -.INF\n", b"a: .nan\n",
    b"a: 0o9\n", b"a: 1e99999\n", b"'" * 9999, b"a: |\n" + b" x\n" * 20_000, b"\t", b"a:\tb\n\tc: d\n",
    b"#" * 100_000, BOMB,
    "a: é\n".encode("utf-16"), "a: é\n".encode("utf-16-le"), "a: é\n".encode("utf-32"), "a: é\n".encode("latin-1"),
    b"\x1f\x8b\x08\x00", b"PK\x03\x04",
    b"null\n", b"[]\n", b"{}\n", b"0\n", b'"a"\n', b"true\n", b"NaN\n", b"1e999\n", b'{"a":1,"a":2}\n',
    b'{"a": 1}' * 100, b"\r\n\r\n", b"\x1a",
]  # fmt: skip
TOKENS: list[bytes] = [
    b"\0", b"\n", b"\r", b"\t", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b": ", b"- ", b", ", b"{", b"}", b"[",
    b"]", b'"', b"'", b"&a ", b"*a", b"*b",
    b"!!str ", b"!!int ", b"!!binary ", b"!!set ", b"!x ", b"<<: ", b"? ", b"| ", b"> ", b"# ", b"%", b"@", b"`",
    b"---\n", b"...\n", b"${", b"}", b"$$",
    b"\x1b[31m", b"\x85", b"null", b"~", b"-1", b"0", b"1e999", b".nan", b".inf", b"9" * 400, b"9" * 5000,
    b"[" * 2000, b"\xe2\x80\xa8",
    b"../", b"/etc/passwd", b"\\u0000", b"\\ud800", b"\\x00", b"e", b"-", b"+", b".",
]  # fmt: skip


def _slots(container: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below it, so that what stands there can be changed."""
    for key in list(container) if isinstance(container, dict) else range(len(container)):
        yield container, key
        if isinstance(container[key], dict | list):
            yield from _slots(container[key])


def _bent(draw: Draw, value: Any) -> Any:
    """Nearly as it was."""
    if isinstance(value, bool) or value is None:
        return draw(st.sampled_from([0, 1, "true", "false", None, []]))
    if isinstance(value, int | float):
        return draw(
            st.sampled_from(
                [-value, value * 10, value * 10**9, value / 7, str(value), value + 0.5, [value], f"{value}s"]
            )
        )
    if isinstance(value, str):
        odd = str(draw(st.sampled_from([s for s in SCALARS if isinstance(s, str)])))
        return draw(
            st.sampled_from(
                [
                    value + odd,
                    odd + value,
                    value[:-1],
                    value.upper(),
                    value * 2,
                    f"${{{value}}}",
                    f"{value}\0",
                    f" {value} ",
                ]
            )
        )
    if isinstance(value, list):
        return draw(st.sampled_from([value * 2, value[:1], value[::-1], dict(enumerate(value)), [value]]))
    return (
        [value]
        if not isinstance(value, dict)
        else draw(st.sampled_from([list(value), list(value.items()), {"x": value}, [value]]))
    )


def _change(draw: Draw, root: list[Any], corpus: Sequence[Any]) -> None:
    slots = list(_slots(root))
    container, key = slots[draw(st.integers(0, len(slots) - 1))]
    there = container[key]
    match draw(st.sampled_from(["put", "bend", "put", "bend", "drop", "name", "wrap", "graft", "add"])):
        case "put":
            container[key] = copy.deepcopy(draw(values))
        case "bend":
            container[key] = _bent(draw, there)
        case "drop" if container is not root:
            del container[key]
        case "name" if isinstance(container, dict):
            container[draw(st.sampled_from(KEYS))] = container.pop(key)
        case "wrap":
            container[key] = draw(st.sampled_from([[there], {"a": there}, [there, copy.deepcopy(there)]]))
        case "graft":
            other = list(_slots([draw(st.sampled_from(corpus))]))
            from_, at = other[draw(st.integers(0, len(other) - 1))]
            container[key] = copy.deepcopy(from_[at])
        case _ if isinstance(there, dict):
            there[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(values))
        case _ if isinstance(there, list):
            there.append(copy.deepcopy(draw(values)))
        case _:
            container[key] = copy.deepcopy(draw(values))


@st.composite
def trees(draw: Draw, corpus: Sequence[Any], changes: int = 3) -> Any:
    """One of `corpus` with a few of its values, keys or branches changed."""
    root = [copy.deepcopy(draw(st.sampled_from(corpus)))]
    for _ in range(draw(st.integers(1, changes))):
        _change(draw, root, corpus)
    return root[0]


@st.composite
def scribbled(draw: Draw, text: st.SearchStrategy[bytes], changes: int = 3) -> bytes:
    """Text with a few bytes put in, cut out, doubled or swapped; now and then in another encoding."""
    data = draw(text)
    for _ in range(draw(st.integers(1, changes))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 60)))
        match draw(st.sampled_from(["put", "put", "over", "cut", "double", "line", "stop", "code"])):
            case "put":
                data = data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]
            case "over":
                data = data[:at] + draw(st.sampled_from(TOKENS)) + data[end:]
            case "cut":
                data = data[:at] + data[end:]
            case "double":
                data = data[:end] + data[at:]
            case "line":
                lines = data.split(b"\n")
                n = draw(st.integers(0, len(lines) - 1))
                lines.insert(draw(st.integers(0, len(lines))), lines[n])
                data = b"\n".join(lines)
            case "stop":
                data = data[:at]
            case _:
                code: str = draw(st.sampled_from(["utf-16", "utf-8-sig", "utf-16-be", "utf-32"]))
                data = data.decode("latin-1").encode(code)
    return bytes(data)


def _yaml(tree: Any) -> bytes:
    try:
        return yaml.dump(tree, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False).encode()
    except (UnicodeEncodeError, yaml.YAMLError):
        return _json(tree)


def _json(tree: Any) -> bytes:
    try:
        return json.dumps(tree, default=str, skipkeys=True).encode()
    except ValueError:  # an integer of too many digits
        return repr(tree).encode(errors="surrogatepass")


def yaml_files(texts: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Of the kind of these files."""
    corpus = [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]
    changed = trees(corpus).map(_yaml)
    return st.one_of(
        changed, changed, trees(corpus).map(_json), scribbled(changed), scribbled(st.sampled_from(texts)), junk()
    )


def json_files(texts: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    corpus = [json.loads(text) for text in texts]
    changed = trees(corpus).map(_json)
    return st.one_of(changed, changed, scribbled(changed), scribbled(st.sampled_from(texts)), junk())


@st.composite
def _lines(draw: Draw, texts: Sequence[bytes]) -> bytes:
    """JSON lines with a few of them changed, left out, doubled or moved."""
    lines = [line for line in draw(st.sampled_from(texts)).split(b"\n") if line]
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["tree", "tree", "tree", "drop", "double", "move", "junk"])):
            case "tree":
                lines[n] = _json(draw(trees([_loaded(lines[n])])))
            case "drop" if len(lines) > 1:
                del lines[n]
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), lines[n])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(n))
            case _:
                lines.insert(n, draw(junk()))
    end: bytes = draw(st.sampled_from([b"\n", b"\n", b"", b"\n\n", b"\r\n"]))
    return b"\n".join(lines) + end


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return {}


def line_files(texts: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    changed = _lines(texts)
    return st.one_of(changed, changed, scribbled(changed), scribbled(st.sampled_from(texts)), junk())


def junk() -> st.SearchStrategy[bytes]:
    """Nothing that anybody wrote on purpose."""
    return st.one_of(
        st.sampled_from(RAW),
        st.binary(max_size=200),
        st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass")),
        values.map(_json),
    )
