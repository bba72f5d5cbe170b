"""Reference images: kept as they came, never ignored, there for as long as a job may need them."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image as Picture

from generation.assets.canonical_references import UnusableReference
from generation.assets.references import (
    OverReferenceQuota,
    ReferenceInUse,
    leased_reference,
)
from generation.catalog.job_types import JOB_TYPES, POOLS
from generation.catalog.submission import InvalidSubmission, ReferenceInput, Submission
from generation.core.errors import IdempotencyKeyReused, ReferencesGone
from generation.jobs.lease import lease, offered_pools, release
from generation.maintenance import cleanup
from generation.models import Job, JobReference, Reference, Worker
from generation.queue.estimates import queue_positions
from tests import acting
from tests.acting import cancel, delete_reference, retry, submit, upload_reference
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    fresh,
    make_job,
    make_reference,
    make_user,
    png,
)
from tests.generation.pictures import encoded, plain, png_that_claims
from tests.generation.side import in_thread, together


def stored() -> list[str]:
    root = Path(default_storage.location)  # type: ignore[attr-defined] # files on disk, in the tests
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def read(file: Any) -> bytes:
    with file.open() as content:
        return bytes(content.read())


def by(owner: User, *types: str, **more: Any) -> list[ReferenceInput]:
    return [ReferenceInput(type=type_, reference=make_reference(owner).pk, **more) for type_ in types]


def refused(owner: User, *references: ReferenceInput, job_type: str = "sdxl_image_fast") -> str:
    """Why the submission was refused; nothing may have been written."""
    with pytest.raises(InvalidSubmission) as refusal:
        make_job(owner, job_type, references=references)
    assert not Job.objects.exists()
    assert list(refusal.value.errors) == ["references"]
    return refusal.value.errors["references"]


# Uploading


@pytest.mark.parametrize(
    ("kind", "content_type", "ending"),
    [("PNG", "image/png", ".png"), ("JPEG", "image/jpeg", ".jpg"), ("WEBP", "image/jpeg", ".jpg")],
)
def test_what_is_kept_is_named_and_counted_by_what_it_is(
    owner: User, kind: str, content_type: str, ending: str
) -> None:
    """pitfall 21: it is not the bytes that came, and the digest of those still finds it."""
    content = encoded(plain(80, 60), kind)

    kept = make_reference(owner, content)

    assert (kept.width, kept.height, kept.byte_size) == (80, 60, len(read(kept.file)))
    assert (kept.content_type, kept.file.name[-len(ending) :]) == (content_type, ending)
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert kept.canonical_sha256 == hashlib.sha256(read(kept.file)).hexdigest()
    with Picture.open(io.BytesIO(read(kept.thumbnail))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (80, 60))


def test_a_photo_taken_sideways_is_measured_and_shown_upright(owner: User) -> None:
    turned = Picture.Exif()
    turned[0x0112] = 6
    kept = make_reference(owner, encoded(plain(80, 60), "JPEG", exif=turned))
    assert (kept.width, kept.height) == (60, 80)
    with Picture.open(io.BytesIO(read(kept.thumbnail))) as thumbnail:
        assert thumbnail.size == (60, 80)


def test_the_same_bytes_are_kept_once_for_each_owner(owner: User) -> None:
    first, again = make_reference(owner, png()), make_reference(owner, png())
    other = make_reference(make_user(), png())
    assert first.pk == again.pk != other.pk
    assert len(stored()) == 4


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", png()[:-20], png_that_claims(50_000, 50_000), b"<svg/>"],
    ids=["empty", "gif", "cut", "huge", "svg"],
)
def test_what_is_no_picture_is_refused_in_words_and_leaves_nothing(owner: User, content: bytes) -> None:
    with pytest.raises(UnusableReference) as refusal:
        upload_reference(owner_id=owner.pk, content=io.BytesIO(content))
    assert refusal.value.message.endswith(".")
    assert not Reference.objects.exists()
    assert stored() == []


def test_no_more_is_kept_than_the_quota_allows(owner: User, settings: LazySettings) -> None:
    """pitfall 34; a tiny one counts 64 KiB, so that their number is bounded too."""
    settings.REFERENCE_QUOTA_BYTES = 2 * 64 * 1024
    make_reference(owner, png(shade=1))
    make_reference(owner, png(shade=2))
    with pytest.raises(OverReferenceQuota):
        make_reference(owner, png(shade=3))
    assert len(stored()) == 4
    make_reference(owner, png(shade=2))  # the same again takes no room
    make_reference(make_user(), png(shade=3))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_same_picture_sent_eight_times_at_once_is_kept_once() -> None:
    owner = make_user()
    kept = together([lambda: make_reference(owner, png(shade=77)).pk] * 8)
    assert len(set(kept)) == 1
    assert Reference.objects.count() == 1
    assert len(stored()) == 2


# Submitting

USABLE = [
    (name, types) for name, job_type in JOB_TYPES.items() for types in job_type.reference_sets() if types
]


@pytest.mark.parametrize(("job_type", "types"), USABLE)
def test_each_usable_set_of_references_has_its_pool(owner: User, job_type: str, types: list[str]) -> None:
    """Decided at submission, with the types in one order whatever order they came in."""
    job = make_job(owner, job_type, references=by(owner, *reversed(types)))
    assert job.pool == "+".join([job_type, *sorted(types)])
    assert job.pool in POOLS
    assert {each.type for each in job.references.all()} == set(types)


@pytest.mark.parametrize(
    ("job_type", "types", "says"),
    [
        ("sdxl_image_fast", ["start_frame"], "SDXL fast cannot use a start frame reference"),
        ("video_fast", ["style"], "WAN video fast cannot use a style reference"),
        ("image_fast", ["style"], "WAN image fast cannot use reference images."),
        ("image7b_high_enhanced", ["start_frame"], "cannot use reference images."),
        ("video_high", ["end_frame"], "An end frame needs a start frame too."),
        ("sdxl_image_fast", ["style", "style"], "Each type of reference can be used once."),
        ("sdxl_image_fast", ["mood"], "There is no type of reference “mood”"),
    ],
)
def test_what_a_job_type_cannot_use_is_refused_never_ignored(
    owner: User, job_type: str, types: list[str], says: str
) -> None:
    """pitfall 19, pitfall 31"""
    assert says in refused(owner, *by(owner, *types), job_type=job_type)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_removal_waits_for_a_submission_that_is_being_written() -> None:
    """pitfall 19"""
    picture = make_reference(owner := make_user())
    asked = ReferenceInput(type="style", reference=picture.pk)
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        make_job(owner, references=[asked])
        removing = other.submit(in_thread, partial(removed_by_its_owner, picture))
        with pytest.raises(TimeoutError):
            removing.result(timeout=0.5)
    assert removing.result(timeout=20) is False
    assert JobReference.objects.get().reference == picture


def removed_by_its_owner(picture: Reference) -> bool:
    try:
        return delete_reference(owner_id=picture.owner_id, reference_id=picture.pk)
    except ReferenceInUse:
        return False


def removed_with_age(picture: Reference) -> bool:
    return cleanup.delete_old_references() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("removed_by", [removed_by_its_owner, removed_with_age])
def test_a_picture_named_while_it_is_being_removed_is_kept_or_the_job_refused(
    removed_by: Callable[[Reference], bool],
) -> None:
    """pitfall 10, pitfall 19: never a job whose picture is gone."""
    owner = make_user()
    for shade in range(12):
        picture = make_reference(owner, png(shade=shade))
        asked = ReferenceInput(type="style", reference=picture.pk)
        forgotten(days=99)

        def submit_one(asked: ReferenceInput = asked) -> bool:
            try:
                make_job(owner, references=[asked])
            except InvalidSubmission:
                return False
            return True

        works: list[Callable[[], bool]] = [submit_one, partial(removed_by, picture)]
        is_made, is_removed = together(works)
        assert is_made == (not is_removed)
    assert not JobReference.objects.filter(reference=None).exists()
    assert len(stored()) == 2 * Reference.objects.count()


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_strength_outside_its_range_is_refused(owner: User, strength: float) -> None:
    assert refused(owner, *by(owner, "style", strength=strength)) == "A strength is a number from 0 to 1."


@pytest.mark.parametrize(("strength", "kept"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25), (None, 0.6)])
def test_the_strength_is_kept_as_asked_and_zero_is_one(
    owner: User, strength: float | None, kept: float
) -> None:
    job = make_job(owner, references=by(owner, "style", strength=strength))
    assert [each.strength for each in job.references.all()] == [kept]


def test_a_reference_names_exactly_one_picture(owner: User) -> None:
    both = ReferenceInput(type="style", reference=uuid.uuid4(), image=uuid.uuid4())
    assert refused(owner, both) == refused(owner, ReferenceInput(type="style"))


def test_strangers_pictures_are_as_unknown_as_none(owner: User, worker: Worker) -> None:
    stranger = make_user()
    job = make_job(stranger)
    [image] = complete(job, worker)
    Job.objects.filter(pk=job.pk).update(owner=stranger)
    nothing = {
        _refusal(owner, reference=make_reference(stranger).pk),
        _refusal(owner, reference=uuid.uuid4()),
        _refusal(owner, image=image.pk),
        _refusal(owner, image=uuid.uuid4()),
    }
    assert len(nothing) == 1
    assert not Job.objects.of(owner.pk).exists()


def _refusal(owner: User, *, reference: uuid.UUID | None = None, image: uuid.UUID | None = None) -> str:
    asked = ReferenceInput(type="style", reference=reference, image=image)
    with pytest.raises(InvalidSubmission) as refusal:
        make_job(owner, references=[asked])
    return refusal.value.errors["references"]


def test_an_image_without_a_result_or_in_the_trash_is_unknown_too(owner: User, worker: Worker) -> None:
    waiting = make_job(owner).slots[0]
    _refusal(owner, image=waiting.pk)
    [image] = complete(fresh(waiting.job), worker)
    acting.discard(owner_id=owner.pk, assets=[image.pk])
    _refusal(owner, image=image.pk)
    assert not Reference.objects.exists()


def test_submitting_costs_the_same_queries_for_one_and_for_three(owner: User, worker: Worker) -> None:
    types = ["style", "composition", "character"]
    images = complete(make_job(owner, quantity=3), worker)
    make_job(owner)  # one is waiting: the head of an empty queue is another question

    def cost(asked: list[ReferenceInput]) -> int:
        with CaptureQueriesContext(connection) as queries:
            make_job(owner, references=asked)
        return len(queries)

    assert cost(by(owner, *types[:1])) == cost(by(owner, *types))
    chosen = [ReferenceInput(type=type_, image=image.pk) for type_, image in zip(types, images, strict=True)]
    assert cost(chosen[:1]) == cost(chosen[1:])


def test_the_same_key_with_other_references_is_another_submission(owner: User) -> None:
    asked = by(owner, "style")
    submission = Submission(job_type="sdxl_image_fast", prompt="a heron", references=asked)
    first = submit(owner_id=owner.pk, submission=submission, idempotency_key="k")
    assert submit(owner_id=owner.pk, submission=submission, idempotency_key="k").pk == first.pk
    plain_one = Submission(job_type="sdxl_image_fast", prompt="a heron")
    with pytest.raises(IdempotencyKeyReused):
        submit(owner_id=owner.pk, submission=plain_one, idempotency_key="k")
    assert JobReference.objects.count() == 1


# The queue


def test_only_a_worker_that_names_the_pool_gets_the_job(owner: User, worker: Worker) -> None:
    """pitfall 19: one that cannot use the reference never sees the job."""
    job = make_job(owner, references=by(owner, "style"))
    assert lease(worker=worker, engines=["sdxl", "wan"]) is None
    assert lease(worker=worker, engines=["sdxl", "wan"], pools=["sdxl_image_fast+composition"]) is None
    assert lease(worker=worker, engines=["wan"], pools=[job.pool]) is None, "not its engine"
    held = lease(worker=worker, engines=["sdxl"], pools=["sdxl_image_fast", job.pool])
    assert held is not None
    assert held.pk == job.pk


def test_of_what_a_worker_names_only_pools_that_there_are_count(worker: Worker) -> None:
    named = ["sdxl_image_fast+style", "sdxl_image_fast+mood", "x", "style", "video_fast+end_frame", "+"]
    assert offered_pools(worker, ["sdxl", "wan"], named * 20) == ["sdxl_image_fast+style"]
    assert offered_pools(worker, ["sdxl", "wan"], []) == list(JOB_TYPES)
    assert offered_pools(worker, ["sdxl", "wan"], list(POOLS)) == list(POOLS)


def test_a_job_that_no_worker_can_do_keeps_nobody_waiting(owner: User, worker: Worker) -> None:
    stuck = make_job(owner, references=by(owner, "character"))
    first, second = make_job(owner), make_job(owner)
    jobs = [stuck, first, second]
    assert [queue_positions(jobs)[job.pk].position for job in jobs] == [1, 2, 3], "nobody is there at all"
    Worker.objects.filter(pk=worker.pk).update(pools=["sdxl_image_fast"], last_seen_at=timezone.now())
    found = queue_positions(jobs)
    assert [found[job.pk].served for job in jobs] == [False, True, True]
    assert [found[job.pk].position for job in jobs] == [1, 1, 2]
    assert found[first.pk].starts_in == 0


def test_a_retry_keeps_the_jobs_references(owner: User, worker: Worker) -> None:
    job = make_job(owner, references=by(owner, "style", strength=0.3))
    held = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    call_back(held, failed(held, 0))
    retry(owner_id=owner.pk, job_id=job.pk)
    again = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    assert again is not None
    assert again.attempt == 2
    assert [(each.type, each.strength) for each in again.references.all()] == [("style", 0.3)]


def test_only_the_worker_that_holds_the_job_reads_its_references(owner: User, worker: Worker) -> None:
    asked = by(owner, "style")
    job = make_job(owner, references=asked)

    def given(by_worker: Worker = worker, type_: str = "style") -> Reference | None:
        return leased_reference(worker=by_worker, job_id=job.pk, type_=type_)

    assert given() is None, "not leased yet"
    held = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    assert given().pk == asked[0].reference
    assert given(type_="composition") is None
    assert given(Worker.objects.create(name="another", engines=["sdxl"])) is None
    release(worker=worker, job_id=job.pk, lease_token=held.lease_token)
    assert given() is None, "given back"


# Keeping


def test_an_image_purged_from_the_trash_is_still_there_for_the_job_that_uses_it(
    owner: User, worker: Worker, settings: LazySettings
) -> None:
    """pitfall 10, pitfall 19"""
    [image] = complete(make_job(owner), worker)
    job = make_job(owner, references=[ReferenceInput(type="style", image=image.pk)])
    acting.discard(owner_id=owner.pk, assets=[image.pk])
    settings.TRASH_DAYS = -1
    assert cleanup.purge_trash() == 1
    [used] = job.references.all()
    assert read(used.reference.file) == png(shade=0)
    assert read(used.reference.thumbnail)
    assert (used.reference.width, used.reference.height) == (64, 64)


def test_one_image_is_copied_once_however_often_it_is_used(owner: User, worker: Worker) -> None:
    [image] = complete(make_job(owner), worker)
    for type_ in ("style", "composition"):
        make_job(owner, references=[ReferenceInput(type=type_, image=image.pk)])
    assert Reference.objects.count() == 1


def test_an_image_too_large_for_a_reference_is_refused_in_words(
    owner: User, worker: Worker, settings: LazySettings
) -> None:
    [image] = complete(make_job(owner), worker)
    settings.MAX_REFERENCE_BYTES = 10
    assert "a reference has at most" in _refusal(owner, image=image.pk)


def forgotten(**days: float) -> None:
    Reference.objects.update(used_at=timezone.now() - timedelta(**days))


def test_what_nobody_used_for_long_is_removed_row_and_files(
    owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    """pitfall 10, pitfall 35"""
    make_reference(owner)
    forgotten(days=29)
    assert cleanup.delete_old_references() == 0
    forgotten(days=31)
    with django_capture_on_commit_callbacks(execute=True):
        assert cleanup.delete_old_references() == 1
    assert not Reference.objects.exists()
    assert stored() == []


def test_a_job_keeps_its_reference_while_it_waits_and_runs(owner: User, worker: Worker) -> None:
    """Of one that has ended the history stays."""
    job = make_job(owner, references=by(owner, "style"))

    def is_kept() -> bool:
        forgotten(days=99)
        return cleanup.delete_old_references() == 0

    assert is_kept(), "queued"
    held = lease(worker=worker, engines=["sdxl"], pools=[job.pool])
    assert is_kept(), "in work"
    call_back(held, completed(held, 0))
    assert not is_kept(), "completed"
    assert [(each.type, each.reference) for each in job.references.all()] == [("style", None)]


def test_a_job_whose_reference_was_removed_is_not_retried_without_it(owner: User) -> None:
    """pitfall 19. A retry in time makes it young again."""
    job = make_job(owner, references=by(owner, "style"))
    cancel(owner_id=owner.pk, job_id=job.pk)
    forgotten(days=29)
    retry(owner_id=owner.pk, job_id=job.pk)
    cancel(owner_id=owner.pk, job_id=job.pk)
    assert cleanup.delete_old_references() == 0
    forgotten(days=31)
    assert cleanup.delete_old_references() == 1
    with pytest.raises(ReferencesGone, match="was removed"):
        retry(owner_id=owner.pk, job_id=job.pk)
    assert fresh(job).status == "cancelled"


def test_a_picture_of_too_many_pixels_a_side_is_refused(owner: User) -> None:
    with pytest.raises(UnusableReference, match="6144 px"):
        upload_reference(owner_id=owner.pk, content=io.BytesIO(png(width=6145, height=8)))


def test_a_submission_makes_its_reference_young_again(owner: User) -> None:
    asked = by(owner, "style")
    forgotten(days=99)
    job = make_job(owner, references=asked)
    Job.objects.filter(pk=job.pk).update(status="completed", finished_at=timezone.now())
    assert cleanup.delete_old_references() == 0


def test_the_comparison_of_rows_and_files_knows_references(
    owner: User, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pitfall 10"""
    monkeypatch.setattr(cleanup, "ORPHAN_AGE_HOURS", -1)
    lost, kept = make_reference(owner), make_reference(owner)
    default_storage.delete(lost.file.name)
    default_storage.save(f"references-{owner.pk}/nobody.png", io.BytesIO(b"x"))
    default_storage.save("references-x/nobody.png", io.BytesIO(b"x"))
    with pytest.raises(SystemExit):  # a lost file is not mended
        call_command("check_consistency", "--fix")
    out = capsys.readouterr().out
    assert f"  reference {lost.pk}\n" in out
    assert str(kept.pk) not in out
    assert "files_without_row: 2" in out
    assert len(stored()) == 3
