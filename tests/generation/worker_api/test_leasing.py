from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from structlog.testing import capture_logs

from generation.jobs.lease import MAX_EMPTY_ATTEMPTS, reap
from generation.models import Attempt, Image, Job, ModelOffer, Worker
from generation.queue.estimates import queue_positions
from generation.queue.snapshot import Snapshot
from generation.worker_api.long_poll import BODY_BYTES
from tests.advertised import FILM, body
from tests.factories import fresh, make_job, make_user, make_worker, png
from tests.generation.worker_api.conftest import Machine, expire, nobody_elses


def test_the_answer_holds_everything_a_worker_needs(machine: Machine, owner: User) -> None:
    job = make_job(owner, quantity=3, seed=0, negative_prompt="fog", prompt="boats")

    response = machine.lease()

    assert response.status_code == 200
    lease = response.json()
    job.refresh_from_db()
    slots = [(s.slot, s.image_index, str(s.pk), s.seed) for s in Image.objects.order_by("image_index")]
    assert [tuple(slot.values()) for slot in lease.pop("slots")] == slots
    assert lease.pop("upload")["content_types"] == ["image/png", "image/jpeg", "image/webp"]
    assert lease == {
        "job_id": str(job.pk),
        "lease_token": str(job.lease_token),
        "attempt": 1,
        "lease_seconds": 60,
        "heartbeat_seconds": 15,
        "job_type": "sdxl_image_fast",
        "engine": "sdxl",
        "prompt": "boats",
        "negative_prompt": "fog",
        "parameters": job.type.parameters("1:1"),
        "references": [],
        "preview": {"max_bytes": 65536, "max_side": 512, "every_seconds": 2},
    }


@pytest.mark.parametrize(("job_type", "index"), [("video_fast", None), ("image_fast", None)])
def test_wan_has_slot_zero_and_no_index(machine: Machine, owner: User, job_type: str, index: None) -> None:
    make_job(owner, job_type)

    (slot,) = machine.lease().json()["slots"]

    assert (slot["slot"], slot["image_index"]) == (0, index)


def test_an_idle_queue_answers_204(machine: Machine) -> None:
    response = machine.lease()

    assert (response.status_code, response.content) == (204, b"")


def test_a_worker_gets_only_its_own_engines_and_pools(machine: Machine, owner: User) -> None:
    make_job(owner, "video_fast")

    assert machine.lease(engines=["sdxl"]).status_code == 204
    assert machine.lease(pools=["video_high"]).status_code == 204
    assert machine.lease(pools=["video_fast"]).status_code == 200


def test_an_engine_the_worker_may_not_serve_gets_nothing(owner: User) -> None:
    make_job(owner, "video_fast")

    assert Machine(make_worker(engines=["sdxl"])).lease(engines=["sdxl", "wan"]).status_code == 204


def test_a_leased_job_is_gone_for_others(machine: Machine, other: Machine, owner: User) -> None:
    make_job(owner)

    assert [machine.lease().status_code, other.lease().status_code] == [200, 204]


def test_what_the_worker_says_of_itself_is_kept(machine: Machine) -> None:
    machine.lease(version="ourvidz-worker 1.2", worker_engine="sketch", device="cpu", pools=["video_fast"])

    worker = Worker.objects.get()
    assert (worker.software, worker.device) == ("ourvidz-worker 1.2 sketch", "cpu")
    assert worker.pools == ["video_fast"]


def test_why_a_worker_withdraws_a_pool_is_logged_when_its_offer_changes(
    machine: Machine, owner: User
) -> None:
    """Pitfall 46. When nothing is left, it names a pool that does not exist, and is given nothing."""
    make_job(owner)
    faults = [{"pool": "sdxl_image_fast", "reason": "not_a_picture: invalid numbers"}]
    machine.lease(pools=["image_fast", "sdxl_image_fast+style"])
    with capture_logs() as lines:
        for _ in range(2):
            assert machine.lease(pools=["none"], withdrawn=faults).status_code == 204
    (line,) = [line for line in lines if line["event"] == "pool_withdrawn"]
    assert (line["log_level"], line["worker_id"]) == ("warning", str(machine.worker.pk))
    assert {name: line[name] for name in ("pool", "reason")} == faults[0]
    assert Worker.objects.get().pools == []


def test_what_a_worker_withdrew_is_kept_with_why_and_since_when(machine: Machine) -> None:
    """The reason was in a log alone, while operators look at the admin."""
    fault = {"pool": "sdxl_image_fast", "reason": "out_of_memory"}
    machine.lease(pools=["image_fast"], withdrawn=[fault])
    first = Worker.objects.get().degraded
    assert first["sdxl_image_fast"]["reason"] == "out_of_memory"
    assert datetime.fromisoformat(first["sdxl_image_fast"]["since"]).tzinfo
    Worker.objects.update(degraded={"sdxl_image_fast": fault | {"since": "2026-11-01T10:00:00+00:00"}})
    machine.lease(pools=["none"], withdrawn=[fault, {"pool": "image_fast", "reason": ""}])
    second = Worker.objects.get().degraded
    assert second["sdxl_image_fast"]["since"] == "2026-11-01T10:00:00+00:00"
    assert second["image_fast"]["reason"] == ""
    with capture_logs() as lines:
        machine.lease()
    assert Worker.objects.get().degraded == {}
    again = {line["pool"] for line in lines if line["event"] == "pool_offered_again"}
    assert again == {"sdxl_image_fast", "image_fast"}


def test_a_worker_that_stops_is_not_counted_on(machine: Machine, owner: User) -> None:
    """A waiting job was said for a minute to be next in line."""
    plain, styled = f"sdxl_image_fast@{FILM}", f"sdxl_image_fast+style@{FILM}"
    offered = ["sdxl_image_fast", plain, styled]
    machine.lease(pools=offered, models=[body()])
    job = make_job(owner)
    assert queue_positions([job])[job.pk].position == 1
    assert Snapshot().live_workers

    assert machine.lease(pools=["none"]).status_code == 204

    assert not queue_positions([job])[job.pk].served
    assert not Snapshot().live_workers
    assert ModelOffer.objects.get().pools == [styled, plain], "what can be chosen stays"
    machine.heartbeat(machine.lease(pools=offered).json())
    assert Snapshot().live_workers


def test_a_warm_pool_is_preferred(machine: Machine, owner: User) -> None:
    make_job(owner, "sdxl_image_fast")
    make_job(owner, "sdxl_image_high")
    lease = machine.lease(pools=["sdxl_image_fast", "sdxl_image_high"], warm=["sdxl_image_high"])
    assert lease.json()["job_type"] == "sdxl_image_high"


def test_many_pools_with_their_reasons_fit_into_a_lease_call() -> None:
    """Each of 200 pools has a long name, half of them are withdrawn, and all others warm."""
    names = [f"{number:03}".ljust(100, "x") for number in range(200)]
    withdrawn = [{"pool": name, "reason": "r" * 300} for name in names[100:]]
    body = {"engines": ["sdxl"], "pools": names[:100], "warm": names[:100], "withdrawn": withdrawn}
    assert len(json.dumps(body)) < BODY_BYTES


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("warm", "all"),
        ("warm", [5]),
        ("warm", ["x" * 101]),
        ("warm", ["image_fast"] * 201),
        ("withdrawn", "all"),
        ("withdrawn", [{"pool": "image_fast"}]),
        ("withdrawn", [{"pool": "image_fast", "reason": "", "shell": "rm"}]),
        ("withdrawn", [{"pool": "image_fast", "reason": "x" * 301}]),
        ("engines", []),
        ("engines", ["flux"]),
        ("engines", "sdxl"),
        ("engines", None),
        ("pools", "all"),
        ("pools", ["\0"]),
        ("wait_s", 26),
        ("wait_s", -1),
        ("wait_s", "soon"),
        ("version", "x" * 121),
        ("device", "\0"),
        ("shell", "rm"),
    ],
)
def test_a_malformed_request_names_its_field_and_leases_nothing(
    machine: Machine, owner: User, field: str, value: Any
) -> None:
    job = make_job(owner)

    response = machine.lease(**{field: value})

    assert response.status_code == 422
    assert {name.split(".")[0] for name in response.json()["errors"]} == {field}
    assert fresh(job).status == "queued"


def test_a_heartbeat_renews_and_carries_progress(machine: Machine, owner: User) -> None:
    """pitfall 32: progress is the worker's own."""
    job = make_job(owner)
    lease = machine.lease().json()
    before = expiry_of(job)

    answer = machine.heartbeat(lease, progress=42, stage="sketching")

    assert answer.json() == {"action": "continue"}
    after = fresh(job)
    assert (after.progress, after.stage) == (42, "sketching")
    assert expiry_of(job) > before


def test_a_cancelled_job_tells_its_worker_to_stop(machine: Machine, owner: User) -> None:
    from tests.acting import cancel

    job = make_job(owner)
    lease = machine.lease().json()
    cancel(owner_id=owner.pk, job_id=job.pk)

    assert machine.heartbeat(lease).json() == {"action": "cancel"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lease_token", "x"),
        ("lease_token", None),
        ("lease_token", 5),
        ("progress", 101),
        ("progress", -1),
        ("progress", True),
        ("progress", "5"),
        ("slot", -1),
        ("slot", "0"),
        ("slot", 10**30),
        ("stage", "\0"),
        ("stage", 5),
        ("eta", 1),
    ],
)
def test_a_malformed_heartbeat_names_its_field(machine: Machine, owner: User, field: str, value: Any) -> None:
    make_job(owner)
    lease = machine.lease().json()
    before = Job.objects.values().get()

    response = machine.heartbeat(lease, **{field: value})

    assert (response.status_code, list(response.json()["errors"])) == (422, [field])
    assert Job.objects.values().get() == before


def test_a_released_job_goes_to_the_next_worker_unharmed(
    machine: Machine, other: Machine, owner: User
) -> None:
    job = make_job(owner)
    left = job.attempts_left
    lease = machine.lease().json()

    assert machine.release(lease).status_code == 204

    assert fresh(job).attempts_left == left
    assert other.lease().json()["attempt"] == 2
    assert Attempt.objects.get(number=1).outcome == "released"


def test_releasing_twice_is_a_lost_lease_and_harmless(machine: Machine, owner: User) -> None:
    job = make_job(owner)
    lease = machine.lease().json()
    machine.release(lease)
    before = fresh(job).revision

    response = machine.release(lease)

    assert (response.status_code, response.json()["code"]) == (409, "lease_lost")
    assert fresh(job).revision == before


def test_a_worker_that_releases_without_end_fills_no_table(machine: Machine, owner: User) -> None:
    """The newest releases are kept, and every lease that brought a result."""
    job = make_job(owner, quantity=3)
    first = machine.lease().json()
    machine.report(first, machine.deliver(first, 0, png()), status="processing")
    machine.release(first)
    for _ in range(MAX_EMPTY_ATTEMPTS + 3):
        lease = machine.lease().json()
        assert machine.release(lease).status_code == 204

    numbers = list(Attempt.objects.order_by("number").values_list("number", flat=True))
    assert numbers == [1, *range(fresh(job).attempt - MAX_EMPTY_ATTEMPTS + 1, fresh(job).attempt + 1)]
    assert machine.release(first).json()["code"] == "lease_lost"
    assert machine.lease().json()["attempt"] == fresh(job).attempt


@pytest.mark.parametrize("call", ["heartbeat", "release", "upload", "preview", "report"])
def test_another_workers_lease_opens_nothing(
    machine: Machine, other: Machine, owner: User, call: str
) -> None:
    """pitfall 16, pitfall 17: the job and the right lease token, in the wrong hands."""
    make_job(owner)
    lease = machine.lease().json()
    before = list(Job.objects.values())

    response = _call(other, call, lease)

    assert response.status_code == 404
    assert list(Job.objects.values()) == before
    assert Image.objects.get().status == "queued"


@pytest.mark.parametrize("call", ["heartbeat", "release", "upload", "preview", "report"])
def test_a_job_taken_over_is_lost_for_its_first_worker(
    machine: Machine, other: Machine, owner: User, call: str
) -> None:
    """pitfall 16: nothing an expired worker does touches the newer attempt."""
    job = make_job(owner)
    stale = machine.lease().json()
    expire(job)
    reap()
    Job.objects.update(retry_at=None)
    other.lease()
    before = list(Job.objects.values())

    response = _call(machine, call, stale)

    assert (response.status_code, response.json()["code"]) == (409, "lease_lost")
    assert response["Content-Type"] == "application/problem+json"
    assert list(Job.objects.values()) == before
    assert Image.objects.get().status == "queued"


@pytest.mark.parametrize("call", ["heartbeat", "release", "upload", "preview", "report"])
def test_an_unknown_job_is_not_found(machine: Machine, call: str) -> None:
    lease = {"job_id": nobody_elses(), "lease_token": nobody_elses(), "slots": []}

    assert _call(machine, call, lease).status_code == 404


def test_a_late_worker_that_nobody_replaced_is_still_welcome(machine: Machine, owner: User) -> None:
    """Expiry is an event, not a clock comparison."""
    job = make_job(owner)
    lease = machine.lease().json()
    expire(job)

    assert machine.heartbeat(lease).json() == {"action": "continue"}
    machine.report(lease, machine.deliver(lease, 0, png()))
    assert fresh(job).status == "completed"


def expiry_of(job: Job) -> datetime:
    moment = fresh(job).lease_expires_at
    assert moment is not None
    return moment


def _call(machine: Machine, call: str, lease: dict[str, Any]) -> Any:
    if call in ("upload", "preview"):
        return getattr(machine, call)(lease, 0, png(), "image/png")
    return getattr(machine, call)(lease)


def test_a_job_that_nobody_can_be_given_stops_no_lease_call(machine: Machine, owner: User) -> None:
    """Pitfall 45: with attempts_left at 0, as MAX_ATTEMPTS=0 left it, each call answered 500."""
    bad, good = make_job(owner), make_job(make_user())
    Job.objects.filter(pk=bad.pk).update(attempts_left=0)
    response = machine.lease()
    assert (response.status_code, response.json()["job_id"]) == (200, str(good.pk))
    assert machine.lease().status_code == 204
    assert (fresh(bad).status, fresh(bad).error_code) == ("failed", "unleasable")
