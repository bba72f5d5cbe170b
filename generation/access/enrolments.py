"""Enrolment: a machine makes itself a worker with a token that many may share, and renews its own.

So a rented machine needs no step by hand, and what is read off its disk ends by itself
(docs/decisions/0046-machines-that-enrol-themselves.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from generation.access import tokens
from generation.core import audit_log
from generation.core.actors import Actor, ActorKind, worker_actor
from generation.core.errors import DomainError
from generation.core.limits import NAME_LENGTH
from generation.models import Enrolment, Worker, WorkerToken

PREFIX = "ove_"
# Of one enrolment, new workers and renewals together.
MAX_TOKENS_A_MINUTE = 30
# What an enrolment may be made for.
MAX_USES = 10_000
MAX_DAYS = 3650
MAX_TOKEN_HOURS = 24 * 90
# Of a worker that renews for years only so many ended tokens are kept.
KEPT_TOKENS = 10


class EnrolmentEnded(DomainError):
    """It was revoked, its time is over, or as many machines as may have enrolled."""

    code = "enrolment_ended"

    def __init__(self) -> None:
        super().__init__("No machine can enrol with this token any more; ask for another.")


class NotRenewable(DomainError):
    """The worker was made by hand, or its enrolment was revoked."""

    code = "not_renewable"

    def __init__(self) -> None:
        super().__init__("This worker's token cannot be renewed.")


class EnrolledWorkerDisabled(DomainError):
    """An operator has disabled the worker of this machine."""

    code = "worker_disabled"

    def __init__(self) -> None:
        super().__init__("This worker is disabled.")


class TooManyEnrolments(DomainError):
    """More tokens of one enrolment than a fleet that works needs."""

    code = "too_many_enrolments"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__("Many machines enrol at this moment. Try again in a minute.")


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token's text, shown this once, with its worker and its end."""

    worker: Worker
    token: str
    expires_at: datetime
    seconds: int


def create_enrolment(
    *,
    actor: Actor,
    name: str,
    engines: Collection[str],
    max_uses: int,
    days: int,
    token_hours: int,
) -> str:
    """Make an enrolment; returns its token's text. The name must not be taken."""
    expires_at = timezone.now() + timedelta(days=days)
    bounds = {"max_uses": max_uses, "expires_at": expires_at, "token_hours": token_hours}
    with transaction.atomic():
        enrolment, raw = tokens.issue(Enrolment(name=name, engines=sorted(engines), **bounds), PREFIX)
        audit_log.after_commit(
            "enrolment.created", actor=actor, enrolment=str(enrolment.pk), max_uses=max_uses
        )
    return raw


def find_enrolment(raw: str, *, used_from: str = "") -> Enrolment | None:
    """The enrolment with this token, unless it was revoked or its time is over; records a use."""
    found = Enrolment.objects.filter(digest=tokens.digest(raw), revoked_at=None).first()
    if found is None or found.expires_at <= timezone.now():
        return None
    if used_from:
        tokens.record_use(found, used_from)
    return found


def enrolment_actor(enrolment: Enrolment) -> Actor:
    return Actor(ActorKind.ENROLMENT, enrolment.pk)


@transaction.atomic
def enrol(*, enrolment: Enrolment, machine: uuid.UUID) -> MintedToken:
    """The machine's worker, made if it enrols for the first time, and a token for it.

    `machine` is an id that the machine chose and keeps: a repeated call uses up nothing.

    Raises:
        EnrolmentEnded, EnrolledWorkerDisabled, TooManyEnrolments
    """
    locked = Enrolment.objects.select_for_update().get(pk=enrolment.pk)
    if locked.revoked_at is not None:  # since its token was looked up
        raise EnrolmentEnded
    actor = enrolment_actor(locked)
    worker = Worker.objects.filter(enrolment=locked, machine=machine).first()
    if worker is None:
        worker = _new_worker(locked, machine, actor)
    elif not worker.enabled:
        audit_log.refused("enrolment.refused", actor=actor, worker=str(worker.pk), reason="disabled")
        raise EnrolledWorkerDisabled
    return _mint(locked, worker, actor)


@transaction.atomic
def renew(*, worker: Worker) -> MintedToken:
    """A new token for a worker that enrolled; the one it has lives on until its end.

    Raises:
        NotRenewable, TooManyEnrolments
    """
    live = Enrolment.objects.select_for_update().filter(workers=worker, revoked_at=None)
    enrolment = live.first()
    if enrolment is None:
        audit_log.refused("renewal.refused", actor=worker_actor(worker.pk), worker=str(worker.pk))
        raise NotRenewable
    return _mint(enrolment, worker, worker_actor(worker.pk))


def _new_worker(enrolment: Enrolment, machine: uuid.UUID, actor: Actor) -> Worker:
    if not enrolment.is_open:
        audit_log.refused("enrolment.refused", actor=actor, uses=enrolment.uses)
        raise EnrolmentEnded
    _check_rate(enrolment)
    Enrolment.objects.filter(pk=enrolment.pk).update(uses=F("uses") + 1)
    name = _free_name(enrolment, enrolment.uses + 1)
    worker = Worker.objects.create(name=name, engines=enrolment.engines, enrolment=enrolment, machine=machine)
    audit_log.after_commit("worker.enrolled", actor=actor, worker=str(worker.pk), use=enrolment.uses + 1)
    return worker


def _free_name(enrolment: Enrolment, number: int) -> str:
    name = f"{enrolment.name[: NAME_LENGTH - 9]} {number}"
    is_taken = Worker.objects.filter(name=name).exists()
    return f"{name} {uuid.uuid4().hex[:4]}"[:NAME_LENGTH] if is_taken else name


def _mint(enrolment: Enrolment, worker: Worker, actor: Actor) -> MintedToken:
    _check_rate(enrolment)
    lifetime = timedelta(hours=enrolment.token_hours)
    expires_at = timezone.now() + lifetime
    raw = tokens.issue_worker_token(worker=worker, actor=actor, expires_at=expires_at)
    _delete_ended(worker)
    return MintedToken(worker, raw, expires_at, round(lifetime.total_seconds()))


def _check_rate(enrolment: Enrolment) -> None:
    """In the database, so for all web processes together."""
    a_minute_ago = timezone.now() - timedelta(minutes=1)
    recent = WorkerToken.objects.filter(worker__enrolment=enrolment, created_at__gt=a_minute_ago)
    if recent.count() >= MAX_TOKENS_A_MINUTE:
        raise TooManyEnrolments


def _delete_ended(worker: Worker) -> None:
    newest = WorkerToken.objects.filter(worker=worker).order_by("-created_at", "-id")
    ended = newest.values_list("pk", flat=True)[KEPT_TOKENS:]
    WorkerToken.objects.filter(pk__in=list(ended)).delete()


@transaction.atomic
def revoke_enrolments(enrolments: QuerySet[Enrolment], *, actor: Actor, with_tokens: bool) -> list[Enrolment]:
    """Let no machine enrol or renew with these any more; returns those that were live.

    `with_tokens`: also end the tokens of their workers at once, those of revoked enrolments included.
    """
    chosen = list(enrolments.values_list("pk", flat=True))
    revoked = tokens.revoke(Enrolment.objects.filter(pk__in=chosen), actor=actor)
    if with_tokens:
        tokens.revoke(WorkerToken.objects.filter(worker__enrolment__in=chosen), actor=actor)
    return revoked
