from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worker.protocol_server import ProtocolServer, protocol_server


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with protocol_server() as running:
        yield running
