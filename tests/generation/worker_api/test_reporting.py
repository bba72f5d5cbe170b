from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.models import Attempt, Image, Job, Video
from tests.acting import cancel
from tests.factories import fresh, make_job, mp4, png
from tests.generation.worker_api.conftest import Machine, nobody_elses


def statuses(job: Job) -> list[str]:
    return [asset.status for asset in fresh(job).slots]


def test_images_fill_in_one_by_one(machine: Machine, owner: User) -> None:
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()

    first = machine.report(lease, machine.deliver(lease, 1, png(shade=1)), status="processing").json()
    assert first == {"accepted": [1], "duplicate": [], "rejected": [], "job_status": "processing"}
    assert statuses(job) == ["queued", "completed", "queued"]

    rest = [machine.deliver(lease, slot, png(shade=slot)) for slot in (2, 0)]
    last = machine.report(lease, *rest).json()
    assert (sorted(last["accepted"]), last["job_status"]) == ([0, 2], "completed")
    assert statuses(job) == ["completed"] * 3


def test_only_the_index_pairs_a_result_with_its_slot(machine: Machine, owner: User) -> None:
    """pitfall 4: the failed one left out, the rest in reverse."""
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()
    uploads = {slot: machine.deliver(lease, slot, png(shade=slot * 9), seed=slot + 70) for slot in (0, 2)}

    machine.report(lease, uploads[2], uploads[0], status="processing")

    assert statuses(job) == ["completed", "queued", "completed"]
    assert [asset.seed for asset in fresh(job).slots][::2] == [70, 72]


def test_a_video_is_reported_without_an_index(machine: Machine, owner: User) -> None:
    job = make_job(owner, "video_fast")
    lease = machine.lease().json()
    upload_id = machine.upload(lease, 0, mp4(), "video/mp4").json()["upload_id"]

    report = {
        "image_index": None,
        "status": "completed",
        "upload_id": upload_id,
        "seed": 0,
        "width": 1,
        "height": 1,
        "duration": 99.5,
        "metadata": {"anything": ["at", {"all": 1.5}]},
        "error": None,
    }
    assert machine.report(lease, report).json()["accepted"] == [None]

    video = Video.objects.get(job=job)
    assert (video.seed, video.width, video.height, video.metadata) == (0, 64, 64, report["metadata"])
    assert video.duration == 0.5


def test_a_repeated_callback_changes_nothing(machine: Machine, owner: User) -> None:
    """pitfall 14, pitfall 15: also after the job has ended."""
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()
    assets = [machine.deliver(lease, slot, png(shade=slot)) for slot in range(3)]
    machine.report(lease, *assets)
    before = fresh(job).revision, list(Image.objects.values()), list(Attempt.objects.values())

    again = machine.report(lease, *assets)

    assert again.status_code == 200
    assert sorted(again.json()["duplicate"]) == [0, 1, 2]
    assert again.json()["job_status"] == "completed"
    assert (fresh(job).revision, list(Image.objects.values()), list(Attempt.objects.values())) == before


def test_a_wrong_index_is_rejected_and_the_others_are_written(machine: Machine, owner: User) -> None:
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()
    good = machine.deliver(lease, 0, png())

    receipt = machine.report(
        lease, good, good | {"image_index": 7}, good | {"image_index": None}, status="processing"
    )

    assert receipt.status_code == 200
    assert receipt.json()["accepted"] == [0]
    assert [(r["image_index"], r["code"]) for r in receipt.json()["rejected"]] == [
        (7, "unknown_index"),
        (None, "unknown_index"),
    ]
    assert statuses(job) == ["completed", "queued", "queued"]


def test_other_bytes_for_a_filled_slot_are_a_conflict(machine: Machine, owner: User) -> None:
    """pitfall 16"""
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()
    machine.report(lease, machine.deliver(lease, 0, png(shade=1)), status="processing")
    kept = fresh(job).slots[0].sha256

    receipt = machine.report(lease, machine.deliver(lease, 0, png(shade=2)), status="processing").json()

    assert [r["code"] for r in receipt["rejected"]] == ["conflict"]
    assert fresh(job).slots[0].sha256 == kept


def test_an_upload_for_another_slot_or_job_fills_nothing(machine: Machine, owner: User) -> None:
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()
    for_slot_one = machine.deliver(lease, 1, png())

    receipt = machine.report(
        lease,
        for_slot_one | {"image_index": 0},
        for_slot_one | {"image_index": 2, "upload_id": nobody_elses()},
        status="processing",
    ).json()

    assert [r["code"] for r in receipt["rejected"]] == ["unknown_upload", "unknown_upload"]
    assert statuses(job) == ["queued"] * 3


def test_a_result_after_cancel_is_discarded(machine: Machine, owner: User) -> None:
    job = make_job(owner, quantity=3)
    lease = machine.lease().json()
    late = machine.deliver(lease, 0, png())
    cancel(owner_id=owner.pk, job_id=job.pk)

    response = machine.report(lease, late)

    assert response.status_code == 200
    assert [r["code"] for r in response.json()["rejected"]] == ["discarded"]
    assert response.json()["job_status"] == "cancelled"
    assert statuses(job) == ["cancelled"] * 3


def test_slots_left_out_of_the_last_word_are_tried_again_then_fail(machine: Machine, owner: User) -> None:
    """pitfall 6: no sibling stays queued for ever."""
    job = make_job(owner, quantity=3)
    for _ in range(job.attempts_left):
        Job.objects.update(retry_at=None)
        machine.report(machine.lease().json())

    assert fresh(job).status == "failed"
    assert {asset.error_code for asset in fresh(job).slots} == {"not_delivered"}


def test_a_failure_is_told_in_the_workers_words(machine: Machine, owner: User) -> None:
    job = make_job(owner, "image_fast")
    lease = machine.lease().json()
    error = {"code": "out_of_memory", "message": "CUDA out of memory", "retryable": False}

    machine.report(
        lease, {"image_index": None, "status": "failed", "error": error}, error_message="It went wrong."
    )

    (slot,) = fresh(job).slots
    assert (slot.status, slot.error_code, slot.error_message) == (
        "failed",
        "out_of_memory",
        "CUDA out of memory",
    )
    assert fresh(job).status == "failed"


def test_metadata_is_merged_and_the_enhanced_prompt_is_kept(machine: Machine, owner: User) -> None:
    job = make_job(owner, "image7b_fast_enhanced", prompt="a cat")
    lease = machine.lease().json()

    machine.report(lease, status="processing", metadata={"enhanced_prompt": "a grey cat at dawn", "a": 1})
    machine.report(lease, machine.deliver(lease, 0, png()), metadata={"b": 2})

    job = fresh(job)
    assert (job.enhanced_prompt, job.prompt) == ("a grey cat at dawn", "a cat")
    assert (job.metadata["a"], job.metadata["b"]) == (1, 2)


def test_a_callback_costs_the_same_queries_for_one_and_for_six(machine: Machine, owner: User) -> None:
    counts = []
    for quantity in (1, 1, 6):  # the first makes the worker's Pace row
        make_job(owner, quantity=quantity)
        lease = machine.lease().json()
        assets = [machine.deliver(lease, slot, png(shade=slot)) for slot in range(quantity)]
        with CaptureQueriesContext(connection) as queries:
            assert machine.report(lease, *assets).json()["job_status"] == "completed"
        counts.append(len(queries))

    assert counts[1] == counts[2]


DONE = {"image_index": 0, "status": "completed", "upload_id": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"job_id": "x"}, "job_id"),
        ({"job_id": None}, "job_id"),
        ({"lease_token": "x"}, "lease_token"),
        ({"lease_token": 5}, "lease_token"),
        ({"status": "done"}, "status"),
        ({"status": ["completed"]}, "status"),
        ({"assets": None}, "assets"),
        ({"assets": DONE}, "assets"),
        ({"assets": ["x"]}, "assets.0"),
        ({"assets": [DONE] * 25}, "assets"),
        ({"assets": [{}]}, "assets.0.image_index"),
        ({"assets": [DONE | {"image_index": "0"}]}, "assets.0.image_index"),
        ({"assets": [DONE | {"image_index": True}]}, "assets.0.image_index"),
        ({"assets": [DONE | {"image_index": 0.0}]}, "assets.0.image_index"),
        ({"assets": [DONE | {"image_index": -1}]}, "assets.0.image_index"),
        ({"assets": [DONE | {"image_index": 10**30}]}, "assets.0.image_index"),
        ({"assets": [DONE, DONE | {"status": "cancelled"}]}, "assets.1.status"),
        ({"assets": [DONE | {"upload_id": None}]}, "assets.0.upload_id"),
        ({"assets": [DONE | {"upload_id": "x"}]}, "assets.0.upload_id"),
        ({"assets": [DONE | {"seed": -1}]}, "assets.0.seed"),
        ({"assets": [DONE | {"seed": 2**63}]}, "assets.0.seed"),
        ({"assets": [DONE | {"seed": 1.5}]}, "assets.0.seed"),
        ({"assets": [DONE | {"metadata": []}]}, "assets.0.metadata"),
        ({"assets": [DONE | {"metadata": {"a": "x" * 33_000}}]}, "assets.0.metadata"),
        (
            {"assets": [DONE | {"metadata": {"a": "é" * 16_500}}]},
            "assets.0.metadata",
        ),  # bytes
        ({"assets": [DONE | {"metadata": {"a": ["\0"]}}]}, "assets.0.metadata"),
        ({"assets": [DONE | {"metadata": {"\0": 1}}]}, "assets.0.metadata"),
        ({"assets": [DONE | {"error": "bad"}]}, "assets.0.error"),
        ({"assets": [DONE | {"error": {"message": "no code"}}]}, "assets.0.error.code"),
        ({"assets": [DONE | {"error": {"code": "x", "retryable": "no"}}]}, "assets.0.error.retryable"),
        ({"assets": [DONE | {"url": "https://example.com/x.png"}]}, "assets.0.url"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"a": "x" * 33_000}}, "metadata"),
        ({"error_message": "\0"}, "error_message"),
        ({"error_message": 5}, "error_message"),
        ({"owner": 1}, "owner"),
    ],
)
def test_a_malformed_callback_names_its_field_and_writes_nothing(
    machine: Machine, owner: User, change: dict[str, Any], field: str
) -> None:
    """pitfall 5: a body is taken whole or not at all."""
    make_job(owner)
    lease = machine.lease().json()
    before = list(Job.objects.values()), list(Image.objects.values())

    response = machine.report(lease, **change)

    assert response.status_code == 422
    assert field in response.json()["errors"]
    assert (list(Job.objects.values()), list(Image.objects.values())) == before


@pytest.mark.parametrize(
    "metadata",
    [
        *('{"a": 1e999}', '{"a": NaN}', '{"a": "\\ud800"}', '{"\\udfff": 1}'),
        *('{"a":' * depth + "1" + "}" * depth for depth in (40, 932, 2000)),
    ],
)
def test_metadata_that_no_database_keeps_is_refused(machine: Machine, owner: User, metadata: str) -> None:
    make_job(owner)
    lease = machine.lease().json()
    body = '{"job_id": "%s", "lease_token": "%s", "status": "processing", "metadata": %s}'

    response = machine.http.generic(
        "POST",
        "/api/v1/worker/job-callback",
        body % (lease["job_id"], lease["lease_token"], metadata),
        content_type="application/json",
    )

    assert response.status_code == 422
    assert Job.objects.get().metadata == {}


def test_a_callback_over_the_limit_is_refused(machine: Machine, owner: User) -> None:
    make_job(owner)
    lease = machine.lease().json()

    assert machine.report(lease, error_message="x" * (1024 * 1024)).status_code == 413
