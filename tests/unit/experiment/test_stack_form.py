"""Stacks whose description has another form than Compose's: refused with the place, whatever stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import stack

GOOD = "services: {a: {image: x, command: [y]}}\n"


def refused(folder: Path, text: str) -> list[str]:
    """The places that are named."""
    file = folder / "compose.yml"
    file.write_text(text, encoding="utf-8")
    found = []
    for strict in (True, False):
        with pytest.raises(BadExperiment) as e:
            stack.read(file, strict=strict)
        found = [p.removeprefix(f"{file}: ").partition(": ")[0] for p in e.value.problems]
    return found


@pytest.mark.parametrize(
    "value",
    ["", "[]", "text", "1", "true", "[null]", "[[]]", "{command: 1}", "{environment: text}", "{environment: {A: []}}",
     "{environment: [1]}", "{labels: 1}", "{labels: [[]]}", "{healthcheck: []}", "{healthcheck: {test: {}}}",
     "{healthcheck: {test: [CMD-SHELL]}}", "{healthcheck: {test: [CMD]}}", "{healthcheck: {test: [CMD-SHELL, a, b]}}",
     "{healthcheck: {test: [true]}}", "{volumes: text}", "{volumes: [[]]}", "{volumes: {a: b}}", "{depends_on: 1}",
     "{depends_on: [[]]}", "{networks: text}", "{networks: {n: text}}", "{networks: {n: {ipv4_address: no}}}",
     "{networks: {n: {ipv4_address: 10.1.1.300}}}", "{ports: text}", "{ports: [{}]}", "{ports: [{target: x}]}",
     "{ports: ['1-65536:1-65536']}", "{ports: ['80-70']}", "{ports: ['80:90-99']}", "{ports: ['a:b:c:d']}",
     "{ports: [-1]}", "{ports: [0]}", "{ports: [1e9]}", "{ports: [null]}", "{profiles: x}", "{profiles: [[]]}",
     "{profiles: -1e300}", "{image: []}", "{build: 1}", "{build: {context: []}}", "{command: 'echo \"a'}",
     "{command: [[]]}", "{command: [null]}"],
)  # fmt: skip
def test_a_service_of_another_form_is_refused(tmp_path: Path, value: str) -> None:
    """With the service, and nothing else."""
    places = refused(tmp_path, f"services:\n  a: {value}\n  b: {{image: x, command: [y]}}\n")
    assert places and all(place.startswith("services.a") for place in places)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("x-chaos", ["[]", "1", "{network: 1}", "{network: {between_zones: 5}}", "{postures: []}", "{postures: {a: 1}}",
                     "{postures: {a: {k: []}}}", "{postures: {a: {k: null}}}", "{forms: 1}", "{forms: {k: {}}}",
                     "{forms: {k: {pattern: '(', expected: x}}}", "{when: 1}", "{when: {k: 1}}", "{when: {k: {V: []}}}",
                     "{base: []}"]),
        ("volumes", ["1", "[a]", "{v: 1}", "{v: {driver_opts: 1}}"]),
        ("networks", ["1", "[a]", "{n: 1}", "{n: {ipam: 1}}", "{n: {ipam: {config: 1}}}", "{n: {ipam: {config: [1]}}}",
                      "{n: {ipam: {config: [{gateway: []}]}}}"]),
    ],
)  # fmt: skip
def test_the_rest_of_another_form_is_refused(tmp_path: Path, key: str, values: list[str]) -> None:
    """With the key."""
    for value in values:
        places = refused(tmp_path, f"{GOOD}{key}: {value}\n")
        assert places and all(place.startswith(key) for place in places), value


@pytest.mark.parametrize("text", ["", "[]", "1", "a: b", "services:", "services: []", "services: text", "services: {}"])
def test_what_is_no_stack_is_refused(tmp_path: Path, text: str) -> None:
    """No services, no stack."""
    assert refused(tmp_path, text)


def test_ports_may_be_ranges(tmp_path: Path) -> None:
    """As long as one wants; a port inside leads to its own outside."""
    file = tmp_path / "compose.yml"
    ports = ["1-65535:1-65535", "127.0.0.1:9000-9009:8000-8009", "5000", "6000-6005", "7000-7009:80", "53:53/udp",
             {"target": 90, "published": "91"}, {"target": "92-93", "published": "94-95"}]  # fmt: skip
    file.write_text(GOOD.replace("[y]", f"[y], ports: {ports}"), encoding="utf-8")
    found = stack.read(file, strict=False).services["a"]
    assert found.ports[0].count == 65535 and found.ports[1].host == "127.0.0.1"
    for wanted, inside in ((8005, 8005), (65535, 65535)):
        assert found.outside(inside) == wanted
    file.write_text(GOOD.replace("[y]", f"[y], ports: {ports[1:]}"), encoding="utf-8")
    found = stack.read(file, strict=False).services["a"]
    asked = {8003: 9003, 8010: 0, 5000: 0, 6001: 0, 80: 0, 53: 53, 90: 91, 93: 95}
    assert {inside: found.outside(inside) for inside in asked} == asked
