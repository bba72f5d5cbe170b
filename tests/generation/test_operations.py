"""Bulk operations: what they take, what they change, and that nothing of it is lost or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count

from generation.access.projects import default_project
from generation.assets import groupings, merging, operation_sources, operation_work, operations
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.assets.listing import library, saved
from generation.changes import project_totals
from generation.changes.memberships import with_wrong_count
from generation.changes.project_totals import projects_with_wrong_totals
from generation.core.clock import Now
from generation.core.errors import BadName, NotFound
from generation.core.keyset import older_than
from generation.maintenance import cleanup
from generation.models import (
    Action,
    Asset,
    BulkOperation,
    Collection,
    Job,
    OperationStatus,
    Project,
    Source,
    Tag,
    Tombstone,
)
from tests import acting
from tests.databases import sqlite_url
from tests.factories import complete, make_job, make_user
from tests.functional.programs import REPO
from tests.library.conftest import many

pytestmark = pytest.mark.django_db


def started(owner: User, action: Action, query: str = "", **value: Any) -> BulkOperation:
    source = Source.TRASH if action in {Action.RESTORE, Action.DELETE} else Source.LIBRARY
    return operations.start(
        owner_id=owner.pk,
        actor=acting.user_actor(owner.pk),
        action=action,
        value=value,
        source=source,
        query=query,
    )


def ended(operation: BulkOperation) -> BulkOperation:
    operation_work.work(operation.owner_id, seconds=60)
    operation.refresh_from_db()
    return operation


def undone(operation: BulkOperation) -> BulkOperation:
    who: dict[str, Any] = {"owner_id": operation.owner_id, "actor": acting.user_actor(operation.owner_id)}
    return ended(operations.undo(operation_id=operation.pk, **who))


def group(owner: User, kind: groupings.Kind = TAGS, name: str = "fox") -> Any:
    return groupings.create(kind, owner_id=owner.pk, actor=acting.user_actor(owner.pk), name=name)


def state(owner: User) -> list[Any]:
    """All that operations change of the owner's assets, without revisions."""
    fields = (
        "pk",
        "favourite",
        "rating",
        "project_id",
        "trashed_at",
        "tag_items__group",
        "collection_items__group",
    )
    return list(
        Asset.objects.of(owner.pk).order_by("pk", "tag_items", "collection_items").values_list(*fields)
    )


def everything_is_right() -> bool:
    wrong = [with_wrong_count(Tag), with_wrong_count(Collection), projects_with_wrong_totals()]
    return not any(rows.exists() for rows in wrong)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_sources, "CHUNK", 4)


@pytest.fixture
def assets(owner: User) -> list[Asset]:
    """Ten in the Library with different marks; the newest first."""
    rows: list[Any] = many(owner, 10, days_apart=1)
    for number, row in enumerate(rows):
        Asset.objects.filter(pk=row.pk).update(rating=number % 6, favourite=number % 3 == 0)
    Project.objects.update(**project_totals.counted())
    return rows


CHANGES: dict[str, tuple[Action, dict[str, Any]]] = {
    "favourite": (Action.FAVOURITE, {"favourite": True}),
    "unfavourite": (Action.FAVOURITE, {"favourite": False}),
    "rate": (Action.RATE, {"rating": 3}),
    "tag": (Action.ADD_TAG, {"group": "tag"}),
    "untag": (Action.REMOVE_TAG, {"group": "tag"}),
    "collect": (Action.ADD_COLLECTION, {"group": "collection"}),
    "move": (Action.MOVE, {"project": "project"}),
    "discard": (Action.DISCARD, {}),
    "restore": (Action.RESTORE, {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_operation_in_chunks_and_its_undo(name: str, owner: User, assets: list[Asset]) -> None:
    """pitfalls 28 and 39: what was so before, or has changed since, is not touched by the undo."""
    action, value = CHANGES[name]
    tag, collection = group(owner), group(owner, COLLECTIONS)
    project = acting.create_project(owner_id=owner.pk, name="other")
    named = {"tag": tag.pk, "collection": collection.pk, "project": project.pk}
    value = {
        key: str(named.get(given, given)) if isinstance(given, str) else given for key, given in value.items()
    }
    some = [asset.pk for asset in assets[2:7]]
    for kind, made in ((Action.ADD_TAG, tag), (Action.ADD_COLLECTION, collection)):
        operations.act(
            owner_id=owner.pk,
            actor=acting.user_actor(owner.pk),
            action=kind,
            value={"group": str(made.pk)},
            assets=some,
        )
    if action == Action.RESTORE:
        acting.discard(owner_id=owner.pk, assets=some)
    before = state(owner)

    done = ended(started(owner, action, **value))

    assert (done.status, done.seen) == (OperationStatus.DONE, done.total)
    assert 0 < done.changed <= 10
    assert state(owner) != before
    assert everything_is_right()
    assert ended(started(owner, action, **value)).changed == 0, "all is so already"
    assert undone(done).status == OperationStatus.UNDONE
    assert state(owner) == before
    assert everything_is_right()


def test_what_comes_later_is_not_taken_and_what_changed_since_stays(owner: User, assets: list[Asset]) -> None:
    operation = started(owner, Action.RATE, rating=5)
    [late] = complete(make_job(owner))
    assert ended(operation).total == 10
    assert Asset.objects.get(pk=late.pk).rating == 0
    acting.rate(owner_id=owner.pk, assets=[assets[0].pk], rating=1)

    undone(operation)

    assert [Asset.objects.get(pk=asset.pk).rating for asset in assets] == [1, 1, 2, 3, 4, 5, 0, 1, 2, 3]


def test_it_is_cancelled_in_the_middle_and_others_of_its_owner_wait(owner: User, assets: list[Asset]) -> None:
    first, second = started(owner, Action.RATE, rating=5), started(owner, Action.FAVOURITE, favourite=True)
    assert operation_work.work_chunk(first.pk)
    assert not operation_work.work_chunk(second.pk), "one at a time"
    with pytest.raises(NotFound):
        operations.cancel(owner_id=make_user().pk, actor=acting.user_actor(0), operation_id=first.pk)

    operations.cancel(owner_id=owner.pk, actor=acting.user_actor(owner.pk), operation_id=first.pk)
    operation_work.work_all()

    assert Asset.objects.filter(rating=5).count() == 4 + 1
    second.refresh_from_db()
    assert second.status == OperationStatus.DONE
    assert undone(BulkOperation.objects.get(pk=first.pk)).changed == 0
    assert Asset.objects.filter(rating=5).count() == 1
    for _ in range(operations.MAX_UNFINISHED):
        started(owner, Action.RATE, rating=1)
    with pytest.raises(operations.TooManyOperations):
        started(owner, Action.RATE, rating=1)


def test_many_undos_wait_for_the_one_in_work(owner: User, assets: list[Asset]) -> None:
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    ids = [asset.pk for asset in assets]
    earlier = [
        operations.act(action=Action.FAVOURITE, value={"favourite": number % 2 == 0}, assets=ids, **who)
        for number in range(operations.MAX_UNFINISHED + 1)
    ]
    in_work = started(owner, Action.RATE, rating=5)
    assert operation_work.work_chunk(in_work.pk)
    for each in earlier:
        operations.undo(operation_id=each.pk, **who)

    operation_work.work_all()

    assert not BulkOperation.objects.filter(finished_at=None).exists()


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_merge_that_ends_early_loses_no_group(how: str, owner: User, assets: list[Asset]) -> None:
    """Undone or not: cleanup would delete what is left in it, and no page would show it until then."""
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    one, two = group(owner, TAGS, "one"), group(owner, TAGS, "two")
    ids = [asset.pk for asset in assets]
    operations.act(action=Action.ADD_TAG, value={"group": str(one.pk)}, assets=ids, **who)
    project = acting.create_project(owner_id=owner.pk, name="Foxes")
    operations.act(action=Action.MOVE, value={"project": str(project.pk)}, assets=ids, **who)
    merged = merging.merge(TAGS, group_id=one.pk, into_id=two.pk, **who)
    assert operation_work.work_chunk(merged.pk)

    if how == "failed":
        groupings.delete(TAGS, group_id=two.pk, **who)
        ended(merged)
    else:
        operations.cancel(operation_id=merged.pk, **who)
    dissolved = merging.dissolve(project_id=project.pk, **who)
    assert operation_work.work_chunk(dissolved.pk)
    operations.cancel(operation_id=dissolved.pk, **who)

    merged.refresh_from_db()
    assert merged.status == how
    assert groupings.find(TAGS, owner_id=owner.pk, group_id=one.pk).count == 10
    assert not Asset.objects.filter(project__deleted_at__isnull=False).exists()
    assert undone(dissolved).status == "undone"
    assert Asset.objects.filter(project=project).count() == 10
    assert everything_is_right()


def test_the_trash_is_emptied_for_good(owner: User, assets: list[Asset]) -> None:
    """pitfall 10"""
    acting.discard(owner_id=owner.pk, assets=[asset.pk for asset in assets[:6]])

    done = ended(started(owner, Action.DELETE))

    assert (done.changed, Asset.objects.count(), Tombstone.objects.count()) == (6, 4, 6)
    assert everything_is_right()
    with pytest.raises(operations.NotNow):
        undone(done)


def test_a_tag_that_is_deleted_meanwhile_ends_it_with_a_sentence(owner: User, assets: list[Asset]) -> None:
    tag = group(owner)
    operation = started(owner, Action.ADD_TAG, group=str(tag.pk))
    operation_work.work_chunk(operation.pk)
    who = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk), "group_id": tag.pk}
    groupings.delete(TAGS, **who)

    failed = ended(operation)

    assert (failed.status, failed.error_message) == ("failed", "There is no such tag.")
    groupings.create(TAGS, owner_id=owner.pk, actor=who["actor"], name="FOX")
    assert groupings.undelete(TAGS, **who).name == "fox (2)"
    assert everything_is_right()


def test_collections_merge_with_what_is_in_the_trash_and_part_again(owner: User, assets: list[Asset]) -> None:
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    one, two = group(owner, COLLECTIONS, "one"), group(owner, COLLECTIONS, "two")
    for made, some in ((one, assets[:6]), (two, assets[4:9])):
        ids = [asset.pk for asset in some]
        operations.act(action=Action.ADD_COLLECTION, value={"group": str(made.pk)}, assets=ids, **who)
    acting.discard(owner_id=owner.pk, assets=[assets[0].pk])
    before = state(owner)

    done = ended(merging.merge(COLLECTIONS, group_id=one.pk, into_id=two.pk, **who))

    two.refresh_from_db()
    assert (done.changed, two.count) == (4, 8)
    assert list(groupings.owned(COLLECTIONS, owner.pk)) == [two]
    acting.restore(owner_id=owner.pk, assets=[assets[0].pk])
    page = library(owner_id=owner.pk, only=AssetFilter(collection_id=two.pk), limit=5)
    assert [asset.pk for asset in page.assets] == [asset.pk for asset in assets[:5]]
    rest = library(owner_id=owner.pk, only=AssetFilter(collection_id=two.pk), cursor=page.next_cursor)
    assert [asset.pk for asset in rest.assets] == [asset.pk for asset in assets[5:9]]
    undone(done)
    acting.discard(owner_id=owner.pk, assets=[assets[0].pk])
    assert [row[:4] + row[5:] for row in state(owner)] == [row[:4] + row[5:] for row in before]
    assert everything_is_right()
    with pytest.raises(BadName):
        merging.merge(COLLECTIONS, group_id=one.pk, into_id=one.pk, **who)


@pytest.mark.parametrize("discard", [False, True])
def test_a_project_is_deleted_and_comes_back(discard: bool, owner: User) -> None:
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    project = acting.create_project(owner_id=owner.pk, name="Foxes")
    kept = complete(make_job(owner, project_id=project.pk, quantity=6))
    waiting = make_job(owner, project_id=project.pk)
    acting.discard(owner_id=owner.pk, assets=[kept[0].pk])
    before = state(owner)

    done = ended(merging.dissolve(project_id=project.pk, discard=discard, **who))

    default = default_project(owner.pk)
    assert (done.status, done.changed) == ("done", 7)
    assert set(Asset.objects.values_list("project", flat=True)) == {default.pk}
    assert set(Job.objects.values_list("project", flat=True)) == {default.pk}
    assert Asset.objects.in_trash().count() == (6 if discard else 1)
    assert everything_is_right()
    assert default.stored_bytes == sum(asset.byte_size or 0 for asset in kept)
    undone(done)
    assert state(owner) == before
    assert set(Job.objects.values_list("project", flat=True)) == {project.pk}
    assert Job.objects.get(pk=waiting.pk).status == "queued"
    assert everything_is_right()
    with pytest.raises(BadName):
        merging.dissolve(project_id=default.pk, **who)
    ended(merging.dissolve(project_id=project.pk, **who))
    Project.objects.filter(pk=project.pk).update(deleted_at=Now() - cleanup.GROUPING_AGE)
    time.sleep(0.01)
    assert cleanup.delete_old_groupings() == 1
    assert not Project.objects.filter(pk=project.pk).exists()


def test_a_strangers_ids_change_nothing(owner: User, assets: list[Asset]) -> None:
    stranger = make_user("mallory")
    who: dict[str, Any] = {"owner_id": stranger.pk, "actor": acting.user_actor(stranger.pk)}
    theirs, mine = group(owner), group(stranger)
    before, ids = state(owner), [asset.pk for asset in assets]
    for action, value in (
        (Action.ADD_TAG, {"group": str(mine.pk)}),
        (Action.RATE, {"rating": 1}),
        (Action.DISCARD, {}),
    ):
        assert operations.act(action=action, value=value, assets=ids, **who).changed == 0
    for action, value in (
        (Action.ADD_TAG, {"group": str(theirs.pk)}),
        (Action.MOVE, {"project": str(default_project(owner.pk).pk)}),
    ):
        with pytest.raises(NotFound):
            operations.act(action=action, value=value, assets=ids, **who)
    project_id = acting.create_project(owner_id=owner.pk, name="Foxes").pk
    with pytest.raises(NotFound):
        merging.dissolve(project_id=project_id, **who)
    assert ended(started(stranger, Action.DISCARD, f"tag={theirs.pk}")).total == 0
    assert state(owner) == before


@pytest.mark.parametrize("kind", [COLLECTIONS, TAGS], ids=["collection", "tag"])
def test_a_page_of_a_collection_walks_its_index(kind: groupings.Kind, owner: User) -> None:
    """pitfall 26: the order comes from the items, at the first page and further down; nothing is sorted."""
    is_postgres = connection.vendor == "postgresql"
    made, rows = group(owner, kind), many(owner, 600)
    items = [kind.items(group=made, asset_id=row.pk, saved_at=row.saved_at) for row in rows[:400]]
    kind.items.objects.bulk_create(items)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        for shortcut in ("seqscan", "bitmapscan", "hashjoin", "mergejoin") if is_postgres else ():
            cursor.execute(f"SET LOCAL enable_{shortcut} = off")  # of small tables
    found = saved(owner_id=owner.pk, only=AssetFilter(**{f"{kind.name}_id": made.pk}))
    for cursor_text in ("", saved(owner_id=owner.pk).cursor_after(rows[200])):
        plan = older_than(found.source, found.by, cursor_text, tie=found.tie)[:60].explain()
        assert f"{kind.name}item_library" in plan, plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan


WORK = """
import sys, time
from generation.assets import bulk_actions, operation_sources, operation_work
operation_sources.CHUNK = 50
apply = operation_work.ACTIONS["rate"].apply
def slowly(work, ids):
    changes = apply(work, ids)
    print("half", flush=True)
    time.sleep(0.05)
    return changes
operation_work.ACTIONS["rate"] = bulk_actions.BulkAction(slowly, None)
operation_work.work_all(60)
"""


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_after_kill_9(owner: User) -> None:
    """Killed within a chunk, twice: each asset is changed once, and noted."""
    many(owner, 400)
    operation = started(owner, Action.RATE, rating=4)
    name = str(connection.settings_dict["NAME"])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "ourvidz.settings",
        "DATABASE_URL": database_url(name),
    }
    for _ in range(2):
        program = subprocess.Popen(
            [sys.executable, "-c", f"import django; django.setup()\n{WORK}"],
            cwd=REPO,
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert program.stdout is not None
        for _ in range(3):
            assert program.stdout.readline() == b"half\n"
        program.send_signal(signal.SIGKILL)
        program.wait()
        program.stdout.close()
        operation.refresh_from_db()
        assert operation.status == "running"
        assert operation.changed == Asset.objects.filter(rating=4).count() == noted(operation)
    assert 0 < operation.changed < 400

    assert ended(operation).changed == Asset.objects.filter(rating=4).count() == noted(operation) == 400
    undone(operation)
    assert not Asset.objects.filter(rating=4).exists()


def noted(operation: BulkOperation) -> int:
    ids = [pk for chunk in operation.chunks.all() for pk, _ in chunk.changes]
    assert len(ids) == len(set(ids))
    return len(ids)


def database_url(name: str) -> str:
    """Of the tests' own database."""
    if connection.vendor == "sqlite":
        return sqlite_url(Path(name))
    there = connection.settings_dict
    return f"postgres://{there['USER']}:{there['PASSWORD']}@{there['HOST']}:{there['PORT'] or 5432}/{name}"


def test_old_operations_are_forgotten(owner: User, assets: list[Asset]) -> None:
    ended(started(owner, Action.RATE, rating=5))
    assert cleanup.delete_old_operations() == 0
    BulkOperation.objects.update(finished_at="2020-01-01T00:00Z")
    assert cleanup.delete_old_operations() == 1
    assert BulkOperation.objects.aggregate(chunks=Count("chunks"))["chunks"] == 0
