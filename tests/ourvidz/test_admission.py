"""Which bodies are read: decided by the headers, with the real views and none of a server."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.urls import URLPattern, URLResolver, get_resolver

from generation.http.uploads import SCOPE_KEY, upload_rule
from generation.models import Job, Worker
from ourvidz.admission import BodyAdmission
from tests.acting import issue_personal_token, issue_worker_token, upload_reference
from tests.factories import lease_next, make_job, make_user, make_worker, png

pytestmark = pytest.mark.django_db(transaction=True)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UPLOADS = {
    ("PUT", "worker_api:upload"): "MAX_UPLOAD_BYTES",
    ("PUT", "api:references"): "MAX_REFERENCE_BYTES",
    ("PUT", "api:import"): "MAX_UPLOAD_BYTES",
    ("PUT", "workspace:recall-file"): "MAX_UPLOAD_BYTES",
}


def patterns(
    resolver: URLResolver, prefix: str = "", namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        name = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, name, (*namespaces, *filter(None, [pattern.namespace])))
        else:
            yield ":".join((*namespaces, pattern.name or name)), pattern


def test_every_route_is_small_or_declared() -> None:
    """pitfall 40: a view that takes uploads says so, and this list with it."""
    declared = {
        (method, name): getattr(handler, "upload_rule").limit_setting  # noqa: B009 - mypy knows no such attribute
        for name, pattern in patterns(get_resolver())
        for method in METHODS
        if hasattr(
            handler := getattr(getattr(pattern.callback, "view_class", None), method.lower(), None),
            "upload_rule",
        )
    }
    assert declared == UPLOADS


def test_a_rule_is_found_by_its_url() -> None:
    path = "/api/v1/worker/jobs/0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01/uploads/2"
    assert upload_rule(path, "PUT") is not None
    for method, other in [
        ("POST", path),
        ("dispatch", path),
        ("PUT", path + "/"),
        ("GET", "/"),
        ("PUT", "%"),
    ]:
        assert upload_rule(other, method) is None


class Call:
    """A request as a server puts it to the application, of whose body nothing comes unless it is given."""

    def __init__(
        self, method: str, path: str, *body: bytes, length: int | None = None, **headers: str
    ) -> None:
        pairs = {name.replace("_", "-"): value for name, value in headers.items()} | {"host": "localhost"}
        pairs |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
            "client": ("127.0.0.1", 9),
        }
        self.left = list(body)
        self.asked = 0
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        self.asked += 1
        body = self.left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.left)}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def put_to(self, application: Any) -> Call:
        await application(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def code(self) -> str:
        return str(json.loads(self.sent[1]["body"])["code"])

    @property
    def answer(self) -> tuple[int, str, int]:
        """Status, code, and how often the body was asked for."""
        return self.status, self.code, self.asked

    @property
    def retry_after(self) -> int:
        return int(dict(self.sent[0]["headers"])[b"retry-after"])


async def reads_all(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers when it has the whole body."""
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


@pytest.fixture
def admission() -> BodyAdmission:
    """The real views are asked; what is admitted is only read."""
    from ourvidz.handler import application  # only now: it looks at the static folder, which the test made

    return BodyAdmission(reads_all, django=application())


async def test_a_page_that_sends_too_much_is_told_in_words(admission: BodyAdmission) -> None:
    call = await Call("POST", "/submit", length=100 * 2**20, accept="application/json").put_to(admission)
    assert (call.answer, json.loads(call.sent[1]["body"])["ok"]) == ((413, "too_large", 0), False)
    call = await Call("POST", "/submit", length=100 * 2**20, accept="text/html,*/*").put_to(admission)
    assert (call.status, b"most browsers still show what you typed" in call.sent[1]["body"]) == (413, True)


async def test_a_large_body_is_refused_unread(admission: BodyAdmission, settings: LazySettings) -> None:
    """pitfall 40"""
    settings.MAX_BODY_BYTES = 100
    for path in ("/healthz", "/admin/login/", "/workspace/submit", "/api/v1/jobs", "/nowhere"):
        call = await Call("POST", path, length=101).put_to(admission)
        assert call.answer == (413, "too_large", 0)
    assert (await Call("POST", "/healthz", b"x" * 100, length=100).put_to(admission)).status == 200


async def test_chunks_are_counted_as_they_come(admission: BodyAdmission, settings: LazySettings) -> None:
    """pitfall 40"""
    settings.MAX_BODY_BYTES = 100
    call = await Call("POST", "/healthz", b"x" * 60, b"x" * 60, b"x" * 60).put_to(admission)
    assert call.answer == (413, "too_large", 2)
    assert (await Call("POST", "/healthz", b"x" * 60, b"x" * 40).put_to(admission)).status == 200


async def test_a_full_disk_is_told(admission: BodyAdmission) -> None:
    async def full(scope: Any, receive: Any, send: Any) -> None:
        raise OSError(28, "No space left on device")

    admission.application = full
    call = await Call("POST", "/healthz", b"x", length=1).put_to(admission)
    assert (call.status, call.code) == (503, "disk_full")
    assert call.retry_after > 0


@pytest.fixture
def worker(transactional_db: None) -> Worker:
    return make_worker()


@pytest.fixture
def job(worker: Worker) -> Job:
    make_job(make_user("ada"))
    return lease_next(worker)


def result(job: Job, token: str, *body: bytes, length: int = 5, slot: int = 0, **headers: str) -> Call:
    named = {"authorization": f"Bearer {token}", "x_lease_token": str(job.lease_token)}
    path = f"/api/v1/worker/jobs/{job.pk}/uploads/{slot}"
    return Call("PUT", path, *body, length=length, **(named | {"content_type": "image/png"} | headers))


async def token_of(worker: Worker) -> str:
    return await sync_to_async(issue_worker_token)(worker)


async def test_a_worker_uploads_what_it_has_leased(
    admission: BodyAdmission, worker: Worker, job: Job
) -> None:
    token = await token_of(worker)
    assert (await result(job, token, b"bytes").put_to(admission)).status == 200


async def test_a_worker_is_refused_unread(admission: BodyAdmission, job: Job, worker: Worker) -> None:
    """pitfall 16: a stranger, a wrong token, another's lease, a slot that is none, a wrong type, too much."""
    token, other = await token_of(worker), await token_of(await sync_to_async(make_worker)("other"))
    stale = "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01"
    refused = [
        (result(job, ""), 401, "authentication_failed"),
        (result(job, "ovw_nonsense"), 401, "authentication_failed"),
        (result(job, other), 404, "job_not_found"),
        (result(job, token, x_lease_token=stale), 409, "lease_lost"),
        (result(job, token, x_lease_token="none"), 422, "invalid"),
        (result(job, token, slot=1), 404, "unknown_slot"),
        (result(job, token, content_type="text/html"), 415, "unsupported_media_type"),
        (result(job, token, length=100 * 2**20 + 1), 413, "too_large"),
    ]
    for call, status, code in refused:
        assert (await call.put_to(admission)).answer == (status, code, 0)


async def test_a_disabled_worker_is_refused_unread(
    admission: BodyAdmission, worker: Worker, job: Job
) -> None:
    token = await token_of(worker)
    await Worker.objects.aupdate(enabled=False)
    assert (await result(job, token).put_to(admission)).answer == (403, "worker_disabled", 0)


def reference(token: str, *body: bytes, length: int = 5, **headers: str) -> Call:
    named = {"authorization": f"Bearer {token}", "content_type": "image/png"}
    return Call("PUT", "/api/v1/references", *body, length=length, **(named | headers))


async def test_a_user_uploads_while_there_is_room(admission: BodyAdmission, settings: LazySettings) -> None:
    """pitfall 34"""
    owner = await sync_to_async(make_user)("ada")
    token = await sync_to_async(issue_personal_token)(owner_id=owner.pk, name="test")
    assert (await reference(token, b"bytes").put_to(admission)).status == 200
    assert (await reference("ovu_nonsense").put_to(admission)).answer == (401, "authentication_failed", 0)
    refused = await reference(token, content_type="image/gif").put_to(admission)
    assert refused.answer == (415, "unsupported_media_type", 0)
    assert (await reference(token, length=20 * 2**20 + 1).put_to(admission)).answer == (413, "too_large", 0)
    await sync_to_async(lambda: upload_reference(owner_id=owner.pk, content=io.BytesIO(png())))()
    settings.REFERENCE_QUOTA_BYTES = 64 * 1024
    assert (await reference(token).put_to(admission)).answer == (429, "over_reference_quota", 0)


async def test_a_caller_whose_views_are_slow_keeps_nobody_waiting() -> None:
    """Pitfall 40: how many views run at once is bounded for each caller behind this, and only there."""
    may_answer = asyncio.Event()

    async def slow_for_ada(scope: Any, receive: Any, send: Any) -> None:
        caller = dict(scope["headers"])[b"authorization"].decode()
        if caller == "Bearer ada":
            await may_answer.wait()
        scope[SCOPE_KEY].caller = caller

    admission = BodyAdmission(reads_all, django=slow_for_ada)
    waiting = [asyncio.create_task(reference("ada", b"bytes").put_to(admission)) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert (await reference("bob", b"bytes").put_to(admission)).status == 200
    may_answer.set()
    assert {call.status for call in await asyncio.gather(*waiting)} == {200}


async def test_uploads_in_flight_are_bounded(
    admission: BodyAdmission, settings: LazySettings, worker: Worker, job: Job
) -> None:
    """pitfall 40: by caller and in all; whoever comes later is told when to come back."""
    settings.UPLOAD_BYTES_PER_CALLER = 12 * 2**20
    settings.UPLOAD_BYTES_IN_FLIGHT = 20 * 2**20
    token = await token_of(worker)
    ada = await sync_to_async(make_user)("bob")
    hers = await sync_to_async(issue_personal_token)(owner_id=ada.pk, name="test")
    inner: list[Call] = []

    async def while_one_is_coming(scope: Any, receive: Any, send: Any) -> None:
        if not inner:
            inner.append(result(job, token, length=3 * 2**20))
            await inner[0].put_to(admission)
            inner.append(reference(hers, length=11 * 2**20))
            await inner[1].put_to(admission)
        await reads_all(scope, receive, send)

    admission.application = while_one_is_coming
    outer = await result(job, token, b"bytes", length=10 * 2**20).put_to(admission)
    assert outer.status == 200
    assert [call.answer for call in inner] == [(429, "uploads_in_flight", 0), (503, "busy_with_uploads", 0)]
    assert all(call.retry_after > 0 for call in inner)
    again = await result(job, token, b"bytes", length=12 * 2**20).put_to(admission)
    assert again.status == 200
