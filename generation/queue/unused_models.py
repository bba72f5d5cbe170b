"""Models that nobody has any more, that no job names and that no operator has touched.

With such a row nothing is lost, and without a bound a worker could add as many as it can think of names
(docs/decisions/0055-rows-of-models-that-nobody-has.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from generation.models import Model
from generation.models.model import ModelQuerySet

UNUSED_AGE = timedelta(days=7)
MAX_UNUSED = 256  # the newest; those beyond them go at once
BATCH = 200  # more than one worker can give up in one call


def delete_old(named: QuerySet[Any], limit: int = BATCH) -> int:
    """Delete those that nobody has had for UNUSED_AGE; not those whose name is in `named`."""
    old = Model.objects.unused().filter(last_seen_at__lt=timezone.now() - UNUSED_AGE)
    return _delete(old.exclude(name__in=named).order_by("last_seen_at", "pk")[:limit])


def delete_surplus(limit: int = BATCH) -> int:
    """Delete those before the newest MAX_UNUSED."""
    newest_first = Model.objects.unused().order_by("-last_seen_at", "-pk")
    return _delete(newest_first[MAX_UNUSED : MAX_UNUSED + limit])


@transaction.atomic
def _delete(unused: ModelQuerySet) -> int:
    """What a worker advertises meanwhile is locked, or is seen to be used by the second query."""
    ids: Sequence[Any] = list(unused.values_list("pk", flat=True))
    locked = Model.objects.filter(pk__in=ids).order_by("name").select_for_update(skip_locked=True)
    mine = list(locked.values_list("pk", flat=True))
    going = list(Model.objects.unused().filter(pk__in=mine).values_list("pk", flat=True))
    Model.objects.filter(pk__in=going).delete()
    return len(going)
