"""The client against a real socket: what it repeats, what it gives up on, what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event, Timer

import pytest

from ourvidz_worker.client import Server
from ourvidz_worker.errors import (
    Halted,
    LeaseLost,
    MalformedLease,
    ServerRefused,
    ServerUnavailable,
    TokenRefused,
)
from ourvidz_worker.protocol import Job, Offer, parse_job
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body

OFFER = Offer(("sdxl", "wan"), ("sdxl_image_fast",), "sketch", "0", "cpu")


@pytest.fixture
def client(server: ProtocolServer) -> Iterator[Server]:
    connected = Server(server.url, TOKEN)
    yield connected
    connected.close()


@pytest.fixture
def job() -> Job:
    return parse_job(job_body())


def test_an_idle_server_gives_no_job(client: Server, server: ProtocolServer) -> None:
    assert client.lease(OFFER, 0.1) is None
    sent = server.seen("/lease")[0]
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.json["engines"] == ["sdxl", "wan"]
    assert sent.json["worker_engine"] == "sketch"
    assert sent.json["device"] == "cpu"


def test_a_leased_job_carries_everything(client: Server, server: ProtocolServer) -> None:
    server.jobs.append(job_body(slots=3))
    job = client.lease(OFFER)
    assert job is not None
    assert [slot.image_index for slot in job.slots] == [0, 1, 2]
    assert job.parameters.width == 256
    assert job.max_upload_bytes == 50_000_000


def test_a_seed_of_zero_stays_zero() -> None:
    """pitfall 8"""
    assert parse_job(job_body()).slots[0].seed == 0


def test_tokens_and_prompts_stay_out_of_what_is_printed(job: Job) -> None:
    assert "lease-1" not in repr(job)
    assert "lighthouse" not in repr(job)


def test_a_lease_that_makes_no_sense_is_named() -> None:
    body = job_body()
    del body["slots"]
    with pytest.raises(MalformedLease, match="slots"):
        parse_job(body)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_away_is_asked_again(
    client: Server, server: ProtocolServer, job: Job, status: int
) -> None:
    """pitfall 14"""
    server.script("POST /job-callback", status)
    receipt = client.report(job, {"status": "completed", "assets": []}, halted=Event())
    assert receipt["rejected"] == []
    first, second = server.seen("/job-callback")
    assert first.body == second.body


def test_the_server_says_how_long_to_wait(client: Server, server: ProtocolServer, job: Job) -> None:
    server.script("PUT /uploads/0", 503, Retry_After="1")
    started = time.monotonic()
    client.upload(job, 0, b"x", "image/png", halted=Event())
    assert time.monotonic() - started >= 1.0


def test_a_lost_lease_is_not_asked_again(client: Server, server: ProtocolServer, job: Job) -> None:
    """pitfall 16"""
    server.script("PUT /uploads/0", 409, {"detail": "taken over"})
    with pytest.raises(LeaseLost, match="taken over"):
        client.upload(job, 0, b"x", "image/png", halted=Event())
    assert len(server.uploads()) == 1


def test_a_refused_token_is_not_asked_again(server: ProtocolServer) -> None:
    stranger = Server(server.url, "ovw_wrong")
    with pytest.raises(TokenRefused):
        stranger.lease(OFFER, 0.1)
    stranger.close()
    assert len(server.seen("/lease")) == 1


@pytest.mark.parametrize("status", [403, 404, 413, 422])
def test_other_refusals_are_not_asked_again(
    client: Server, server: ProtocolServer, job: Job, status: int
) -> None:
    server.script("POST /job-callback", status, {"detail": "assets: not a list"})
    with pytest.raises(ServerRefused, match="not a list"):
        client.report(job, {}, halted=Event())
    assert len(server.seen("/job-callback")) == 1


def test_a_heartbeat_tells_a_cancel(client: Server, server: ProtocolServer, job: Job) -> None:
    assert client.heartbeat(job, 5, "sketching", halted=Event())
    server.action = "cancel"
    assert not client.heartbeat(job, 6, "sketching", halted=Event())
    assert server.seen("/heartbeat")[1].json == {
        "lease_token": "lease-1",
        "progress": 6,
        "stage": "sketching",
    }


def test_a_file_the_server_cannot_read_is_an_error_of_the_asset(
    client: Server, server: ProtocolServer, job: Job
) -> None:
    body = {"upload_id": "u", "valid": False, "error": {"code": "broken", "message": "no end"}}
    server.script("PUT /uploads/0", 200, body)
    upload = client.upload(job, 0, b"x", "image/png", halted=Event())
    assert upload.error is not None
    assert upload.error.code == "broken"


def test_waiting_for_a_server_ends_when_the_work_is_halted(job: Job) -> None:
    client = Server("http://127.0.0.1:9", TOKEN)
    halted = Event()
    Timer(0.3, halted.set).start()
    started = time.monotonic()
    with pytest.raises(Halted):
        client.upload(job, 0, b"x", "image/png", halted=halted)
    assert time.monotonic() - started < 2
    client.close()


def test_a_reference_comes_from_the_workers_own_server(client: Server, server: ProtocolServer) -> None:
    """The token is for one server only, whatever address a lease names."""
    server.script("GET /file", 200, "bytes")
    assert client.reference("https://elsewhere.example/media/1/file", halted=Event()) == b'"bytes"'
    (asked,) = server.seen("/media/1/file")
    assert asked.headers["host"] in server.url
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("at", "named", "asked"),
    [
        ("", "/api/v1/worker/jobs/7/file", "/api/v1/worker/jobs/7/file"),
        ("/studio/", "/api/v1/worker/jobs/7/file", "/studio/api/v1/worker/jobs/7/file"),
        ("/studio/", "/studio/api/v1/worker/jobs/7/file", "/studio/api/v1/worker/jobs/7/file"),
        ("/a/b", "/media/file?signed=1&file", "/a/b/media/file?signed=1&file"),
        ("/api", "/api/v1/worker/jobs/7/file", "/api/api/v1/worker/jobs/7/file"),
        ("/api", "/api/api/v1/worker/jobs/7/file", "/api/api/v1/worker/jobs/7/file"),
    ],
)
def test_a_reference_of_a_server_behind_a_path_keeps_it(
    server: ProtocolServer, at: str, named: str, asked: str
) -> None:
    """Whether the server knows of its path or only its proxy does."""
    server.script("GET file", 200, "picture")
    client = Server(server.url + at, TOKEN)
    assert client.reference(f"https://the.server{named}", halted=Event()) == b'"picture"'
    client.close()
    assert [request.path for request in server.requests] == [asked]


def test_leasing_from_a_server_that_is_away_says_so_at_once() -> None:
    client = Server("http://127.0.0.1:9", TOKEN)
    with pytest.raises(ServerUnavailable):
        client.lease(OFFER, 0.1)
    client.close()


def test_a_conflict_without_a_job_is_a_refusal(client: Server, server: ProtocolServer) -> None:
    """Nobody expects a lost lease where there is none: it ended the process with a traceback."""
    server.script("POST /lease", 409)
    server.script("POST /lease", 409)
    with pytest.raises(ServerRefused, match="409"):
        client.lease(OFFER, 0.1)
    with pytest.raises(ServerRefused, match="409"):
        client.check_access()


def test_many_requests_share_few_connections(client: Server, server: ProtocolServer, job: Job) -> None:
    for _ in range(20):
        client.heartbeat(job, 1, "sketching", halted=Event())
        client.upload(job, 0, b"x", "image/png", halted=Event())
    assert server.connections() == 1


def test_a_connection_outlives_the_time_between_two_heartbeats(
    client: Server, server: ProtocolServer, job: Job
) -> None:
    client.heartbeat(job, 1, "sketching", halted=Event())
    time.sleep(6)
    client.heartbeat(job, 1, "sketching", halted=Event())
    assert server.connections() == 1
