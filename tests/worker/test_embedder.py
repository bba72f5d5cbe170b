"""An embedder's way from the lease to the report, over a real socket."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from PIL import Image

from ourvidz_worker.embeddings.sketch import SketchEmbedder
from ourvidz_worker.health import WorkerHealth
from tests.worker.embedding import ScriptedEmbedder, embedding, lease, outcomes, picture
from tests.worker.protocol_server import ProtocolServer
from tests.worker.test_runner import wait_for


def test_images_and_texts_come_back_as_vectors(server: ProtocolServer) -> None:
    lease(server, t1="red fox at night")
    lease(server, {"a1": picture(), "a2": picture(kind="PNG"), "a3": picture(kind="JPEG")})
    with embedding(server):
        wait_for(lambda: len(outcomes(server)) == 4)
    found = outcomes(server)
    assert {name: each.shape for name, each in found.items()} == dict.fromkeys(
        ("t1", "a1", "a2", "a3"), (74,)
    )
    assert np.allclose(
        found["a2"], SketchEmbedder().embed_images([Image.new("RGB", (32, 24), (100, 40, 200))])
    )


def test_a_lease_says_which_model_this_is(server: ProtocolServer) -> None:
    with embedding(server, thresholds={"text": (0.1, 0.2)}):
        wait_for(lambda: len(server.seen("/lease")) > 1)
    first, second = (request.json for request in server.seen("/embeddings/lease")[:2])
    assert first["model"] == {
        "name": "sketch-1",
        "dimensions": 74,
        "thresholds": {"image": [0.75, 0.93], "text": [0.1, 0.2]},
    }
    assert (first["limit"], first["wait_s"], second["wait_s"]) == (16, 0.0, 25.0)


def test_a_server_is_asked_for_nothing_but_its_own_images(server: ProtocolServer) -> None:
    lease(server, {"a1": picture()})
    server.jobs[0]["images"][0]["url"] = "https://elsewhere.example/api/v1/worker/embeddings/images/a1"
    with embedding(server):
        wait_for(lambda: outcomes(server))
    assert server.seen("/images/a1")[0].headers["authorization"] == "Bearer ovw_test"


def test_a_large_lease_is_reported_in_parts(server: ProtocolServer) -> None:
    lease(server, {f"a{n}": picture(n) for n in range(20)})
    embedder = ScriptedEmbedder()
    with embedding(server, embedder):
        wait_for(lambda: len(outcomes(server)) == 20)
    assert embedder.batches == [8, 8, 4]
    assert len(server.seen("/embeddings")) == 3


def test_what_is_not_done_within_the_lease_is_left(server: ProtocolServer) -> None:
    lease(server, {f"a{n}": picture(n) for n in range(20)})
    server.jobs[0]["lease_seconds"] = 0.05
    server.hold_s = 5

    def slowly(items: object, vectors: np.ndarray) -> np.ndarray:
        time.sleep(0.1)
        return vectors

    with embedding(server, ScriptedEmbedder(slowly)):
        wait_for(lambda: len(server.seen("/lease")) > 1)
    assert len(outcomes(server)) == 8


def test_a_stop_lets_the_batch_in_hand_be_reported(server: ProtocolServer) -> None:
    lease(server, {f"a{n}": picture(n) for n in range(16)})
    stopped: list[object] = []

    def stopping(items: object, vectors: np.ndarray) -> np.ndarray:
        stopped.append(runner.stop())  # type: ignore[func-returns-value]  # that it was called
        return vectors

    with embedding(server, ScriptedEmbedder(stopping)) as runner:
        wait_for(lambda: outcomes(server))
    assert stopped == [None]
    assert len(outcomes(server)) == 8


def test_the_log_has_no_text(server: ProtocolServer, capsys: pytest.CaptureFixture[str]) -> None:
    lease(server, t1="a secret lighthouse")
    lease(server, {"a1": picture()})
    with embedding(server):
        wait_for(lambda: len(outcomes(server)) == 2)
    log = capsys.readouterr().err
    assert "lighthouse" not in log
    events = [json.loads(line) for line in log.splitlines()]
    assert [each["event"] for each in events] == ["ready", "connected", "embedded", "embedded", "stopped"]
    assert (events[0]["embedder"], events[0]["dimensions"]) == ("sketch-1", 74)
    assert (events[2]["texts"], events[3]["images"], events[3]["taken"]) == (1, 1, 1)


def test_its_health_says_what_it_does(server: ProtocolServer) -> None:
    lease(server, {"a1": picture()})
    health = WorkerHealth()
    with embedding(server, health=health):
        wait_for(lambda: 'jobs_total{ending="embedded"} 1' in health.metrics())
        wait_for(lambda: health.snapshot()[1]["status"] == "idle")
    assert health.snapshot()[1]["connected"]
