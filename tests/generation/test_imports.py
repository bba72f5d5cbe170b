"""Files of the owner's own become assets: written first, completed by their file, and never queued."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.core.errors import DomainError, ImportNotFound
from generation.core.ids import new_id
from generation.jobs.actions import retry
from generation.jobs.import_files import Duplicate, UnusableFile, receive_file
from generation.jobs.imports import ImportInput, begin_imports
from generation.jobs.lease import lease
from generation.maintenance import consistency
from generation.maintenance.cleanup import delete_unsuccessful_jobs
from generation.models import Asset, Job, OutboxEvent, UserQuota
from tests.acting import create_project, user_actor
from tests.factories import complete, fresh, make_job, make_user, make_worker, mp4, png
from tests.generation.parameter_files import INFOTEXT, mp4_with, png_with

FILE = {"name": "Ünder the\u202e sea.png", "media": "image", "modified": "2020-02-03T04:05:06+01:00"}


def begin(owner: User, *names: str, media: str = "image") -> list[Job]:
    files = [ImportInput(name=name, media=media) for name in names]
    return begin_imports(owner_id=owner.pk, actor=user_actor(owner.pk), files=files)


def send(owner: User, job: Job, content: bytes) -> Asset:
    return receive_file(
        owner_id=owner.pk, actor=user_actor(owner.pk), import_id=job.pk, content=io.BytesIO(content)
    )


def inconsistencies() -> dict[str, list[Any]]:
    return {check.name: found for check in consistency.ROWS if (found := list(check.find()))}


@pytest.fixture
def owner(db: None) -> User:
    return make_user()


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def test_a_file_becomes_an_asset_of_its_project_by_the_api(client: Client, owner: User) -> None:
    """pitfalls 1, 3 and 21: the rows are there first; what was read stands in them; nothing was invented."""
    project = create_project(owner_id=owner.pk, name="Old work")
    body = {"project": str(project.pk), "files": [FILE, {"name": "film.mp4", "media": "video"}]}
    answer = client.post("/api/v1/imports", body, content_type="application/json")
    assert answer.status_code == 201
    first, second = answer.json()["imports"]
    before = Asset.objects.get(pk=first["asset"])
    assert (before.status, before.error_code, before.seed) == ("failed", "not_arrived", None)

    content = png_with({"parameters": INFOTEXT})
    sent = client.put(f"/api/v1/imports/{first['id']}", content, content_type="image/png")
    assert sent.status_code == 200
    record = sent.json()
    assert (record["id"], record["status"], record["seed"]) == (first["asset"], "completed", 0)
    assert record["prompt"] == "a lighthouse, (stormy sea:1.2)\nwarm light"
    assert (record["width"], record["height"], record["project"]) == (64, 48, str(project.pk))
    assert record["metadata"]["file_modified"] == "2020-02-03T03:05:06+00:00"
    assert record["metadata"]["parameters"]["source"] == "AUTOMATIC1111"
    job = Job.objects.get(pk=first["id"])
    assert (job.status, job.negative_prompt) == ("completed", "blurry, text\nextra fingers")
    assert client.get(record["file"]).getvalue() == content  # kept as it is
    assert client.put(f"/api/v1/imports/{first['id']}", content, content_type="image/png").json() == record

    plain = client.put(f"/api/v1/imports/{second['id']}", mp4(), content_type="video/mp4").json()
    assert (plain["media"], plain["prompt"], plain["seed"]) == ("video", "film", None)
    assert plain["duration"] > 0
    library = client.get(f"/api/v1/assets?project={project.pk}").json()["assets"]
    assert [asset["id"] for asset in library] == [plain["id"], record["id"]]
    assert OutboxEvent.objects.filter(job_id=job.pk, payload__status="completed").count() == 1
    assert inconsistencies() == {}


def test_no_queue_and_no_page_of_work_meets_an_import(client: Client, owner: User) -> None:
    """pitfall 45. A retry would queue it for ever: the domain and the database refuse that."""
    [job] = begin(owner, "a.png")
    worker = make_worker()
    assert lease(worker=worker, engines=worker.engines) is None
    assert str(job.pk) not in client.get("/").content.decode()
    with pytest.raises(DomainError):
        retry(owner_id=owner.pk, actor=user_actor(owner.pk), job_id=job.pk)
    assert client.post(f"/api/v1/jobs/{job.pk}/retry", {}, content_type="application/json").status_code == 409
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(status="queued", finished_at=None)
    asset = send(owner, job, png())
    for page in ("/", f"/library/image/{asset.pk}/", f"/workspace/assets/image/{asset.pk}/menu",
                 f"/?from={job.pk}", f"/?recall={asset.pk}&field=all", f"/workspace/jobs/{job.pk}/menu",
                 "/api/v1/jobs", f"/api/v1/jobs/{job.pk}", "/library/"):  # fmt: skip
        assert client.get(page).status_code == 200, page
    assert client.get(f"/api/v1/jobs/{job.pk}").json()["engine"] == "import"
    changes = client.get(f"/workspace/changes?after=0&user={owner.pk}").json()
    assert [(each["id"], each["removed"]) for each in changes["jobs"]] == [(str(job.pk), True)]
    operator = Client()
    operator.force_login(User.objects.create_superuser("operator"))
    for page in (f"job/{job.pk}/change/", f"image/{asset.pk}/change/", "job/", "image/"):
        assert operator.get(f"/admin/generation/{page}").status_code == 200, page
    submitted = {"job_type": "imported", "prompt": "x"}
    assert client.post("/api/v1/jobs", submitted, content_type="application/json").status_code == 422


def test_what_breaks_off_leaves_nothing_open(owner: User) -> None:
    """pitfalls 10, 14 and 35: the file may come later; what never comes goes with the chores."""
    arrived, refused, never = begin(owner, "a.png", "b.png", "c.png")
    with pytest.raises(UnusableFile) as broken:
        send(owner, refused, png()[:-20])
    assert broken.value.code == "broken_media"
    assert fresh(refused).error_code == "broken_media"
    assert fresh(refused).assets.get().error_message == broken.value.message
    send(owner, arrived, png(shade=1))
    send(owner, refused, png(shade=2))  # now whole
    assert fresh(refused).status == "completed"
    assert inconsistencies() == {}
    old = timezone.now() - timedelta(days=settings.UNSUCCESSFUL_JOB_DAYS + 1)
    Job.objects.update(finished_at=old)
    assert delete_unsuccessful_jobs() == 1
    assert not Job.objects.filter(pk=never.pk).exists()
    with pytest.raises(ImportNotFound):
        send(owner, never, png(shade=3))
    assert Asset.objects.of(owner.pk).count() == 2


def test_a_duplicate_of_ones_own_is_said_and_not_kept(client: Client, owner: User) -> None:
    """pitfall 9: by the bytes of one owner alone."""
    first, second, third = begin(owner, "a.png", "b.png", "c.png")
    asset = send(owner, first, png())
    with pytest.raises(Duplicate) as duplicate:
        send(owner, second, png())
    assert duplicate.value.known == asset
    assert fresh(second).error_code == "duplicate"
    client.post("/library/discard", {"asset": [str(asset.pk)]})
    answer = client.put(f"/api/v1/imports/{third.pk}", png(), content_type="image/png")
    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate")
    assert "in the trash" in answer.json()["detail"]
    assert len(default_storage.listdir(str(first.pk))[1]) == 3  # two of them thumbnails
    assert not default_storage.exists(str(second.pk)) or default_storage.listdir(str(second.pk))[1] == []
    stranger = make_user("stranger")
    [theirs] = begin(stranger, "a.png")
    assert send(stranger, theirs, png()).status == "completed"
    made = complete(make_job(owner))[0]
    with made.file.open() as file, pytest.raises(Duplicate):
        send(owner, second, file.read())


def test_only_ones_own_imports_and_what_browsers_show(client: Client, owner: User) -> None:
    stranger = make_user("stranger")
    [theirs] = begin(stranger, "a.png")
    [mine] = begin(owner, "b.png")
    assert client.put(f"/api/v1/imports/{theirs.pk}", png(), content_type="image/png").status_code == 404
    assert client.put(f"/api/v1/imports/{new_id()}", png(), content_type="image/png").status_code == 404
    ordinary = make_job(owner)
    assert client.put(f"/api/v1/imports/{ordinary.pk}", png(), content_type="image/png").status_code == 404
    gif = client.put(f"/api/v1/imports/{mine.pk}", b"GIF89a" + b"\0" * 40, content_type="image/png")
    assert (gif.status_code, gif.json()["code"]) == (422, "wrong_format")
    assert "GIF" in gif.json()["detail"]
    film = client.put(f"/api/v1/imports/{mine.pk}", mp4(), content_type="image/png")
    assert film.status_code == 422
    assert client.put(f"/api/v1/imports/{mine.pk}", png(), content_type="image/gif").status_code == 415
    project = create_project(owner_id=stranger.pk, name="Theirs")
    body: dict[str, Any] = {"project": str(project.pk), "files": [FILE]}
    assert client.post("/api/v1/imports", body, content_type="application/json").status_code == 422
    for files in (
        [],
        [FILE] * 101,
        [FILE | {"name": "\0"}],
        [FILE | {"media": "sound"}],
        [FILE | {"modified": "x"}],
    ):
        answer = client.post("/api/v1/imports", {"files": files}, content_type="application/json")
        assert answer.status_code == 422, files
    assert Job.objects.of(owner.pk).count() == 2


def test_a_file_that_has_no_room_is_not_kept(client: Client, owner: User) -> None:
    """pitfall 34"""
    [job] = begin(owner, "a.png")
    quota = UserQuota.objects.create(pk=owner.pk, active_jobs=5, storage_bytes=len(png()) - 1)
    answer = client.put(f"/api/v1/imports/{job.pk}", png(), content_type="image/png")
    assert (answer.status_code, answer.json()["code"]) == (429, "storage_full")
    UserQuota.objects.filter(pk=quota.pk).update(storage_bytes=len(png()))
    assert client.put(f"/api/v1/imports/{job.pk}", png(), content_type="image/png").status_code == 200
    with pytest.raises(DomainError):
        begin(owner, "b.png")


def test_the_queries_do_not_grow_with_the_files(owner: User) -> None:
    begin(owner, "warm.png")
    counts = []
    for number in (1, 20):  # as many as the page announces at once
        with CaptureQueriesContext(
            connection,
        ) as queries:
            begin(owner, *(f"{each}.png" for each in range(number)))
        counts.append(len(queries))
    # SQLite takes 999 values in a statement: 20 jobs are two of them.
    assert counts[1] <= counts[0] + (connection.vendor == "sqlite")


def test_settings_of_an_import_come_back(client: Client, owner: User) -> None:
    first, second = begin(owner, "a.mp4", "b.mp4", media="video")
    asset = send(owner, first, mp4_with({"comment": INFOTEXT}))
    other = send(owner, second, mp4())

    def recalled(asset: Asset, what: str) -> Any:
        return client.get(f"/workspace/recall/{asset.pk}?field={what}").json()

    everything = recalled(asset, "all")
    assert everything["filled"]["values"]["media"] == "video"
    assert everything["filled"]["values"]["seed"] == "0"
    assert "Steps: 20 – chosen by the quality." in everything["html"]
    assert recalled(asset, "prompt")["filled"]["values"]["negative_prompt"] == "blurry, text\nextra fingers"
    assert recalled(other, "prompt")["filled"] is None  # its name is not its prompt
    assert recalled(other, "size")["filled"]["values"] == {"aspect": ""}


def test_files_of_a_plain_form(client: Client, owner: User) -> None:
    files = [io.BytesIO(png()), io.BytesIO(png()), io.BytesIO(b"%PDF-1")]
    for number, file in enumerate(files):
        file.name = f"{number}.png"
    page = client.post("/library/import/", {"files": files, "project": ""}, follow=True).content.decode()
    assert "1 brought in." in page
    assert "1.png: The same file is there already" in page
    assert "2.png: This is a PDF document" in page
    assert client.post("/library/import/").status_code == 422
    assert client.get("/library/import/").status_code == 200
    assert Asset.objects.of(owner.pk).filter(status="completed").count() == 1
