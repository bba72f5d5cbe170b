"""A worker that waits holds nothing, and is answered at once when there is work."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.conf import LazySettings
from django.db import connection

from generation.changes import publisher
from generation.models import Job, Worker
from generation.worker_api import long_poll
from tests.acting import issue_worker_token
from tests.advertised import body
from tests.factories import make_job, make_user, make_worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_connection_left")]


class AwayLayer(InMemoryChannelLayer):
    """A channel layer whose server does not answer."""

    async def group_add(self, group: str, channel: str) -> None:
        raise ConnectionRefusedError


class Call:
    """One lease call as daphne makes it."""

    def __init__(self, token: str, wait_s: float, body: bytes | None = None, application: Any = None) -> None:
        self.body = body or json.dumps({"engines": ["sdxl", "wan"], "wait_s": wait_s}).encode()
        headers = [
            (b"host", b"localhost"),
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
        ]
        from ourvidz import asgi  # only now: it looks at the static folder, which the test made

        self.asgi = ApplicationCommunicator(
            application or asgi.application,
            {
                "type": "http",
                "http_version": "1.1",
                "method": "POST",
                "scheme": "http",
                "path": "/api/v1/worker/lease",
                "raw_path": b"/api/v1/worker/lease",
                "query_string": b"",
                "headers": headers,
                "server": ("localhost", 80),
                "client": ("127.0.0.1", 9),
            },
        )

    async def begin(self) -> Call:
        await self.asgi.send_input({"type": "http.request", "body": self.body, "more_body": False})
        return self

    async def answer(self) -> tuple[int, Any]:
        start = await self.asgi.receive_output(20)
        body, more = b"", True
        while more:
            part = await self.asgi.receive_output(20)
            body, more = body + part.get("body", b""), part.get("more_body", False)
        await self.asgi.wait(20)
        return start["status"], json.loads(body) if body else None

    async def hang_up(self) -> None:
        await self.asgi.send_input({"type": "http.disconnect"})
        await self.asgi.wait(20)


@pytest.fixture(autouse=True)
def _layer_of_this_process(settings: LazySettings) -> None:
    """One that shows who listens; the waiting over Redis is shown with real processes."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture
def worker(transactional_db: None) -> Worker:
    return make_worker()


@pytest.fixture
def token(worker: Worker) -> str:
    return issue_worker_token(worker)


async def submitted(**fields: Any) -> Job:
    return await sync_to_async(lambda: make_job(make_user(), **fields))()


async def waiting_for(engine: str, calls: int) -> None:
    """Until so many calls listen for this engine's hints."""
    for _ in range(400):
        if len(get_channel_layer().groups.get(publisher.queue_group(engine), {})) >= calls:
            await asyncio.sleep(0.1)  # the look after they began to listen
            return
        await asyncio.sleep(0.05)
    pytest.fail("nobody waits")


async def test_with_work_there_the_answer_is_there_at_once(token: str) -> None:
    job = await submitted()
    status, answer = await (await Call(token, 25).begin()).answer()
    assert (status, answer["job_id"]) == (200, str(job.pk))


async def test_without_work_it_waits_as_long_as_asked(token: str) -> None:
    began = time.monotonic()
    assert await (await Call(token, 0.6).begin()).answer() == (204, None)
    assert 0.6 <= time.monotonic() - began < 10


async def test_a_job_that_arrives_is_answered_at_once(token: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the hint, long before the next look."""
    call = await Call(token, 25).begin()
    await waiting_for("wan", 1)
    job = await submitted(job_type="video_fast")
    began = time.monotonic()
    status, answer = await call.answer()
    took = time.monotonic() - began
    assert (status, answer["job_id"]) == (200, str(job.pk))
    assert took < long_poll.RECHECK_SECONDS / 2
    with capsys.disabled():
        print(f"\n  long poll answered {took * 1000:.0f} ms after the submission")


async def test_a_list_of_models_is_read_once_however_often_it_looks(token: str) -> None:
    """64 of them, each with an offer, are several times what a call without models may have."""
    asked = {"engines": ["sdxl"], "wait_s": 25, "models": [body(f"m{number}") for number in range(64)]}
    asked["pools"] = ["sdxl_image_fast@m63"]
    from ourvidz import asgi

    seen: list[int] = []
    sent = json.dumps(asked).encode()
    counted = long_poll.LeaseLongPoll(counting_bodies(asgi.everything, seen))
    call = Call(token, 25, body=sent, application=counted)
    await call.begin()
    await waiting_for("sdxl", 1)
    job = await submitted(model="m63")
    status, answer = await call.answer()
    assert (status, answer["job_id"], answer["parameters"]["model"]) == (200, str(job.pk), "m63")
    assert seen[0] == len(sent) > 32 * 1024
    assert len(seen) > 1
    assert max(seen[1:]) < 200


def counting_bodies(application: Any, lengths: list[int]) -> Any:
    """The application, which notes how long each body was that came to it."""

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        async def noted() -> Any:
            message = await receive()
            if message["type"] == "http.request":
                lengths.append(len(message["body"]))
            return message

        await application(scope, noted, send)

    return counted


async def test_a_lost_hint_costs_only_time(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_poll, "RECHECK_SECONDS", 0.3)
    call = await Call(token, 20).begin()
    await waiting_for("sdxl", 1)
    await get_channel_layer().flush()
    job = await submitted()
    status, answer = await call.answer()
    assert (status, answer["job_id"]) == (200, str(job.pk))


async def test_without_a_channel_layer_it_looks_now_and_then(
    token: str, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers were sent away with a 500."""
    monkeypatch.setattr(long_poll, "RECHECK_SECONDS", 0.3)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.generation.test_long_poll.AwayLayer"}}
    call = await Call(token, 20).begin()
    job = await submitted()
    status, answer = await call.answer()
    assert (status, answer["job_id"]) == (200, str(job.pk))
    assert await (await Call(token, 0.4).begin()).answer() == (204, None)


async def test_a_worker_that_hung_up_gets_no_job(token: str) -> None:
    """pitfall 12"""
    call = await Call(token, 25).begin()
    await waiting_for("sdxl", 1)
    await call.hang_up()
    assert publisher.queue_group("sdxl") not in get_channel_layer().groups
    job = await submitted()
    await asyncio.sleep(0.3)
    assert (await Job.objects.aget(pk=job.pk)).status == "queued"


async def test_a_worker_that_went_in_the_middle_of_its_request_gets_no_job(token: str) -> None:
    """The part that had come was taken for the whole."""
    job = await submitted()
    call = Call(token, 25)
    await call.asgi.send_input({"type": "http.request", "body": call.body, "more_body": True})
    await call.hang_up()
    assert await call.asgi.receive_nothing()
    assert (await Job.objects.aget(pk=job.pk)).status == "queued"


async def test_a_body_in_pieces_is_put_together(token: str) -> None:
    call = Call(token, 0)
    for byte in call.body:
        await call.asgi.send_input({"type": "http.request", "body": bytes([byte]), "more_body": True})
    await call.asgi.send_input({"type": "http.request", "body": b"", "more_body": False})
    assert (await call.answer())[0] == 204


class HangsUp:
    """Django, and a worker who hangs up just when the view has leased it a job."""

    def __init__(self) -> None:
        self.call: Call | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from ourvidz.asgi import django_app

        await django_app(scope, receive, send)
        if scope["path"].endswith("/lease") and self.call and await sync_to_async(_is_held)():
            await self.call.asgi.send_input({"type": "http.disconnect"})
            await asyncio.sleep(0.05)


def _is_held() -> bool:
    return Job.objects.filter(status="processing").exists()


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_job_that_cannot_be_handed_over_is_given_back(token: str, *, is_there: bool) -> None:
    """Pitfall 12: at once or after a wait; it cost the job an attempt, and a lease's time."""
    job = await submitted() if is_there else None
    django = HangsUp()
    django.call = await Call(token, 25, application=long_poll.LeaseLongPoll(django)).begin()
    if job is None:
        await waiting_for("sdxl", 1)
        job = await submitted()
    await django.call.asgi.wait(20)
    assert await sync_to_async(_history)(job) == ("queued", 3, ["released"])
    status, answer = await (await Call(token, 5).begin()).answer()
    assert (status, answer["job_id"]) == (200, str(job.pk))


def _history(job: Job) -> tuple[str, int, list[str]]:
    job.refresh_from_db()
    return job.status, job.attempts_left, list(job.attempts.values_list("outcome", flat=True))


async def test_a_body_over_the_limit_is_refused(token: str) -> None:
    call = await Call(token, 25, body=b" " * (long_poll.BODY_BYTES + 1)).begin()
    status, problem = await call.answer()
    assert (status, problem["status"], problem["code"]) == (413, 413, "too_large")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'{"engines": 7}', b'{"engines": ["sdxl"], "wait_s": "NaN"}', b"\xff"]
)
async def test_a_malformed_body_is_refused_at_once(token: str, body: bytes) -> None:
    began = time.monotonic()
    status, _ = await (await Call(token, 25, body=body).begin()).answer()
    assert status == 422
    assert time.monotonic() - began < 10


async def test_a_bad_token_is_refused_at_once(token: str) -> None:
    assert (await (await Call("ovw_nonsense", 25).begin()).answer())[0] == 401


async def test_many_that_wait_hold_no_thread_and_no_connection(token: str) -> None:
    """Thirty workers at rest cost thirty coroutines."""
    await (await Call(token, 0).begin()).answer()
    before = threading.active_count()
    calls = [await Call(token, 25).begin() for _ in range(30)]
    await waiting_for("sdxl", 30)
    await asyncio.sleep(0.5)
    assert threading.active_count() - before < 10
    if connection.vendor == "postgresql":
        assert await sync_to_async(_busy_connections)() <= 1
    jobs = {str((await submitted()).pk) for _ in range(30)}
    answers = [await call.answer() for call in calls]
    assert {answer["job_id"] for _, answer in answers if answer} == jobs


def _busy_connections() -> int:
    """Connections in the middle of something, besides this one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        found: int = cursor.fetchone()[0]
    return found
