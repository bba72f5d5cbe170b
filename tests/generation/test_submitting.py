"""One submission writes one job and one row for each expected result, or nothing."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from generation.access.quotas import OverLimit
from generation.api.requests import SubmissionBody
from generation.catalog.job_types import JOB_TYPES, Engine, JobType
from generation.catalog.submission import (
    MAX_SEED,
    PROMPT_LENGTH,
    InvalidSubmission,
    ReferenceInput,
    Submission,
)
from generation.core.errors import IdempotencyKeyReused
from generation.models import Asset, Image, Job, OwnerCounter, Project, Video
from tests.acting import create_project, submit
from tests.factories import make_job, make_user
from workspace.forms import ComposerForm

REPO = Path(__file__).resolve().parents[2]

EVERY_QUANTITY = [(name, quantity) for name, kind in JOB_TYPES.items() for quantity in kind.quantities]

REFUSES_THE_THIRD = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON generation_asset WHEN NEW.image_index = 2"
    " BEGIN SELECT RAISE(ABORT, 'refused'); END",
    "postgresql": "SET CONSTRAINTS ALL IMMEDIATE;"
    " ALTER TABLE generation_asset ADD CONSTRAINT refuse CHECK (image_index < 2)",
}


def refused(owner: User, **fields: object) -> dict[str, str]:
    """The errors of a submission that must leave nothing behind."""
    given = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse"} | fields
    with pytest.raises(InvalidSubmission) as refusal:
        submit(owner_id=owner.pk, submission=Submission(**given))  # type: ignore[arg-type] # as a test names them
    assert not Job.objects.exists()
    assert not Image.objects.exists()
    assert not Video.objects.exists()
    return refusal.value.errors


@pytest.mark.parametrize(("name", "quantity"), EVERY_QUANTITY)
def test_every_job_type_gets_a_row_for_each_result(owner: User, name: str, quantity: int) -> None:
    """pitfall 1, pitfall 2"""
    kind = JOB_TYPES[name]
    job = make_job(owner, name, "  two words ", quantity=quantity)
    assert (job.status, job.engine, job.media, job.quantity) == ("queued", kind.engine, kind.media, quantity)
    assert (job.width, job.height) == kind.sizes[kind.default_aspect]
    assert job.parameters == kind.parameters(kind.default_aspect)
    assert job.pool == name
    assert len(job.slots) == quantity
    assert Asset.objects.count() == quantity
    for slot, asset in enumerate(job.slots):
        assert (asset.status, asset.slot, asset.owner_id) == ("queued", slot, owner.pk)
        assert (asset.prompt, asset.project_id) == ("two words", job.project_id)
        assert asset.image_index == (slot if kind.engine == "sdxl" else None)


def test_the_ten_job_types_are_those_of_the_product() -> None:
    assert sorted(JOB_TYPES) == sorted(
        [f"sdxl_image_{q}" for q in ("fast", "high")]
        + [f"{media}_{q}" for media in ("image", "video") for q in ("fast", "high")]
        + [f"{media}7b_{q}_enhanced" for media in ("image", "video") for q in ("fast", "high")]
    )


def test_the_parameters_are_frozen_in_the_job(owner: User) -> None:
    """pitfall 31: the aspect ratio that was asked for is the one that the worker is told."""
    video = make_job(owner, "video_high", aspect="16:9").parameters
    assert (video["width"], video["height"], video["frames"], video["fps"]) == (832, 480, 81, 16)
    assert (video["steps"], video["guidance"], video["solver"], video["shift"]) == (50, 7.5, "unipc", 5.0)
    image = make_job(owner, "sdxl_image_high", aspect="9:16")
    assert (image.width, image.height) == (768, 1344)
    assert (image.parameters["width"], image.parameters["height"]) == (768, 1344)
    assert (image.parameters["steps"], image.parameters["guidance"]) == (25, 7.5)


def test_a_seed_of_zero_is_a_seed(owner: User) -> None:
    """pitfall 8"""
    job = make_job(owner, quantity=3, seed=0)
    assert job.seed == 0
    assert [image.seed for image in job.slots] == [0, 1, 2]


def test_seeds_wrap_around_after_the_largest_as_is_documented(owner: User) -> None:
    assert [i.seed for i in make_job(owner, quantity=3, seed=MAX_SEED).slots] == [MAX_SEED, 0, 1]
    api = (REPO / "docs" / "api.md").read_text()
    help_texts = [SubmissionBody().fields["seed"].help_text, ComposerForm(owner).fields["seed"].help_text]
    for told in (api, *help_texts):
        assert f"0 follows {MAX_SEED}" in told.replace(",", "")


def test_without_a_seed_each_slot_gets_its_own(owner: User) -> None:
    """pitfall 8: the job says that nobody asked for one."""
    job = make_job(owner, quantity=6)
    assert job.seed is None
    seeds = [image.seed for image in job.slots]
    assert seeds == [(seeds[0] + slot) % (MAX_SEED + 1) for slot in range(6)]
    assert seeds != [image.seed for image in make_job(owner, quantity=6).slots]


def test_two_equal_submissions_are_two_jobs(owner: User) -> None:
    """pitfall 2, pitfall 9"""
    first, second = (make_job(owner, quantity=3, seed=5) for _ in range(2))
    assert first.pk != second.pk
    assert not {image.pk for image in first.slots} & {image.pk for image in second.slots}


@pytest.mark.parametrize("quantity", [0, -1, 2, 4, 7, 1000])
def test_a_quantity_that_the_type_does_not_make_is_refused(owner: User, quantity: int) -> None:
    assert "1, 3, 6" in refused(owner, quantity=quantity)["quantity"]


@pytest.mark.parametrize("quantity", [3, 6])
def test_wan_makes_one(owner: User, quantity: int) -> None:
    assert list(refused(owner, job_type="image_fast", quantity=quantity)) == ["quantity"]


@pytest.mark.parametrize("name", ["", "sdxl", "SDXL_IMAGE_FAST", "video7b_fast", "x" * 9000, "a\0b"])
def test_an_unknown_job_type_is_refused(owner: User, name: str) -> None:
    errors = refused(owner, job_type=name)
    assert list(errors) == ["job_type"]
    assert len(errors["job_type"]) < 120


@pytest.mark.parametrize(
    "prompt", ["", " ", "\n\t ", "a\0b", "\x1b[31m", "\ud800", "x" * (PROMPT_LENGTH + 1), "x" * 20_000]
)
def test_a_prompt_that_cannot_be_used_is_refused(owner: User, prompt: str) -> None:
    assert list(refused(owner, prompt=prompt)) == ["prompt"]


@pytest.mark.parametrize(
    "prompt", ["x" * PROMPT_LENGTH, "zwei\nZeilen", "日本語 🎨 e\u0301", "<script>", "'; --"]
)
def test_any_text_is_a_prompt(owner: User, prompt: str) -> None:
    job = make_job(owner, prompt=prompt)
    job.refresh_from_db()
    assert job.prompt == prompt
    assert job.slots[0].prompt == prompt


@pytest.mark.parametrize("text", ["a\0b", "x" * (PROMPT_LENGTH + 1)])
def test_a_negative_prompt_that_cannot_be_used_is_refused(owner: User, text: str) -> None:
    assert list(refused(owner, negative_prompt=text)) == ["negative_prompt"]


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 2**70])
def test_a_seed_outside_the_range_is_refused(owner: User, seed: int) -> None:
    assert list(refused(owner, seed=seed)) == ["seed"]


@pytest.mark.parametrize("aspect", ["4:3", "1x1", "16:10", "\0"])
def test_an_aspect_that_the_type_has_not_is_refused(owner: User, aspect: str) -> None:
    assert list(refused(owner, job_type="video_fast", aspect=aspect)) == ["aspect"]


def test_a_reference_that_cannot_be_used_is_refused_not_ignored(owner: User) -> None:
    """pitfall 19, pitfall 31"""
    asked = ReferenceInput(type="start_frame", reference=uuid.uuid4())
    assert list(refused(owner, references=[asked])) == ["references"]


def test_every_wrong_field_is_named_at_once(owner: User) -> None:
    assert sorted(refused(owner, prompt="", seed=-1, quantity=4)) == ["prompt", "quantity", "seed"]


def test_a_foreign_or_unknown_project_is_refused(owner: User) -> None:
    foreign = create_project(owner_id=make_user().pk, name="Theirs")
    assert list(refused(owner, project_id=foreign.pk)) == ["project"]
    assert list(refused(owner, project_id=uuid.uuid4())) == ["project"]


def test_work_goes_to_the_named_project_else_to_the_default(owner: User) -> None:
    project = create_project(owner_id=owner.pk, name="Sea")
    assert make_job(owner, project_id=project.pk).project == project
    default = make_job(owner).project
    assert default.is_default
    assert make_job(owner).project == default


def test_a_refusal_takes_no_revision(owner: User) -> None:
    foreign = create_project(owner_id=make_user().pk, name="Theirs")
    make_job(owner)
    before = OwnerCounter.objects.get(pk=owner.pk).revision
    with pytest.raises(InvalidSubmission):
        make_job(owner, project_id=foreign.pk)
    assert OwnerCounter.objects.get(pk=owner.pk).revision == before


def test_a_failure_on_the_way_leaves_nothing(owner: User) -> None:
    """pitfall 3: the job and all its rows, or neither; here the database refuses the third asset."""
    make_job(owner)
    before = (Job.objects.count(), Image.objects.count(), OwnerCounter.objects.get(pk=owner.pk).revision)
    with connection.cursor() as cursor:
        cursor.execute(REFUSES_THE_THIRD[connection.vendor])
    with pytest.raises(IntegrityError):
        make_job(owner, quantity=3)
    after = (Job.objects.count(), Image.objects.count(), OwnerCounter.objects.get(pk=owner.pk).revision)
    assert after == before


def test_six_images_cost_as_many_queries_as_one(owner: User) -> None:
    make_job(owner)

    def queries(quantity: int) -> int:
        with CaptureQueriesContext(connection) as counted:
            make_job(owner, quantity=quantity)
        return len(counted)

    assert queries(1) == queries(6)


def test_the_same_key_and_body_answer_with_the_first_job(owner: User) -> None:
    submission = Submission(job_type="sdxl_image_fast", prompt="a lighthouse", quantity=6)
    first = submit(owner_id=owner.pk, submission=submission, idempotency_key="k1")
    again = submit(owner_id=owner.pk, submission=submission, idempotency_key="k1")
    assert first == again
    assert (Job.objects.count(), Image.objects.count()) == (1, 6)


@pytest.mark.parametrize(
    "other",
    [{"prompt": "a ship"}, {"quantity": 3}, {"seed": 0}, {"job_type": "sdxl_image_high"}, {"review": True}],
)
def test_the_same_key_with_another_body_is_refused(owner: User, other: dict[str, Any]) -> None:
    body = Submission(job_type="sdxl_image_fast", prompt="a lighthouse")
    submit(owner_id=owner.pk, submission=body, idempotency_key="k1")
    with pytest.raises(IdempotencyKeyReused):
        submit(owner_id=owner.pk, submission=replace(body, **other), idempotency_key="k1")
    assert Job.objects.count() == 1


def test_a_key_belongs_to_its_owner(owner: User) -> None:
    submission = Submission(job_type="sdxl_image_fast", prompt="a lighthouse")
    mine = submit(owner_id=owner.pk, submission=submission, idempotency_key="k1")
    theirs = submit(owner_id=make_user().pk, submission=submission, idempotency_key="k1")
    assert mine != theirs


def test_without_a_key_nothing_is_remembered(owner: User) -> None:
    assert make_job(owner) != make_job(owner)


@pytest.mark.parametrize("key", ["x" * 201, "a\0b", "a\nb", "\ud800"])
def test_a_key_that_cannot_be_stored_is_refused(owner: User, key: str) -> None:
    """PostgreSQL answered a long one with a DataError and a NUL with a ValueError."""
    submission = Submission(job_type="sdxl_image_fast", prompt="a lighthouse")
    with pytest.raises(InvalidSubmission) as refusal:
        submit(owner_id=owner.pk, submission=submission, idempotency_key=key)
    assert list(refusal.value.errors) == ["idempotency_key"]
    assert not Job.objects.exists()


def test_the_last_place_is_given_once_and_its_key_still_answers(owner: User, settings: LazySettings) -> None:
    """pitfall 34"""
    settings.MAX_ACTIVE_JOBS = 1
    submission = Submission(job_type="sdxl_image_fast", prompt="a lighthouse")
    first = submit(owner_id=owner.pk, submission=submission, idempotency_key="k1")
    assert submit(owner_id=owner.pk, submission=submission, idempotency_key="k1") == first
    with pytest.raises(OverLimit):
        submit(owner_id=owner.pk, submission=submission, idempotency_key="k2")
    assert Job.objects.count() == 1


def test_a_default_project_is_made_once(owner: User) -> None:
    make_job(owner)
    make_job(owner)
    assert Project.objects.filter(owner=owner).count() == 1


@pytest.mark.parametrize("kind", JOB_TYPES.values(), ids=lambda kind: kind.name)
def test_every_size_is_one_that_its_models_make(kind: JobType) -> None:
    """Else a pipeline cuts it to the next one, and the picture is not what was asked for."""
    step = 32 if kind.engine == Engine.WAN else 8
    assert {side % step for size in kind.sizes.values() for side in size} == {0}
