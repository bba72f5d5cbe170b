"""Principals: who a request is authenticated as. `request.auth` of both APIs is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from generation.core.actors import Actor, ActorKind
from generation.models import PersonalToken, Scope, Worker

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest
    from rest_framework.request import Request

# The scopes of a session: of a caller that may do all that its user may.
EVERYTHING = frozenset[str](Scope.values)


@dataclass(frozen=True, slots=True)
class Principal(Actor):
    """An actor whose credentials were checked.

    `user_id` is whom it acts for (None for a worker), `scopes` what it may do, `worker` the worker, if it
    is one.
    """

    user_id: int | None = None
    scopes: frozenset[str] = frozenset()
    worker: Worker | None = None


def principal_of(request: HttpRequest | Request) -> Principal:
    """The caller: by an API's authentication, on a page (behind `login_required`) the signed-in user."""
    authenticated: Principal | None = getattr(request, "auth", None)
    return authenticated or session_principal(cast("User", request.user))


def session_principal(user: User) -> Principal:
    return Principal(ActorKind.USER, user.pk, user_id=user.pk, scopes=EVERYTHING)


def token_principal(token: PersonalToken) -> Principal:
    return Principal(ActorKind.TOKEN, token.pk, user_id=token.owner_id, scopes=frozenset(token.scopes))


def worker_principal(worker: Worker) -> Principal:
    return Principal(ActorKind.WORKER, worker.pk, worker=worker)


def operator_principal(user: User) -> Principal:
    return Principal(ActorKind.OPERATOR, user.pk, user_id=user.pk, scopes=EVERYTHING)
