"""Bearer tokens of workers and users: random, stored as SHA-256, shown once.

Personal tokens expire and have scopes. Worker tokens do what a worker does, until they are revoked, unless an
expiry was asked for.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import DomainError
from generation.core.ids import new_id
from generation.models import PersonalToken, Scope, Worker, WorkerToken
from generation.models.token import AccessToken

Token = TypeVar("Token", bound=AccessToken)
WORKER_PREFIX = "ovw_"
PERSONAL_PREFIX = "ovu_"
LIVE_TOKENS_PER_WORKER = 2
MAX_PERSONAL_TOKENS = 100  # live ones of one user; of those that ended the newest as many are kept
# A token that is used from two addresses in turns is not written at each call.
USED_RESOLUTION = timedelta(minutes=10)


class TokenExists(DomainError):
    """The token with this id was issued before: a form was sent again. Its text is not shown again."""

    code = "token_exists"


class TooManyTokens(DomainError):
    """The owner has as many live tokens as is allowed."""

    code = "too_many_tokens"

    def __init__(self) -> None:
        super().__init__(f"You may have {MAX_PERSONAL_TOKENS} tokens. Revoke one that you do not need.")


def digest(raw: str) -> str:
    """What is kept of a token's text."""
    # 256 random bits need no slow hash.
    return hashlib.sha256(raw.encode()).hexdigest()


@transaction.atomic
def issue_worker_token(
    *,
    worker: Worker,
    actor: Actor,
    days: int | None = None,
    expires_at: datetime | None = None,
    token_id: uuid.UUID | None = None,
) -> str:
    """Issue a token, for `days` or until `expires_at`; returns its text.

    Live tokens beyond the newest two are revoked.

    Raises:
        TokenExists: `token_id`, which the form that asks for a token has chosen, was used before.
    """
    Worker.objects.select_for_update().get(pk=worker.pk)
    if days is not None:
        expires_at = timezone.now() + timedelta(days=days)
    token, raw = issue(WorkerToken(worker=worker, expires_at=expires_at), WORKER_PREFIX, token_id)
    audit_log.after_commit("token.issued", actor=actor, token=str(token.pk), worker=str(worker.pk))
    live = WorkerToken.objects.filter(worker=worker, revoked_at=None).order_by("-created_at", "-id")
    if surplus := [token.pk for token in live[LIVE_TOKENS_PER_WORKER:]]:
        revoke(WorkerToken.objects.filter(pk__in=surplus), actor=actor)
    return raw


def issue_personal_token(
    *,
    owner_id: int,
    actor: Actor,
    name: str,
    scopes: Iterable[str] = tuple(Scope),
    days: int | None = None,
    token_id: uuid.UUID | None = None,
) -> str:
    """Issue a token for the owner's scripts, for `days` (TOKEN_DAYS); returns its text.

    Raises:
        TokenExists: `token_id`, which the form that asks for a token has chosen, was used before.
        TooManyTokens
    """
    _make_room(owner_id)
    expires_at = timezone.now() + timedelta(days=days or settings.TOKEN_DAYS)
    chosen = [scope for scope in Scope.values if scope in set(scopes)]
    fields = {"owner_id": owner_id, "name": name, "scopes": chosen, "expires_at": expires_at}
    token, raw = issue(PersonalToken(**fields), PERSONAL_PREFIX, token_id)
    ids = {"token": str(token.pk), "owner": owner_id}
    audit_log.after_commit(
        "token.issued", actor=actor, scopes=chosen, expires=expires_at.date().isoformat(), **ids
    )
    return raw


def _make_room(owner_id: int) -> None:
    """Delete the owner's ended tokens but the newest. Raises TooManyTokens."""
    of_owner = PersonalToken.objects.filter(owner_id=owner_id)
    live = of_owner.filter(revoked_at=None, expires_at__gt=Now())
    if live.count() >= MAX_PERSONAL_TOKENS:
        raise TooManyTokens
    ended = of_owner.exclude(pk__in=live.values("pk")).order_by("-created_at", "-id")
    of_owner.filter(pk__in=list(ended.values_list("pk", flat=True)[MAX_PERSONAL_TOKENS:])).delete()


def issue(token: Token, prefix: str, token_id: uuid.UUID | None = None) -> tuple[Token, str]:
    """Save the token with a new random text, which is returned and not kept. Raises TokenExists."""
    raw = prefix + secrets.token_urlsafe(32)
    token.pk, token.digest, token.hint = token_id or new_id(), digest(raw), raw[:8]
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError:
        if token_id is None or not type(token)._default_manager.filter(pk=token_id).exists():
            raise
        raise TokenExists("This token was made before, and is not shown again.") from None
    return token, raw


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


def worker_of(raw: str, *, used_from: str = "") -> Worker | None:
    """The worker that this live token belongs to, even if disabled; records a use from an address."""
    tokens = WorkerToken.objects.select_related("worker")
    is_live = Q(expires_at=None) | Q(expires_at__gt=Now())
    token = tokens.filter(is_live, digest=digest(raw), revoked_at=None).first()
    if token and used_from:
        record_use(token, used_from)
    return token.worker if token else None


def find_personal_token(raw: str, *, used_from: str = "") -> PersonalToken | None:
    """The live token with this text and its active owner; records a use from an address."""
    tokens = PersonalToken.objects.select_related("owner").filter(expires_at__gt=Now(), revoked_at=None)
    token = tokens.filter(digest=digest(raw), owner__is_active=True).first()
    if token and used_from:
        record_use(token, used_from)
    return token


def record_use(token: AccessToken, address: str) -> None:
    """Record a use, by the day: written at the first of a day, and when the address has changed."""
    now, last = timezone.now(), token.last_used_at
    is_same_day = last is not None and timezone.localdate(last) == timezone.localdate(now)
    is_just_now = last is not None and now - last < USED_RESOLUTION
    if is_just_now or (is_same_day and token.last_used_from == address):
        return
    used = type(token)._default_manager.filter(pk=token.pk)
    used.update(last_used_at=Now(), last_used_from=address)
