"""The rules are in the database: whoever writes past the lifecycle is refused by it."""

from __future__ import annotations

import uuid
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.utils import timezone

from generation.catalog.submission import ReferenceInput
from generation.models import (
    Asset,
    Attempt,
    Image,
    Job,
    JobReference,
    OwnerCounter,
    PersonalToken,
    Preview,
    Project,
    Tombstone,
    Upload,
    Worker,
    WorkerSpeed,
)
from tests.factories import call_back, completed, lease_next, make_job, make_reference, upload

NOW = timezone.now()


@pytest.fixture
def waiting(owner: User) -> Job:
    return make_job(owner, quantity=3)


@pytest.fixture
def running(owner: User, worker: Worker) -> Job:
    make_job(owner, quantity=3)
    return lease_next(worker)


@pytest.fixture
def image(running: Job) -> Image:
    """A completed one, its job still running."""
    call_back(running, completed(running, 0), status="processing")
    return Image.objects.get(job=running, image_index=0)


def refused(row: models.Model, **values: object) -> None:
    """Writing these values by hand breaks a rule."""
    with pytest.raises(IntegrityError), transaction.atomic():
        type(row)._base_manager.filter(pk=row.pk).update(**values)


def refused_copy(row: models.Model, **values: object) -> None:
    """A second row like this one, but for these values, breaks a rule."""
    fields = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if not f.primary_key}
    with pytest.raises(IntegrityError), transaction.atomic():
        type(row)._base_manager.create(**fields | values)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "done"},
        {"status": "processing"},
        {"status": "completed"},
        {"status": "cancelled"},
        {"lease_expires_at": NOW},
        {"finished_at": NOW},
        {"engine": "flux"},
        {"media": "sound"},
        {"job_type": "sdxl"},
        {"prompt": ""},
        {"quantity": 0},
        {"quantity": 2},
        {"quantity": 7},
        {"seed": -1},
        {"progress": 101},
        {"progress": -1},
        {"current_slot": 3},
        {"current_slot": -1},
        {"engine": "wan"},
        {"media": "video"},
        {"attempt": -1},
        {"attempts_left": -1},
        {"owner_id": None},
        {"project_id": None},
    ],
    ids=str,
)
def test_an_impossible_waiting_job(waiting: Job, values: dict[str, object]) -> None:
    """pitfall 11, pitfall 33"""
    refused(waiting, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"lease_expires_at": None},
        {"lease_token": None},
        {"leased_by": None},
        {"status": "queued"},
        {"status": "failed", "lease_expires_at": None},
        {"retry_at": NOW},
        {"held_at": NOW},
        {"finished_at": NOW},
    ],
    ids=str,
)
def test_an_impossible_running_job(running: Job, values: dict[str, object]) -> None:
    refused(running, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "cancelled", "finished_at": NOW},
        {"status": "queued", "retry_at": NOW},
        {"status": "partial", "finished_at": NOW},
    ],
    ids=str,
)
def test_every_state_of_the_design_is_allowed(waiting: Job, values: dict[str, object]) -> None:
    """pitfall 11"""
    assert Job.objects.filter(pk=waiting.pk).update(**values) == 1


def test_a_key_is_once_for_each_owner(waiting: Job) -> None:
    Job.objects.filter(pk=waiting.pk).update(idempotency_key="k")
    waiting.refresh_from_db()
    refused_copy(waiting)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "done"},
        {"status": "completed"},
        {"seed": -1},
        {"rating": 6},
        {"rating": -1},
        {"file": "x.png"},
        {"sha256": "abc"},
        {"saved_at": NOW},
        {"trashed_at": NOW},
        {"completed_at": NOW},
        {"image_index": -1},
        {"media": "sound"},
        {"duration": 5.0},
        {"frames": 81},
    ],
    ids=str,
)
def test_an_impossible_open_slot(waiting: Job, values: dict[str, object]) -> None:
    """pitfall 5, pitfall 11"""
    refused(waiting.slots[0], **values)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "queued"},
        {"status": "failed"},
        {"file": ""},
        {"thumbnail": ""},
        {"content_type": ""},
        {"sha256": ""},
        {"byte_size": None},
        {"width": None},
        {"height": None},
        {"completed_at": None},
    ],
    ids=str,
)
def test_an_impossible_completed_slot(image: Image, values: dict[str, object]) -> None:
    """pitfall 10: a completed row has its file."""
    refused(image, **values)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_every_end_of_a_slot_is_allowed(waiting: Job, status: str) -> None:
    """pitfall 11"""
    assert Image.objects.filter(job=waiting).update(status=status) == 3


def test_a_slot_is_once_in_its_job(waiting: Job) -> None:
    """pitfall 1, pitfall 15"""
    refused_copy(waiting.slots[0])
    refused(waiting.slots[0], image_index=1)


def test_a_wan_job_has_one_image(owner: User) -> None:
    refused_copy(make_job(owner, "image_fast").slots[0])


def test_a_job_has_one_video(owner: User) -> None:
    video = make_job(owner, "video_fast").slots[0]
    refused_copy(video)
    refused(video, image_index=0)
    for values in ({"seed": -1}, {"rating": 6}, {"status": "completed"}, {"status": "x"}, {"saved_at": NOW}):
        refused(video, **values)


def test_a_job_with_records_cannot_be_deleted(waiting: Job) -> None:
    """pitfall 7: nothing cascades."""
    with pytest.raises(models.ProtectedError):
        Job.objects.filter(pk=waiting.pk).delete()
    with pytest.raises(models.ProtectedError):
        waiting.owner.delete()
    Image.objects.filter(pk=waiting.slots[0].pk).delete()
    assert Image.objects.filter(job=waiting).count() == 2


def test_an_attempt_is_whole_and_only_one_runs(running: Job) -> None:
    attempt = Attempt.objects.get(job=running)
    for values in (
        {"outcome": "lost"},
        {"outcome": "expired"},
        {"ended_at": NOW},
        {"number": -1},
    ):
        refused(attempt, **values)
    refused_copy(attempt, lease_token=uuid.uuid4(), ended_at=NOW, outcome="expired")
    refused_copy(attempt, lease_token=uuid.uuid4(), number=2)
    refused_copy(attempt, number=2, ended_at=NOW, outcome="expired")


def test_an_upload_has_a_file_or_an_error_and_is_kept_once(running: Job) -> None:
    kept = upload(running)
    refused(kept, file="")
    refused(kept, error_code="broken_media")
    refused_copy(kept)


def test_a_slot_has_one_preview(running: Job) -> None:
    kept = {"job": running, "slot": 0, "lease_token": running.lease_token}
    preview = Preview.objects.create(**kept, picture=b"x", version="1", stored_at=NOW)
    refused_copy(preview)
    refused(preview, version="")


def test_the_small_tables_keep_their_rules(owner: User, worker: Worker, waiting: Job) -> None:
    project = Project.objects.get(owner=owner)
    refused(project, name="")
    refused_copy(project)
    refused_copy(project, name="Other")  # a second default
    refused(worker, name="")
    refused_copy(worker)
    counter = OwnerCounter.objects.get(pk=owner.pk)
    refused(counter, oldest_revision=F("revision") + 1)
    refused(counter, oldest_revision=-1)
    pace = WorkerSpeed.objects.create(worker=worker, job_type="image_fast", seconds=1)
    refused(pace, seconds=0)
    refused(pace, samples=0)
    refused(pace, benchmark=0)
    refused_copy(pace)
    token = PersonalToken.objects.create(owner=owner, name="x", digest="d", hint="h", expires_at=NOW)
    refused(token, name="")
    note = Tombstone(
        asset_id=uuid.uuid4(), owner=owner, job_id=waiting.pk, media="image", purged_at=NOW, revision=1
    )
    note.save()
    refused(note, media="sound")


def test_no_table_has_two_rules_of_one_name() -> None:
    names = [c.name for model in (Job, Asset, Attempt, Upload) for c in model._meta.constraints]
    names += [i.name for model in (Job, Asset, Attempt, Upload) for i in model._meta.indexes]
    assert len(names) == len(set(names))


@pytest.mark.postgres
def test_the_look_up_of_the_callback_is_a_unique_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'generation_asset'")
        indexes = [row[0] for row in cursor.fetchall()]
    assert any("UNIQUE" in index and index.endswith("(job_id, image_index)") for index in indexes)


@pytest.mark.postgres
def test_the_claim_is_one_index_probe(owner: User) -> None:
    for _ in range(40):
        make_job(owner)
    with connection.cursor() as cursor:
        # The planner prefers to sort a few rows; what counts is that the index alone gives the order.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; ANALYZE generation_job")
        cursor.execute(
            "EXPLAIN SELECT id FROM generation_job WHERE status = 'queued' AND retry_at IS NULL"
            " AND held_at IS NULL AND pool = 'sdxl_image_fast' ORDER BY priority DESC, fair_tag, id LIMIT 1"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "job_claim" in plan
    assert "Sort" not in plan


@pytest.mark.timeout(600)  # there are many of them, each rebuilding tables
@pytest.mark.django_db(transaction=True)
def test_the_migrations_go_back_and_forth() -> None:
    tables = connection.introspection.table_names()
    call_command("migrate", "generation", "zero", stdout=StringIO())
    assert "generation_job" not in connection.introspection.table_names()
    call_command("migrate", stdout=StringIO())  # of all: others, which go back with these, refer to them
    assert connection.introspection.table_names() == tables


@pytest.fixture
def used(owner: User) -> JobReference:
    asked = ReferenceInput(type="style", reference=make_reference(owner).pk)
    return make_job(owner, references=[asked]).references.get()


def test_a_job_has_each_reference_type_once(used: JobReference) -> None:
    refused_copy(used)
    refused(used, type="mood")
    for strength in (-0.1, 1.1):
        refused(used, strength=strength)


def test_a_reference_has_its_file_and_its_bytes_once(used: JobReference) -> None:
    """pitfall 10"""
    picture = used.reference
    refused_copy(picture, id=uuid.uuid4())
    for field in ("file", "thumbnail", "content_type", "sha256"):
        refused(picture, **{field: ""})
    for field in ("byte_size", "width", "height"):
        refused(picture, **{field: 0})
