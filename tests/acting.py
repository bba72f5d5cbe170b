"""The domain's functions as an owner calls them on the pages: the `actor` is the owner, if none is named."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

from generation.access import projects, tokens
from generation.assets import actions, purging, references
from generation.core.actors import SYSTEM, Actor, ActorKind
from generation.jobs import actions as job_actions
from generation.jobs import again, imports, order, pausing
from generation.jobs import submit as submission
from generation.models import Job, JobStatus, Worker

R = TypeVar("R")


def user_actor(owner_id: int) -> Actor:
    return Actor(ActorKind.USER, owner_id)


def _as_owner(function: Callable[..., R]) -> Callable[..., R]:
    @wraps(function)
    def call(*, owner_id: int, actor: Actor | None = None, **arguments: Any) -> R:
        return function(owner_id=owner_id, actor=actor or user_actor(owner_id), **arguments)

    return call


submit = _as_owner(submission.submit)
cancel_job = _as_owner(job_actions.cancel)
cancel_jobs = _as_owner(job_actions.cancel_all)
undo_cancel = _as_owner(job_actions.undo_cancel)
retry = _as_owner(job_actions.retry)
run_again = _as_owner(again.run_again)
move = _as_owner(order.move)
pause = _as_owner(pausing.pause)
resume = _as_owner(pausing.resume)
save = _as_owner(actions.save)
discard = _as_owner(actions.discard)
restore = _as_owner(actions.restore)
delete_now = _as_owner(purging.delete_now)
rate = _as_owner(actions.rate)
set_favourite = _as_owner(actions.set_favourite)
clear_jobs = _as_owner(job_actions.clear)
undo_clear = _as_owner(job_actions.undo_clear)
upload_reference = _as_owner(references.upload_reference)
delete_reference = _as_owner(references.delete_reference)
create_project = _as_owner(projects.create_project)
issue_personal_token = _as_owner(tokens.issue_personal_token)


def cancel(**arguments: Any) -> JobStatus:
    """The job's status now."""
    return cancel_job(**arguments).status


def cancel_all(**arguments: Any) -> int:
    """How many have ended."""
    return len(cancel_jobs(**arguments))


def clear(*, owner_id: int, job_ids: Sequence[uuid.UUID] | None = None, **arguments: Any) -> int:
    """How many were cleared, of all the owner's if none are named."""
    if job_ids is None:
        job_ids = list(Job.objects.of(owner_id).finished().values_list("pk", flat=True))
    return len(clear_jobs(owner_id=owner_id, job_ids=job_ids, **arguments))


def begin_import(owner_id: int, name: str = "a.png", media: str = "image") -> Job:
    files = [imports.ImportInput(name=name, media=media)]
    return imports.begin_imports(owner_id=owner_id, actor=user_actor(owner_id), files=files)[0]


def issue_worker_token(worker: Worker) -> str:
    return tokens.issue_worker_token(worker=worker, actor=SYSTEM)
