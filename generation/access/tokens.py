"""Bearer tokens of workers and users: random, kept as SHA-256, shown once."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from generation.models import PersonalToken, Worker, WorkerToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WORKER_PREFIX = "ovw_"
PERSONAL_PREFIX = "ovu_"
LIVE_TOKENS_PER_WORKER = 2


def _fresh(prefix: str) -> tuple[str, dict[str, str]]:
    raw = prefix + secrets.token_urlsafe(32)
    return raw, {"digest": _digest(raw), "hint": raw[:8]}


def _digest(raw: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(raw.encode()).hexdigest()


@transaction.atomic
def issue_worker_token(worker: Worker) -> str:
    """A new token's text. The oldest live ones are revoked beyond two, so that one can replace the other."""
    Worker.objects.select_for_update().get(pk=worker.pk)
    raw, fields = _fresh(WORKER_PREFIX)
    WorkerToken.objects.create(worker=worker, **fields)
    live = WorkerToken.objects.filter(worker=worker, revoked_at=None).order_by("-id")
    surplus = [token.pk for token in live[LIVE_TOKENS_PER_WORKER:]]
    WorkerToken.objects.filter(pk__in=surplus).update(revoked_at=Now())
    return raw


def issue_personal_token(*, owner: User, name: str) -> str:
    """A new token's text, for the owner's scripts."""
    raw, fields = _fresh(PERSONAL_PREFIX)
    PersonalToken.objects.create(owner=owner, name=name, **fields)
    return raw


def revoke_personal_tokens(owner_id: int) -> None:
    """None of the owner's scripts can sign in any more."""
    PersonalToken.objects.filter(owner_id=owner_id, revoked_at=None).update(revoked_at=Now())


def worker_of(raw: str) -> Worker | None:
    """The worker that this live token belongs to, also a disabled one."""
    tokens = WorkerToken.objects.select_related("worker")
    token = tokens.filter(digest=_digest(raw), revoked_at=None).first()
    return token.worker if token else None


def owner_of(raw: str) -> User | None:
    """The active user that this live token belongs to."""
    tokens = PersonalToken.objects.select_related("owner")
    token = tokens.filter(digest=_digest(raw), revoked_at=None, owner__is_active=True).first()
    return token.owner if token else None
