"""What contracts of the Docker engine share: one event loop and one client for each file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from docker import APIClient

from tests.contract.kinds import Run


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="module")
def api() -> Iterator[APIClient]:
    client = APIClient(version="auto", timeout=20)
    yield client
    client.close()
