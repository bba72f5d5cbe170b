"""Request rates and requests in work: each caller has its own, and none takes those of the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import LazySettings
from django.db import connections
from django.utils import timezone

from generation.http.uploads import ADMITTED_KEY
from generation.models import PersonalToken
from ourvidz.request_limits import RequestLimits
from ourvidz.request_limits.slots import NoSlotError, RequestSlots
from ourvidz.request_limits.token_buckets import TokenBuckets
from tests.acting import issue_personal_token, issue_worker_token
from tests.factories import make_user, make_worker
from tests.functional.callers import session_of

PATIENCE_S = 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    clock = Clock()
    buckets = TokenBuckets(rate=2, burst=3, clock=clock)
    assert [buckets.take("ada") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("bob") == 0
    clock.now = 0.5
    assert [buckets.take("ada") for _ in range(2)] == [0, 0.5]
    clock.now = 100
    assert [buckets.take("ada", 0.5) for _ in range(7)] == [0] * 6 + [0.25]


def test_a_full_bucket_gives_its_whole_burst_whatever_the_clock_says() -> None:
    for rate, burst in [(1 / 60, 1), (20, 1), (20, 200)]:
        for moment in range(1, 1000):
            clock = Clock()
            clock.now = moment * 98.7654321
            buckets = TokenBuckets(rate=rate, burst=burst, clock=clock)
            assert not any(buckets.take("ada") for _ in range(burst)), (rate, burst, clock.now)
            assert buckets.take("ada") > 0


def test_what_is_spent_unasked_takes_no_more_than_there_is() -> None:
    buckets = TokenBuckets(rate=1, burst=2, clock=Clock())
    for _ in range(50):
        buckets.spend("ada")
    assert buckets.wait_of("ada") == 1


def test_the_table_of_buckets_is_bounded_and_forgets_what_was_used_least_recently() -> None:
    buckets = TokenBuckets(rate=1, burst=1, keys=100, clock=Clock())
    assert buckets.take("ada") == 0
    for number in range(1000):
        buckets.take(f"address {number}")
        assert buckets.take("ada") > 0 or number >= 99  # what is refused is no use
    assert len(buckets._full_at) == 100


async def test_one_caller_has_so_many_slots_and_the_others_take_turns() -> None:
    slots, order = RequestSlots(total=3, per_caller=2), list[str]()

    async def work(caller: str) -> None:
        await slots.take(caller, within_s=PATIENCE_S)
        order.append(caller)
        await asyncio.sleep(0)
        slots.release(caller)

    for _ in range(2):
        await slots.take("ada", within_s=1)
    await slots.take("bob", within_s=1)
    waiting = [asyncio.create_task(work(name)) for name in ["ada"] * 4 + ["bob"] * 2 + ["eve"]]
    await asyncio.sleep(0)
    assert order == []
    slots.release("bob")
    await asyncio.sleep(0)
    slots.release("ada")
    slots.release("ada")
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)
    assert order.index("eve") < 4, f"everybody comes before anybody's third: {order}"
    assert sorted(order) == ["ada"] * 4 + ["bob"] * 2 + ["eve"]


async def test_who_waits_too_long_is_told_why() -> None:
    slots = RequestSlots(total=2, per_caller=1)
    await slots.take("ada", within_s=1)
    with pytest.raises(NoSlotError) as own:
        await slots.take("ada", within_s=0.01)
    await slots.take("bob", within_s=1)
    with pytest.raises(NoSlotError) as full:
        await slots.take("eve", within_s=0.01)
    assert (own.value.of_caller, full.value.of_caller) == (True, False)


@pytest.mark.parametrize("goes", ["before", "at the moment before", "at the moment after"])
async def test_no_slot_is_lost_when_a_waiting_caller_goes(goes: str) -> None:
    slots = RequestSlots(total=1, per_caller=1)
    await slots.take("ada", within_s=1)
    bob = asyncio.create_task(slots.take("bob", within_s=PATIENCE_S))
    await asyncio.sleep(0)
    if goes == "before":
        bob.cancel()
        await asyncio.wait({bob})
        slots.release("ada")
    elif goes == "at the moment before":
        bob.cancel()
        slots.release("ada")
    else:
        slots.release("ada")
        bob.cancel()
    await asyncio.wait({bob})
    assert bob.cancelled()
    await slots.take("eve", within_s=1)


class Site:
    """The limits around a site whose view may take its time."""

    def __init__(self) -> None:
        self.limits = RequestLimits(self.serve)
        self.working = self.most = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.awaited, self.reached = 3, asyncio.Event()

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        self.working += 1
        self.most = max(self.most, self.working)
        if self.working == self.awaited:
            self.reached.set()
        await self.may_answer.wait()
        self.working -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    @asynccontextmanager
    async def asks(
        self, path: str = "/", *, address: str = "192.0.2.1", is_admitted: bool = False, **headers: str
    ) -> AsyncIterator[Any]:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": raw}
        scope["client"] = (address, 9)
        if is_admitted:
            scope[ADMITTED_KEY] = True
        caller = ApplicationCommunicator(self.limits, scope)
        await caller.send_input({"type": "http.request", "body": b"", "more_body": False})
        yield caller
        await caller.wait(PATIENCE_S)

    async def get(self, path: str = "/", **how: Any) -> tuple[int, dict[str, str], bytes]:
        async with self.asks(path, **how) as caller:
            start = await caller.receive_output(PATIENCE_S)
            body = (await caller.receive_output(PATIENCE_S))["body"]
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, body

    async def statuses(self, times: int, path: str = "/", **how: Any) -> list[int]:
        return [(await self.get(path, **how))[0] for _ in range(times)]


@pytest.fixture
async def _limited(settings: LazySettings, transactional_db: None) -> AsyncIterator[None]:
    settings.REQUESTS_PER_SECOND, settings.REQUEST_BURST = 0.001, 10
    settings.MAX_REQUESTS, settings.MAX_REQUESTS_PER_USER = 6, 2
    yield
    await sync_to_async(connections.close_all)()


@sync_to_async
def ways_of(name: str, number: int = 1) -> list[dict[str, str]]:
    """Headers of requests by so many tokens and as many sessions of a new user's."""
    user = make_user(name)
    tokens = [issue_personal_token(owner_id=user.pk, name=f"token {each}") for each in range(number)]
    ways = [{"authorization": f"Bearer {token}"} for token in tokens]
    return ways + [{"cookie": f"sessionid={session_of(user)}"} for _ in range(number)]


@pytest.mark.usefixtures("_limited")
class TestRates:
    async def test_an_address_has_its_burst_and_then_is_told_when_to_come_back(self) -> None:
        site = Site()
        assert await site.statuses(11) == [200] * 10 + [429]
        assert await site.statuses(1, address="192.0.2.2") == [200]
        _, headers, body = await site.get("/api/v1/jobs")
        assert json.loads(body)["code"] == "rate_limited"
        assert headers["content-type"] == "application/problem+json"
        assert int(headers["retry-after"]) >= 1

    async def test_a_user_is_one_caller_whatever_tokens_sessions_and_addresses_there_are(self) -> None:
        site = Site()
        ways = await ways_of("ada", 6)
        answers = [
            (await site.get("/api/v1/me", address=f"192.0.2.{number}", **way))[0]
            for number, way in enumerate(ways + ways)
        ]
        assert answers == [200] * 10 + [429] * 14
        [token, session] = await ways_of("bob")
        assert await site.statuses(5, "/api/v1/me", **token) == [200] * 5
        assert await site.statuses(6, "/", **session) == [200] * 5 + [429]

    async def test_the_table_holds_for_a_minute_whose_a_credential_is(self) -> None:
        site = Site()
        [token, _] = await ways_of("ada")
        site.limits.known._clock = clock = Clock()
        await site.get("/api/v1/me", **token)
        await sync_to_async(PersonalToken.objects.update)(revoked_at=timezone.now())
        assert await site.statuses(9, "/api/v1/me", **token) == [200] * 9
        clock.now = 61
        assert await site.statuses(1, "/api/v1/me", **token) == [200], "its address is another caller"

    async def test_workers_are_outside_however_many_are_behind_one_address(self) -> None:
        site = Site()
        await site.statuses(11)
        for number in range(12):
            token = await sync_to_async(lambda n: issue_worker_token(make_worker(f"w{n}")))(number)
            worker = {"authorization": f"Bearer {token}"}
            assert await site.statuses(12, "/api/v1/worker/job-callback", **worker) == [200] * 12

    @pytest.mark.parametrize("guess", ["Bearer ovu_{}", "Bearer ovw_{}", "Bearer {}"])
    async def test_credentials_that_are_nobodys_count_to_their_address(self, guess: str) -> None:
        site = Site()
        guesses = [
            (await site.get("/api/v1/me", authorization=guess.format(number)))[0] for number in range(30)
        ]
        assert guesses == [200] * 10 + [429] * 20
        assert await site.statuses(1) == [429]
        for way in await ways_of("ada"):
            assert await site.statuses(1, "/api/v1/me", address="192.0.2.9", **way) == [200]
            assert await site.statuses(1, "/api/v1/me", **way) == [200], "it is known now"

    async def test_who_guesses_takes_no_worker_behind_the_same_address_its_lease(self) -> None:
        site = Site()
        site.limits.known._clock = clock = Clock()
        token = await sync_to_async(lambda: issue_worker_token(make_worker()))()
        worker, path = {"authorization": f"Bearer {token}"}, "/api/v1/worker/job-callback"
        assert await site.statuses(1, path, **worker) == [200]
        for number in range(20):
            await site.get(path, authorization=f"Bearer ovw_{number}")
        clock.now = 61
        assert await site.statuses(2, path, **worker) == [200, 200]

    async def test_thumbnails_cost_a_tenth_and_static_files_nothing(self) -> None:
        site = Site()
        assert await site.statuses(60, "/media/image/1/thumbnail") == [200] * 60
        assert await site.statuses(30, "/static/js/page.js") == [200] * 30
        assert await site.statuses(5) == [200] * 4 + [429]

    async def test_health_is_told_to_an_address_whose_other_requests_are_refused(self) -> None:
        """Not without end: 64 connections that asked for nothing else made an API call ten times as slow."""
        site = Site()
        await site.statuses(11)
        assert await site.statuses(11, "/healthz") == [200] * 10 + [429]
        assert await site.statuses(1, "/healthz", address="192.0.2.2") == [200]

    async def test_an_upload_was_counted_when_it_was_asked(self) -> None:
        site = Site()
        assert [(await site.get(is_admitted=True))[0] for _ in range(30)] == [200] * 30
        assert await site.statuses(11) == [200] * 10 + [429]

    async def test_a_pages_script_and_a_browser_are_told_in_words(self) -> None:
        site = Site()
        await site.statuses(10)
        _, headers, body = await site.get("/workspace/submit", accept="application/json")
        assert headers["content-type"] == "application/json"
        outcome = json.loads(body)
        assert (outcome["ok"], outcome["errors"]) == (False, {})
        assert "try again" in outcome["message"]
        status, headers, body = await site.get("/workspace/submit", accept="text/html,*/*")
        assert (status, headers["x-frame-options"], headers["cache-control"]) == (429, "DENY", "no-store")
        assert "script-src 'self'" in headers["content-security-policy"]
        assert b"most browsers still show what you typed" in body


@pytest.mark.usefixtures("_limited")
class TestRequestsInWork:
    async def test_a_users_requests_wait_for_one_another_and_for_nobody_else(
        self, settings: LazySettings
    ) -> None:
        settings.REQUEST_BURST = 100
        site = Site()
        site.may_answer.clear()
        ways = await ways_of("ada", 15)
        many = [asyncio.create_task(site.get("/api/v1/jobs", **way)) for way in ways]
        await asyncio.sleep(1)
        assert site.working == 2
        [bob, _] = await ways_of("bob")
        other = asyncio.create_task(site.get("/api/v1/me", **bob))
        await asyncio.wait_for(site.reached.wait(), PATIENCE_S)
        site.may_answer.set()
        assert {status for status, _, _ in await asyncio.gather(other, *many)} == {200}
        assert site.most == 3

    async def test_nobody_waits_for_uploads_that_are_decoded(self) -> None:
        """Not their sender's heartbeats either."""
        site = Site()
        site.may_answer.clear()
        uploads = [
            asyncio.create_task(site.get(address=f"192.0.2.{caller}", is_admitted=True))
            for caller in (1, 2, 3)
            for _ in range(3)
        ]
        await asyncio.sleep(0.1)
        assert site.working == 6, "they are bounded themselves"
        site.awaited = 7
        other = asyncio.create_task(site.get(address="192.0.2.1"))
        await asyncio.wait_for(site.reached.wait(), PATIENCE_S)
        site.may_answer.set()
        assert {status for status, _, _ in await asyncio.gather(other, *uploads)} == {200}

    async def test_who_waits_for_too_long_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ourvidz.request_limits.WAIT_S", 0.05)
        site = Site()
        site.may_answer.clear()
        many = [asyncio.create_task(site.get("/api/v1/jobs")) for _ in range(3)]
        [first] = (await asyncio.wait(many, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED))[0]
        status, headers, body = first.result()
        assert (status, json.loads(body)["code"]) == (429, "too_many_at_once")
        assert headers["retry-after"] == "1"
        site.may_answer.set()
        assert sorted(status for status, _, _ in await asyncio.gather(*many)) == [200, 200, 429]

    async def test_a_slow_body_holds_no_slot(self) -> None:
        site = Site()
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "client": ("192.0.2.1", 9)}
        slow = [ApplicationCommunicator(site.limits, dict(scope)) for _ in range(6)]
        for caller in slow:
            await caller.send_input({"type": "http.request", "body": b"drop", "more_body": True})
        await asyncio.sleep(0.05)
        assert await site.statuses(2) == [200, 200]
        for caller in slow:
            await caller.send_input({"type": "http.request", "body": b"", "more_body": False})
            assert (await caller.receive_output(PATIENCE_S))["status"] == 200
            await caller.wait(PATIENCE_S)

    async def test_one_that_reads_its_answer_slowly_holds_no_slot(self) -> None:
        site = Site()
        reading = asyncio.Event()

        async def stand_still(message: Any) -> None:
            await reading.wait()

        async def receive() -> Any:
            return {"type": "http.request"}

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.1", 9)}
        readers = [asyncio.create_task(site.limits(dict(scope), receive, stand_still)) for _ in range(6)]
        await asyncio.sleep(0.05)
        assert await site.statuses(2) == [200, 200]
        reading.set()
        await asyncio.wait_for(asyncio.gather(*readers), PATIENCE_S)
