"""Who makes a change: every function that changes something takes an actor, which the audit log names."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """In what capacity somebody acts; `Actor.id` is the id of what it says in brackets."""

    USER = "user"  # signed in by a session (the user's)
    TOKEN = "token"  # a script with a personal token (the token's)  # noqa: S105 - a word, no secret
    WORKER = "worker"  # with its own token (the worker's)
    ENROLMENT = "enrolment"  # a machine that is no worker yet (the enrolment's)
    OPERATOR = "operator"  # staff, in the admin (the user's)
    SYSTEM = "system"  # the chores, and commands at the server's terminal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts; as text, for the audit log: `user:12`, `token:0192f0c1-…`, `system`."""

    kind: ActorKind
    id: int | uuid.UUID | None = None

    def __str__(self) -> str:
        return str(self.kind) if self.id is None else f"{self.kind}:{self.id}"


SYSTEM = Actor(ActorKind.SYSTEM)


def worker_actor(worker_id: uuid.UUID) -> Actor:
    """For functions that are given the worker itself, which is then who acts."""
    return Actor(ActorKind.WORKER, worker_id)
