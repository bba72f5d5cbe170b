"""The domain's functions as an owner calls them on the pages: the `actor` is the owner, if none is named."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from generation.access import projects, tokens
from generation.assets import actions, references
from generation.core.actors import SYSTEM, Actor, ActorKind
from generation.jobs import actions as job_actions
from generation.jobs import submit as submission
from generation.models import Worker

R = TypeVar("R")


def user_actor(owner_id: int) -> Actor:
    return Actor(ActorKind.USER, owner_id)


def _as_owner(function: Callable[..., R]) -> Callable[..., R]:
    @wraps(function)
    def call(*, owner_id: int, actor: Actor | None = None, **arguments: Any) -> R:
        return function(owner_id=owner_id, actor=actor or user_actor(owner_id), **arguments)

    return call


submit = _as_owner(submission.submit)
cancel = _as_owner(job_actions.cancel)
cancel_all = _as_owner(job_actions.cancel_all)
retry = _as_owner(job_actions.retry)
save = _as_owner(actions.save)
discard = _as_owner(actions.discard)
restore = _as_owner(actions.restore)
rate = _as_owner(actions.rate)
set_favourite = _as_owner(actions.set_favourite)
clear = _as_owner(job_actions.clear)
upload_reference = _as_owner(references.upload_reference)
delete_reference = _as_owner(references.delete_reference)
create_project = _as_owner(projects.create_project)
issue_personal_token = _as_owner(tokens.issue_personal_token)


def issue_worker_token(worker: Worker) -> str:
    return tokens.issue_worker_token(worker=worker, actor=SYSTEM)
