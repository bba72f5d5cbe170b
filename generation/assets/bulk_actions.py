"""What a bulk operation does to a chunk of assets, and how each change is put back exactly.

Every action returns what it changed as `[id, before]`; `revert` puts that back where the row still is as the
action left it, whatever else was done to it since.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from generation.access.projects import find_project
from generation.assets import actions, groupings, memberships, purging
from generation.changes import writes
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import NotFound
from generation.models import Action, Asset, BulkOperation, Job
from generation.models.asset import AssetQuerySet

Changes = list[list[Any]]
Ids = Sequence[uuid.UUID]


@dataclass(frozen=True, slots=True)
class Work:
    """Whose assets an action changes, who changes them, and what it needs beyond."""

    owner_id: int
    actor: Actor
    value: dict[str, Any]

    def assets(self, ids: Ids) -> AssetQuerySet[Asset]:
        return Asset.objects.of(self.owner_id).filter(pk__in=ids)

    def group(self) -> dict[str, Any]:
        return {
            "owner_id": self.owner_id,
            "actor": self.actor,
            "group_id": uuid.UUID(self.value["group"]),
        }


@dataclass(frozen=True, slots=True)
class BulkAction:
    """`revert` is None for what cannot be undone."""

    apply: Callable[[Work, Ids], Changes]
    revert: Callable[[Work, Changes], int] | None


def _set(work: Work, assets: AssetQuerySet[Asset], **change: Any) -> Changes:
    """Write one field of these; its values from before."""
    [(name, value)] = change.items()
    rows = list(assets.defer("search_text").select_for_update().order_by("id"))
    changes = [[str(row.pk), _plain(getattr(row, name))] for row in rows]
    writes.write_each(work.owner_id, rows, **{name: value})
    return changes


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else str(value)


def _put_back(work: Work, changes: Changes, name: str, **still: Any) -> int:
    """Write the field's values from before to those that are `still` so."""
    before = dict(changes)
    rows = list(work.assets(_ids(changes)).filter(**still).select_for_update().order_by("id"))
    writes.write_rows(work.owner_id, rows, [{name: _read(name, before[str(row.pk)])} for row in rows])
    return len(rows)


def _read(name: str, value: Any) -> Any:
    match name:
        case "project_id":
            return uuid.UUID(value)
        case "trashed_at" if value:
            return datetime.fromisoformat(value)
    return value


def _ids(changes: Changes) -> list[uuid.UUID]:
    return [uuid.UUID(text) for text, _ in changes]


def _unchanged(ids: Ids) -> Changes:
    return [[str(pk), None] for pk in ids]


def _favourite(work: Work, ids: Ids) -> Changes:
    wanted = work.value["favourite"]
    return _set(work, work.assets(ids).completed().exclude(favourite=wanted), favourite=wanted)


def _unfavourite(work: Work, changes: Changes) -> int:
    return _put_back(work, changes, "favourite", favourite=work.value["favourite"])


def _rate(work: Work, ids: Ids) -> Changes:
    stars = work.value["rating"]
    return _set(work, work.assets(ids).completed().exclude(rating=stars), rating=stars)


def _unrate(work: Work, changes: Changes) -> int:
    return _put_back(work, changes, "rating", rating=work.value["rating"])


def _move(work: Work, ids: Ids) -> Changes:
    project_id = uuid.UUID(work.value["project"])
    changes = _set(work, work.assets(ids).completed().exclude(project_id=project_id), project_id=project_id)
    # Only now, under the counter's lock: the project is not deleted meanwhile.
    if find_project(owner_id=work.owner_id, project_id=project_id) is None:
        raise NotFound("project")
    return changes


@transaction.atomic
def move(*, owner_id: int, actor: Actor, assets: Ids, project: uuid.UUID) -> int:
    """Move completed assets to another project of the owner's; how many. Raises NotFound, TooMany."""
    actions.check_count(assets)
    return len(_move(Work(owner_id, actor, {"project": str(project)}), assets))


def _move_back(work: Work, changes: Changes) -> int:
    """Those whose project is no longer there stay."""
    known = {
        project_id
        for project_id in {uuid.UUID(before) for _, before in changes}
        if find_project(owner_id=work.owner_id, project_id=project_id)
    }
    wanted = [change for change in changes if uuid.UUID(change[1]) in known]
    return _put_back(work, wanted, "project_id", project_id=uuid.UUID(work.value["project"]))


def _discard(work: Work, ids: Ids) -> Changes:
    return _set(work, work.assets(ids).completed().outside_trash(), trashed_at=Now())


def _undiscard(work: Work, changes: Changes) -> int:
    return actions.restore(owner_id=work.owner_id, actor=work.actor, assets=_ids(changes))


def _restore(work: Work, ids: Ids) -> Changes:
    jobs = actions.lock_jobs_to_review(work.owner_id, ids)
    changes = _set(work, work.assets(ids).in_trash(), trashed_at=None)
    writes.write_each(work.owner_id, [job for job in jobs if job.cleared_at], cleared_at=None)
    return changes


def _unrestore(work: Work, changes: Changes) -> int:
    """Back to the trash as long ago as they were put there, so that they are not kept longer."""
    return _put_back(work, changes, "trashed_at", trashed_at=None)


def _delete(work: Work, ids: Ids) -> Changes:
    return _unchanged(purging.delete_now(owner_id=work.owner_id, actor=work.actor, assets=ids))


def _add(kind: groupings.Kind) -> BulkAction:
    def apply(work: Work, ids: Ids) -> Changes:
        return _unchanged(memberships.add(kind, assets=ids, skip_full=True, **work.group()))

    def revert(work: Work, changes: Changes) -> int:
        return len(memberships.remove(kind, assets=_ids(changes), **work.group()))

    return BulkAction(apply, revert)


def _remove(kind: groupings.Kind) -> BulkAction:
    def apply(work: Work, ids: Ids) -> Changes:
        return _unchanged(memberships.remove(kind, assets=ids, **work.group()))

    def revert(work: Work, changes: Changes) -> int:
        return len(memberships.add(kind, assets=_ids(changes), skip_full=True, **work.group()))

    return BulkAction(apply, revert)


def _dissolve(work: Work, ids: Ids) -> Changes:
    """Move all of a project to another, those not made yet too; to the trash as well where that is wanted.

    What was in the trash before says so: the undo does not restore it.
    """
    into = uuid.UUID(work.value["project"])
    rows = list(work.assets(ids).defer("search_text").select_for_update().order_by("id"))
    discards = [
        bool(work.value.get("discard")) and row.completed_at is not None and row.trashed_at is None
        for row in rows
    ]
    changes: list[dict[str, Any]] = [
        {"project_id": into, "trashed_at": Now() if discarded else row.trashed_at}
        for row, discarded in zip(rows, discards, strict=True)
    ]
    writes.write_rows(work.owner_id, rows, changes)
    return [[str(row.pk), discarded] for row, discarded in zip(rows, discards, strict=True)]


def _undissolve(work: Work, changes: Changes) -> int:
    before = dict(changes)
    rows = list(
        work.assets(_ids(changes))
        .filter(project_id=uuid.UUID(work.value["project"]))
        .select_for_update()
        .order_by("id")
    )
    wanted = [
        {
            "project_id": uuid.UUID(work.value["from"]),
            "trashed_at": None if before[str(row.pk)] else row.trashed_at,
        }
        for row in rows
    ]
    writes.write_rows(work.owner_id, rows, wanted)
    return len(rows)


def move_jobs(work: Work, *, ids: Ids, into: uuid.UUID) -> list[uuid.UUID]:
    """The jobs of these that were in another project, and are in `into` now."""
    jobs = Job.objects.of(work.owner_id).filter(pk__in=ids).exclude(project_id=into)
    locked = list(jobs.select_for_update().order_by("id"))
    writes.write_each(work.owner_id, locked, project_id=into)
    return [job.pk for job in locked]


ACTIONS: dict[str, BulkAction] = {
    Action.FAVOURITE: BulkAction(_favourite, _unfavourite),
    Action.RATE: BulkAction(_rate, _unrate),
    Action.ADD_TAG: _add(groupings.TAGS),
    Action.REMOVE_TAG: _remove(groupings.TAGS),
    Action.ADD_COLLECTION: _add(groupings.COLLECTIONS),
    Action.REMOVE_COLLECTION: _remove(groupings.COLLECTIONS),
    Action.MOVE: BulkAction(_move, _move_back),
    Action.DISCARD: BulkAction(_discard, _undiscard),
    Action.RESTORE: BulkAction(_restore, _unrestore),
    Action.DELETE: BulkAction(_delete, None),
    Action.DISSOLVE: BulkAction(_dissolve, _undissolve),
}


def can_undo(operation: BulkOperation) -> bool:
    return ACTIONS[operation.action].revert is not None
