"""Deleting an account takes everything along, and nothing of anybody else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client
from django.utils import timezone

from accounts import admin as accounts_admin
from accounts.deletion import delete_account
from generation.access.tokens import find_personal_token
from generation.assets import groupings, operations
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.catalog.submission import ReferenceInput
from generation.core.actors import SYSTEM
from generation.core.errors import JobNotFound
from generation.jobs import owner_deletion
from generation.jobs.lease import heartbeat
from generation.maintenance import cleanup, stored_files
from generation.models import (
    Action,
    Asset,
    Embedding,
    Image,
    Job,
    Preview,
    SavedSearch,
    TextEmbedding,
    Tombstone,
    UserQuota,
    Worker,
)
from tests import acting
from tests.acting import issue_personal_token
from tests.factories import (
    call_back,
    complete,
    completed,
    lease_next,
    make_job,
    make_preset,
    make_reference,
    make_user,
    make_worker,
    upload,
)
from workspace.models import ComposerSettings

PASSWORD = "a good long password"


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker()


def user_with_everything(name: str, worker: Worker, settings: LazySettings) -> User:
    """A user with something in every table."""
    user = make_user(name)
    Client().login(username=name, password=PASSWORD)
    issue_personal_token(owner_id=user.pk, name="script")
    UserQuota.objects.create(owner=user, active_jobs=7)
    make_preset(user)
    ComposerSettings.objects.create(owner=user, enter_sends=True)
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=user, content_type=kind, object_id="1", object_repr="x", action_flag=CHANGE)
    kept = complete(make_job(user, quantity=3), worker)
    complete(make_job(user, "video_fast", review=True), worker)
    (trashed,) = complete(make_job(user), worker)
    acting.discard(owner_id=user.pk, assets=[trashed.pk])
    Image.objects.filter(pk=trashed.pk).update(
        trashed_at=timezone.now() - timedelta(days=settings.TRASH_DAYS + 1)
    )
    cleanup.purge_trash()
    organise(user, kept)
    make_job(user, quantity=3)
    running = lease_next(worker)
    upload(running, 1)
    call_back(running, completed(running, 0), status="processing")
    now = {"stored_at": timezone.now(), "lease_token": running.lease_token}
    Preview.objects.create(job=running, slot=2, picture=b"webp", version="1", **now)
    style = ReferenceInput(type="style", reference=make_reference(user).pk)
    make_job(user, references=[style])
    SavedSearch.objects.create(owner=user, name="Foxes", folded_name="foxes", query="q=fox")
    Embedding.objects.create(asset=kept[0], owner=user, vector=[0.6, 0.8])
    TextEmbedding.objects.create(owner=user, text="a fox", asked_at=timezone.now(), used_at=timezone.now())
    return user


def organise(user: User, assets: list[Asset]) -> None:
    for kind, action in ((COLLECTIONS, Action.ADD_COLLECTION), (TAGS, Action.ADD_TAG)):
        group = groupings.create(kind, owner_id=user.pk, actor=SYSTEM, name="lights")
        ids = [asset.pk for asset in assets]
        value = {"group": str(group.pk)}
        operations.act(owner_id=user.pk, actor=SYSTEM, action=action, value=value, assets=ids)


def paths_to_owner() -> dict[type[models.Model], str]:
    """Every table with a user's rows, and the look-up that finds whose they are."""
    found: dict[type[models.Model], str] = {User: ""}
    waiting: list[type[models.Model]] = [User]
    while waiting:
        target = waiting.pop(0)
        for relation in target._meta.related_objects:
            model = relation.related_model
            if not relation.many_to_many and model not in found and not model._meta.proxy:
                found[model] = f"{relation.field.name}__{found[target]}".removesuffix("__")
                waiting.append(model)
    del found[User]
    return found


def rows_of(user: User) -> dict[str, int]:
    return {
        model._meta.label: model._default_manager.filter(**{path: user.pk}).count()
        for model, path in paths_to_owner().items()
    }


def files(settings: LazySettings) -> set[str]:
    root = Path(settings.MEDIA_ROOT)
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def sessions_of(user: User) -> list[Session]:
    return [one for one in Session.objects.all() if one.get_decoded().get("_auth_user_id") == str(user.pk)]


def finish(deletion: Iterator[None]) -> int:
    return sum(1 for _ in deletion)


@pytest.mark.django_db(transaction=True)
def test_nothing_of_the_user_is_left_and_all_of_another(settings: LazySettings) -> None:
    """A table with users' rows that the deletion or this test forgets fails it."""
    worker = make_worker()
    other = user_with_everything("grace", worker, settings)
    kept_files, kept_rows = files(settings), rows_of(other)
    user = user_with_everything("ada", worker, settings)
    had = rows_of(user)
    assert {label for label, number in had.items() if not number} == set()
    assert set(apps.get_app_config("generation").models) >= {"job", "upload", "tombstone"}
    assert sessions_of(user)

    finish(delete_account(user, actor=SYSTEM))

    assert not User.objects.filter(username="ada").exists()
    gone = User(pk=user.pk)
    assert set(rows_of(gone).values()) == {0}
    assert sessions_of(gone) == []
    assert files(settings) == kept_files
    assert rows_of(other) == kept_rows
    assert len(sessions_of(other)) == 1
    assert list(stored_files.rows_without_file()) == []


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_stopped_anywhere_is_taken_up_again(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_deletion, "BATCH", 1)
    user = user_with_everything("ada", make_worker(), settings)
    steps = 0
    while User.objects.filter(pk=user.pk).exists():
        deletion = delete_account(user, actor=SYSTEM)
        for _ in range(2):  # the first only shuts the user out
            next(deletion, None)
        deletion.close()
        steps += 1
        assert list(stored_files.rows_without_file()) == []
        for job in Job.objects.all():
            assert len(job.slots) == job.quantity - Tombstone.objects.filter(job_id=job.pk).count()
        assert steps < 50
    assert steps > 5
    assert [name for name in files(settings) if "/" in name] == []


def test_the_user_is_shut_out_from_the_first_moment(worker: Worker, settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user = make_user("ada")
    token = issue_personal_token(owner_id=user.pk, name="script")
    browser = Client()
    browser.force_login(user)
    job = make_job(user)

    next(delete_account(user, actor=SYSTEM))

    assert browser.get("/").status_code == 302
    assert not Client().login(username="ada", password=PASSWORD)
    assert find_personal_token(token) is None
    assert Job.objects.filter(pk=job.pk).exists(), "the rest takes its time"


def test_a_worker_with_a_job_of_the_user_hears_of_it(worker: Worker) -> None:
    user = make_user("ada")
    make_job(user)
    leased = lease_next(worker)
    held: dict[str, Any] = {"worker": worker, "job_id": leased.pk, "lease_token": leased.lease_token}
    deletion = delete_account(user, actor=SYSTEM)
    next(deletion)
    next(deletion)
    assert heartbeat(**held, progress=50, stage="denoising") == "cancel"
    finish(deletion)
    with pytest.raises(JobNotFound):
        heartbeat(**held, progress=60, stage="denoising")


def test_what_a_request_in_work_adds_meanwhile_goes_too(worker: Worker) -> None:
    user = make_user("ada")
    make_job(user)
    added = 0
    for _ in delete_account(user, actor=SYSTEM):
        if added < 2 and not Job.objects.exists():  # what lies below the jobs is next
            make_job(user)
            added += 1
    assert added == 2
    assert not User.objects.filter(username="ada").exists()
    assert not Job.objects.exists()


def test_two_deletions_of_one_account_at_once_are_one(worker: Worker) -> None:
    """As when the button is pressed twice."""
    user = make_user("ada")
    make_job(user)
    twins = [delete_account(user, actor=SYSTEM)]

    def twin_first(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "generation_job" in sql and twins:
            finish(twins.pop())
        return result

    with connection.execute_wrapper(twin_first):
        finish(delete_account(user, actor=SYSTEM))
    assert not User.objects.filter(username="ada").exists()


def test_the_command_tells_asks_and_deletes(
    db: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job(make_user("ada"))
    monkeypatch.setattr("builtins.input", lambda prompt: "grace")
    with pytest.raises(CommandError, match="Nothing was deleted"):
        call_command("delete_account", "ada")
    assert User.objects.get(username="ada").is_active
    with pytest.raises(CommandError, match="no user"):
        call_command("delete_account", "grace", "--yes")
    call_command("delete_account", "ada", "--yes")
    told = capsys.readouterr().out
    assert "1 jobs, 1 images, 0 videos" in told
    assert "“ada” is deleted." in told
    assert not User.objects.exists()


@pytest.fixture
def staff_user(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff_user", password=PASSWORD))
    return client


def said(response: Any) -> str:
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def changelist(client: Client, *users: User, **more: str) -> Any:
    chosen = {"action": "delete_accounts", "_selected_action": [str(user.pk) for user in users]}
    return client.post("/admin/auth/user/", chosen | more)


def test_the_admin_says_in_numbers_what_goes_and_then_deletes(staff_user: Client, worker: Worker) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    complete(make_job(ada, quantity=3), worker)
    page = changelist(staff_user, ada, grace).content.decode()
    held = "1 job, 3 images, 0 videos, 0 reference images, 1 project, 0 tokens"
    assert f'<strong dir="auto">ada</strong>: {held}' in page
    assert User.objects.count() == 3

    answer = changelist(staff_user, ada, grace, confirmed="1")

    assert said(answer) == "“grace” is deleted with all that was in it."
    assert [user.username for user in User.objects.all()] == ["staff_user"]
    logged = LogEntry.objects.filter(user__username="staff_user")
    assert {entry.object_repr for entry in logged} == {"ada", "grace"}


def test_the_button_of_one_user_leads_to_the_same_page(staff_user: Client, worker: Worker) -> None:
    ada = make_user("ada")
    complete(make_job(ada), worker)
    page = staff_user.get(f"/admin/auth/user/{ada.pk}/delete/")
    assert b'<strong dir="auto">ada</strong>: 1 job, 1 image,' in page.content
    answer = staff_user.post(f"/admin/auth/user/{ada.pk}/delete/", {"confirmed": "1"})
    assert said(answer) == "“ada” is deleted with all that was in it."
    assert not User.objects.filter(username="ada").exists()
    assert staff_user.get(f"/admin/auth/user/{ada.pk}/delete/").status_code == 404, "there is none any more"
    assert b"delete_selected" not in staff_user.get("/admin/auth/user/").content


def test_an_account_too_large_for_one_request_is_deleted_in_several(
    staff_user: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_admin, "WORK_SECONDS", 0.0)
    ada = make_user("ada")
    make_job(ada)
    first = said(changelist(staff_user, ada, confirmed="1"))
    assert "signed out for good, and 1 jobs are left" in first
    assert "manage.py delete_account ada" in first
    assert not User.objects.get(username="ada").is_active
    monkeypatch.setattr(accounts_admin, "WORK_SECONDS", 60.0)
    changelist(staff_user, ada, confirmed="1")
    assert not User.objects.filter(username="ada").exists()


def test_only_who_may_deletes_an_account(staff_user: Client) -> None:
    chief = User.objects.get(username="staff_user")
    assert said(changelist(staff_user, chief, confirmed="1")) == (
        "You cannot delete the account that you are signed in with."
    )
    helper = User.objects.create_user("helper", is_staff=True)
    staff = Client()
    staff.force_login(helper)
    assert staff.post(f"/admin/auth/user/{chief.pk}/delete/", {"confirmed": "1"}).status_code == 403
    helper.user_permissions.set(
        helper.user_permissions.model.objects.filter(codename__in=["delete_user", "view_user"])
    )
    assert said(changelist(staff, chief, confirmed="1")) == "Only a superuser deletes a superuser's account."
    assert User.objects.count() == 2
    assert staff_user.get(f"/admin/auth/user/{uuid.uuid4().int % 10**9}/delete/").status_code == 404
