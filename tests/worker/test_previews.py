"""Previews: small, now and then, never in the way."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ourvidz_worker.client import Server
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.previews import PreviewSender, small_jpeg
from ourvidz_worker.protocol import Job, PreviewLimits, parse_job
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.test_runner import callbacks, ended, wait_for, working

NOISE = np.random.default_rng(1).integers(0, 256, (1024, 768, 3), dtype=np.uint8)
QUICK = {"max_bytes": 65536, "max_side": 512, "every_seconds": 0.1}


def with_previews(**more: Any) -> dict[str, Any]:
    return job_body(**more) | {"preview": QUICK}


def picture_of(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_a_job_is_seen_while_it_is_made(server: ProtocolServer) -> None:
    server.jobs.append(with_previews(slots=2))
    with working(server, SketchEngine(pace=1)):
        wait_for(lambda: ended(server))
    assert {request.path[-11:] for request in server.previews()} == {"/previews/0", "/previews/1"}
    for request in server.previews():
        assert request.headers["x-lease-token"] == "lease-1"
        assert request.headers["content-type"] == "image/jpeg"
        assert len(request.body) <= 65536
        assert max(picture_of(request.body).size) <= 512
    assert len(server.previews()) >= 4


def test_a_film_is_seen_frame_by_frame(server: ProtocolServer) -> None:
    server.jobs.append(with_previews(media="video", frames=8, fps=8))
    with working(server, SketchEngine(pace=1)):
        wait_for(lambda: ended(server))
    assert server.previews()


def test_a_server_that_takes_none_is_sent_none(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    with working(server, SketchEngine(pace=1)):
        wait_for(lambda: ended(server))
    assert not server.previews()


@pytest.mark.parametrize("status", [404, 413, 422])
def test_a_refused_preview_is_the_last_of_its_job(server: ProtocolServer, status: int) -> None:
    server.jobs.append(with_previews())
    server.script("PUT /previews/0", status)
    with working(server, SketchEngine(pace=1)):
        wait_for(lambda: ended(server))
    assert len(server.previews()) == 1
    assert callbacks(server)[-1]["status"] == "completed"


@pytest.mark.parametrize("status", [429, 503])
def test_a_preview_that_comes_at_a_bad_time_is_dropped(server: ProtocolServer, status: int) -> None:
    server.jobs.append(with_previews())
    server.script("PUT /previews/0", status)
    with working(server, SketchEngine(pace=1)):
        wait_for(lambda: ended(server))
    bodies = [request.body for request in server.previews()]
    assert len(bodies) > 1
    assert len(set(bodies)) == len(bodies), "none is sent again"
    assert callbacks(server)[-1]["status"] == "completed"


@pytest.fixture
def job() -> Job:
    return parse_job(with_previews())


def test_nothing_waits_for_a_preview_on_its_way(server: ProtocolServer, job: Job) -> None:
    server.slow_s = 1.0
    client = Server(server.url, TOKEN)
    began = time.monotonic()
    with PreviewSender(client, job, PreviewLimits(65536, 512, 0.0)) as previews:
        previews.show(0, NOISE)
        assert not previews.is_due()
        previews.show(0, NOISE)  # dropped
        wait_for(server.previews)
        assert previews._pending.empty(), "it would be sent later, when it is old"
    assert time.monotonic() - began < 0.9
    wait_for(previews._pending.empty)
    assert len(server.previews()) == 1
    client.close()


def test_even_noise_becomes_small_enough() -> None:
    content = small_jpeg(NOISE, PreviewLimits(65536, 512, 2))
    assert content is not None
    assert len(content) <= 65536
    assert picture_of(content).size == (384, 512)


def test_what_cannot_be_small_enough_is_not_sent() -> None:
    assert small_jpeg(NOISE, PreviewLimits(300, 512, 2)) is None


def test_the_heartbeat_says_which_slot_is_being_made(server: ProtocolServer) -> None:
    server.jobs.append(job_body(slots=2))
    with working(server, SketchEngine(pace=1.5)):
        wait_for(lambda: ended(server))
    slots = [request.json.get("slot") for request in server.seen("/heartbeat")]
    assert [slot for slot in dict.fromkeys(slots) if slot is not None] == [0, 1]


def test_a_server_that_refuses_slots_is_sent_none(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    server.script("POST /heartbeat", 200, {"action": "continue"})
    server.script("POST /heartbeat", 422, {"detail": "slot: unknown field"})
    with working(server, SketchEngine(pace=2.5)):
        wait_for(lambda: ended(server))
    has_slot = ["slot" in request.json for request in server.seen("/heartbeat")]
    assert sum(has_slot) == 1
    assert has_slot.count(False) > 2


def test_a_preview_that_comes_after_its_job_is_no_event(
    server: ProtocolServer, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    server.slow_s = 0.5
    server.script("PUT /previews/0", 409)
    client = Server(server.url, TOKEN)
    with PreviewSender(client, job, PreviewLimits(65536, 512, 0.0)) as previews:
        previews.show(0, NOISE)
        wait_for(server.previews)
    previews._thread.join(5)
    client.close()
    assert not previews._thread.is_alive()
    assert "previews_ended" not in capsys.readouterr().err
