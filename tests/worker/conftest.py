from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worker.comfy_stand_in import ComfyStandIn, comfy_stand_in
from tests.worker.protocol_server import ProtocolServer, protocol_server


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with protocol_server() as running:
        yield running


@pytest.fixture
def comfy() -> Iterator[ComfyStandIn]:
    with comfy_stand_in() as running:
        yield running


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps a worker's files out of the home directory of the person who runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
