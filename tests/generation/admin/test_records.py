"""What the admin shows: every page opens, lists cost the same however long, nothing is written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.catalog.submission import ReferenceInput
from generation.models import (
    Attempt,
    Image,
    Job,
    OutboxEvent,
    PersonalToken,
    Project,
    UserQuota,
    Video,
    Worker,
    WorkerToken,
)
from tests.acting import create_project, issue_personal_token, issue_worker_token
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    lease_next,
    make_job,
    make_reference,
    make_user,
    make_worker,
)

MODELS = [Job, Image, Video, Worker, WorkerToken, PersonalToken, Project, Attempt, UserQuota, OutboxEvent]
RECORDS = [Job, Image, Video, WorkerToken, PersonalToken, Project, Attempt, OutboxEvent]


@pytest.fixture
def staff_user(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff_user", password="a good long password"))
    return client


def list_of(model: Any, query: str = "") -> str:
    return reverse(f"admin:generation_{model._meta.model_name}_changelist") + query


def page_of(row: Any) -> str:
    return reverse(f"admin:generation_{row._meta.model_name}_change", args=[row.pk])


def some_of_everything() -> User:
    owner = make_user()
    worker = make_worker()
    issue_worker_token(worker)
    issue_personal_token(owner_id=owner.pk, name="script")
    UserQuota.objects.create(owner=owner, active_jobs=50)
    make_job(owner, quantity=6)
    complete(Job.objects.get(owner=owner), worker)
    make_job(owner, "video_fast")
    complete(Job.objects.get(owner=owner, media="video"), worker)
    return owner


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_list_and_every_page_opens(staff_user: Client, model: Any) -> None:
    some_of_everything()

    assert staff_user.get(list_of(model)).status_code == 200
    assert staff_user.get(page_of(model.objects.all()[0])).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_costs_the_same_queries_however_long(staff_user: Client, model: Any) -> None:
    counts = []
    for more in (1, 4):
        for _ in range(more):
            some_of_everything()
        with CaptureQueriesContext(connection) as queries:
            staff_user.get(list_of(model))
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__name__)
def test_records_are_neither_added_nor_deleted(staff_user: Client, model: Any) -> None:
    """pitfall 7, pitfall 10: rows and files go together, by the purge, never by hand."""
    some_of_everything()
    row = model.objects.all()[0]

    assert staff_user.get(reverse(f"admin:generation_{model._meta.model_name}_add")).status_code == 403
    delete = reverse(f"admin:generation_{model._meta.model_name}_delete", args=[row.pk])
    assert staff_user.post(delete, {"post": "yes"}).status_code == 403
    assert "delete_selected" not in staff_user.get(list_of(model)).content.decode()


def test_a_posted_state_is_not_taken(staff_user: Client) -> None:
    """pitfall 33"""
    job = make_job(make_user())
    before = Job.objects.values().get()

    staff_user.post(page_of(job), {"status": "completed", "prompt": "other", "owner": "1", "priority": "9"})

    assert Job.objects.values().get() == before


def test_a_jobs_history_says_who_had_it_and_what_came_back(staff_user: Client) -> None:
    job = make_job(make_user(), quantity=3)
    leased = lease_next(make_worker("gpu-one"))
    call_back(
        leased, completed(leased, 0), failed(leased, 1, code="out_of_memory"), error_message="It ran hot."
    )

    page = staff_user.get(page_of(job)).content.decode()

    for word in ("gpu-one", "Reported", "out_of_memory", "It ran hot."):
        assert word in page


@pytest.mark.parametrize("model", [Job, Image], ids=lambda model: model.__name__)
def test_records_are_found_by_id_prompt_and_owner(staff_user: Client, model: Any) -> None:
    wanted = make_job(make_user("ada"), prompt="a lighthouse at dusk")
    make_job(make_user("bob"), prompt="a cat")
    row = wanted if model is Job else wanted.slots[0]

    for query in (str(row.pk), "lighthouse", "ada"):
        page = staff_user.get(list_of(model, f"?q={query}"))
        assert [found.pk for found in page.context["cl"].queryset] == [row.pk]
    assert not staff_user.get(list_of(model, "?q=nothing-like-it")).context["cl"].queryset


@pytest.mark.parametrize("model", [Job, Image], ids=lambda model: model.__name__)
@pytest.mark.parametrize("query", ["МОСКВА снегу", "cafe москва", "CAFÉ"])
def test_prompts_are_found_whatever_their_case_and_accents(
    staff_user: Client, model: Any, query: str
) -> None:
    wanted = make_job(make_user(), prompt="a cafe\u0301, Москва в снегу", quantity=3)
    make_job(make_user(), prompt="Москва")
    rows = [wanted] if model is Job else wanted.slots

    page = staff_user.get(list_of(model), {"q": query})

    assert {found.pk for found in page.context["cl"].queryset} == {row.pk for row in rows}
    assert len(page.context["cl"].queryset) == len(rows)


def test_a_project_is_found_and_renamed_by_its_folded_name(staff_user: Client) -> None:
    owner = make_user()
    project = create_project(owner_id=owner.pk, name="Москва")
    create_project(owner_id=owner.pk, name="Roads")
    page = staff_user.get(list_of(Project), {"q": "МОСК"})
    assert list(page.context["cl"].queryset) == [project]

    refused = staff_user.post(page_of(project), {"name": "ROADS"})
    assert "already has a project of that name" in refused.content.decode()
    refused = staff_user.post(page_of(project), {"name": "Ca\x07fé"})
    assert "U+0007 at line 1, column 3" in refused.content.decode()
    staff_user.post(page_of(project), {"name": " Cafe\u0301\xa0Nord "})
    renamed = Project.objects.get(pk=project.pk)
    assert (renamed.name, renamed.folded_name) == ("Cafe\u0301 Nord", "café nord")


@pytest.mark.parametrize(
    "query", ["status__exact=queued", "engine__exact=sdxl", "job_type__exact=sdxl_image_fast"]
)
def test_jobs_are_filtered(staff_user: Client, query: str) -> None:
    wanted = make_job(make_user())
    complete(make_job(make_user(), "video_fast"), make_worker(engines=["wan"]))

    page = staff_user.get(list_of(Job, f"?{query}"))

    assert [job.pk for job in page.context["cl"].queryset] == [wanted.pk]


def test_files_are_not_shown_to_the_boss(staff_user: Client) -> None:
    """A picture is its owner's alone."""
    (image,) = complete(make_job(make_user()))

    page = staff_user.get(page_of(Image.objects.get(pk=image.pk))).content.decode()

    assert str(image.file) not in page
    assert str(image.thumbnail) not in page


def test_a_job_shows_its_references_and_not_the_image(staff_user: Client) -> None:
    owner = make_user()
    picture = make_reference(owner)
    job = make_job(owner, references=[ReferenceInput(type="style", strength=0.3, reference=picture.pk)])

    page = staff_user.get(page_of(job)).content.decode()

    assert f"reference {picture.pk}" in page
    assert "Style" in page
    assert picture.file.name not in page
    assert "references" not in staff_user.get(page_of(make_job(owner))).content.decode()


def test_no_token_and_no_hash_is_ever_shown(staff_user: Client) -> None:
    raw = issue_worker_token(make_worker())
    token = WorkerToken.objects.get()

    for url in (list_of(WorkerToken), page_of(token), page_of(token.worker)):
        page = staff_user.get(url).content.decode()
        assert raw not in page
        assert token.digest not in page


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_people_have_no_admin(db: None, model: Any) -> None:
    client = Client()
    client.force_login(make_user())

    assert client.get(list_of(model)).status_code == 302


def test_the_site_is_ours() -> None:
    assert admin.site.site_header == "OurVidz"
