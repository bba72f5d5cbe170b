"""Bearer tokens of workers and users: random, stored as SHA-256, shown once."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from generation.core import audit_log
from generation.core.actors import Actor
from generation.models import PersonalToken, Worker, WorkerToken
from generation.models.token import AccessToken

Token = TypeVar("Token", bound=AccessToken)
WORKER_PREFIX = "ovw_"
PERSONAL_PREFIX = "ovu_"
LIVE_TOKENS_PER_WORKER = 2


def _generate(prefix: str) -> tuple[str, dict[str, str]]:
    raw = prefix + secrets.token_urlsafe(32)
    return raw, {"digest": _digest(raw), "hint": raw[:8]}


def _digest(raw: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(raw.encode()).hexdigest()


@transaction.atomic
def issue_worker_token(*, worker: Worker, actor: Actor) -> str:
    """Issue a token; returns its text. Live tokens beyond the newest two are revoked."""
    Worker.objects.select_for_update().get(pk=worker.pk)
    raw, fields = _generate(WORKER_PREFIX)
    token = WorkerToken.objects.create(worker=worker, **fields)
    audit_log.after_commit("token.issued", actor=actor, token=str(token.pk), worker=str(worker.pk))
    live = WorkerToken.objects.filter(worker=worker, revoked_at=None).order_by("-id")
    if surplus := [token.pk for token in live[LIVE_TOKENS_PER_WORKER:]]:
        revoke(WorkerToken.objects.filter(pk__in=surplus), actor=actor)
    return raw


def issue_personal_token(*, owner_id: int, actor: Actor, name: str) -> str:
    """Issue a token for the owner's scripts; returns its text."""
    raw, fields = _generate(PERSONAL_PREFIX)
    token = PersonalToken.objects.create(owner_id=owner_id, name=name, **fields)
    audit_log.after_commit("token.issued", actor=actor, token=str(token.pk), owner=owner_id)
    return raw


def revoke_personal_token(*, owner_id: int, actor: Actor, token_id: uuid.UUID) -> bool:
    """Revoke one of the owner's tokens; whether there was a live one."""
    return bool(revoke(PersonalToken.objects.filter(owner_id=owner_id, pk=token_id), actor=actor))


@transaction.atomic
def revoke(tokens: QuerySet[Token], *, actor: Actor) -> list[Token]:
    """Revoke the live ones of these tokens; returns them."""
    live = list(tokens.filter(revoked_at=None).select_for_update(of=("self",)).order_by("pk"))
    tokens.model._default_manager.filter(pk__in=[token.pk for token in live]).update(revoked_at=Now())
    for token in live:
        audit_log.after_commit("token.revoked", actor=actor, token=str(token.pk))
    return live


def worker_of(raw: str) -> Worker | None:
    """The worker that this live token belongs to, even if disabled."""
    tokens = WorkerToken.objects.select_related("worker")
    token = tokens.filter(digest=_digest(raw), revoked_at=None).first()
    return token.worker if token else None


def find_personal_token(raw: str) -> PersonalToken | None:
    """The live token with this text and its active owner."""
    tokens = PersonalToken.objects.select_related("owner")
    return tokens.filter(digest=_digest(raw), revoked_at=None, owner__is_active=True).first()
