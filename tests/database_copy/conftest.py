from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import SignInAttempts, SignInLink, UserSession
from downloads.models import Archive, ArchivePart
from generation.models import (
    Asset,
    BulkOperation,
    Collection,
    CollectionItem,
    Enrolment,
    FairnessClock,
    FileDeletion,
    Job,
    Model,
    ModelOffer,
    OperationChunk,
    OutboxEvent,
    SavedSearch,
    Tag,
    TagItem,
    Uptime,
    Worker,
)
from sharing.models import ShareLink
from tests.database_copy.databases import Databases
from tests.servers import temporary_postgres
from tests.upgrade.database import ALIAS, OwnDatabase, opened
from tests.upgrade.old_rows import OldRows
from workspace.models import ComposerSettings, Preset

LAST_ID = 3  # of a user who was deleted


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    named = os.environ.get("DATABASE_URL")
    with contextlib.nullcontext(named) if named else temporary_postgres() as server:
        made = Databases(tmp_path_factory.mktemp("move"), server)
        yield made
        made.drop()


@pytest.fixture(scope="session")
def _unblocked(django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def old(_unblocked: None, databases: Databases) -> Mapping[str, str]:
    """On each engine, one that an early version made and filled, migrated to this one; to be read only."""
    return {engine: _filled(databases.new(engine)) for engine in ("sqlite", "postgres")}


@pytest.fixture(scope="session")
def migrated(_unblocked: None, databases: Databases) -> Mapping[str, str]:
    """On each engine, one with all tables and no rows; to be copied: migrating takes most of a small move."""
    made = {engine: databases.new(engine) for engine in ("sqlite", "postgres")}
    for url in made.values():
        with opened(url) as database:
            database.migrate()
    return made


def _filled(url: str) -> str:
    with opened(url) as database:
        database.migrate("generation", "0005")
        database.migrate("admin")
        OldRows(database.apps_at("0005_newest_attempts")).fill()
        database.migrate()
        _fill_what_came_later(database)
    return url


def _fill_what_came_later(database: OwnDatabase) -> None:
    def create(model: Any, /, **values: Any) -> Any:
        return model._base_manager.using(ALIAS).create(**values)

    owner = User.objects.using(ALIAS).get()
    now = timezone.now()
    gone = [create(User, username=name) for name in ("gone", "gone too")]
    assert gone[-1].pk == LAST_ID
    User.objects.using(ALIAS).filter(username__startswith="gone").delete()
    group = create(Group, name="editors")
    group.permissions.add(*Permission.objects.using(ALIAS).filter(codename="change_image"))
    owner.groups.add(group)
    owner.user_permissions.add(*Permission.objects.using(ALIAS).filter(codename__startswith="view_"))
    # Engines sort these differently, by bytes and by language.
    for number, key in enumerate(("Zeta", "alpha", "ßeta", "_under", "Éclair", "eclair", "9")):
        session = create(Session, session_key=key, session_data="data", expire_date=now + timedelta(days=1))
        create(UserSession, session=session, user=owner, last_seen_at=now)
        create(SignInAttempts, subject=key, count=number, began_at=now)
        create(FairnessClock, pool=key, virtual_time=number)
    create(SavedSearch, owner=owner, name="Foxes", folded_name="foxes", query="q=fox")
    create(SignInLink, user=owner, digest="9" * 64, expires_at=now)
    job = Job.objects.using(ALIAS).first()
    # Written as 1e22 and 1.0 on SQLite, and by PostgreSQL as whole numbers or not.
    payload = {
        "large": 1e22,
        "whole": 1.0,
        "tiny": 1e-7,
        "b": [None, "灯台\n"],
        "a": {"z": -0.0, "y": {}},
    }
    archive = create(Archive, owner=owner, asset_ids=None, excluded_ids=["x"])
    packed = {"parameters_json": b"\x00\xff", "parameters_csv": b""}
    create(ArchivePart, archive=archive, number=1, files=[["a", "b", 1, "c"]], count=1, byte_size=1, **packed)
    shared = Asset.objects.using(ALIAS).first()
    create(ShareLink, owner=owner, asset=shared, expires_at=now)
    for grouping, item in ((Collection, CollectionItem), (Tag, TagItem)):
        made = create(grouping, owner=owner, name="Füchse", folded_name="füchse", count=1)
        create(item, group=made, asset=shared, saved_at=now)
    ended = {"status": "done", "finished_at": now, "created_at": now}
    who = {"owner": owner, "actor": ["user", str(owner.pk)]}
    operation = create(BulkOperation, action="rate", value={"rating": 5}, source="library", **who, **ended)
    create(OperationChunk, operation=operation, changes=[[str(shared.pk), 0]])
    create(Preset, owner=owner, name="Fast", folded_name="fast", fields={"prompt": "灯台", "enhance": True})
    create(ComposerSettings, owner=owner, enter_sends=True)
    event = {"owner": owner, "kind": "job.ended", "revision": 1, "job_id": job.pk, "created_at": now}
    create(OutboxEvent, **event, payload=payload)
    content_type = Permission.objects.using(ALIAS).get(codename="change_image").content_type
    create(LogEntry, user=owner, content_type=content_type, object_id="x", action_flag=CHANGE)
    offer = {"guidance": {"type": "number", "minimum": 0, "maximum": 1e5, "default": 1.0}}
    said = {"job_types": ["sdxl_image_fast"], "sizes": {"1:1": [64, 64]}, "offer": offer, "last_seen_at": now}
    model = create(Model, name="film-xl", title="灯台", picture=b"\x00\xff", default_for=["x"], **said)
    model.groups.add(group)
    bounds = {"max_uses": 3, "uses": 1, "expires_at": now, "token_hours": 24}
    enrolment = create(Enrolment, name="rented", digest="8" * 64, engines=["sdxl"], **bounds)
    worker = create(Worker, name="rented 1", enrolment=enrolment, machine=uuid4(), advertised={"film-xl": []})
    create(ModelOffer, worker=worker, model=model, pools=["sdxl_image_fast@film-xl"], seen_at=now)
    create(FileDeletion, name="images/灯台.png", due_at=now)
    create(Uptime, since=now, last_beat_at=now - timedelta(seconds=50), epoch=now)
