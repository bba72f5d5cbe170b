"""Rate limit for sign-in attempts, against password guessing.

Counted in the database, so for all web processes together, and before the password is looked at, so that
many attempts at once count too. Nobody can lock somebody else out: a name alone is not counted.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import SignInAttempts
from generation.core.text import fold

WINDOW = timedelta(minutes=10)
# Behind one address there may be many people.
ADDRESS_FACTOR = 10


def allow_attempt(*, name: str, address: str) -> bool:
    """Count an attempt; whether it is among the first SIGN_IN_ATTEMPTS of the window.

    Of a name from this address; of an address alone it is ADDRESS_FACTOR as many.
    """
    limit = settings.SIGN_IN_ATTEMPTS
    limits = {_of_name(name, address): limit, _of_address(address): limit * ADDRESS_FACTOR}
    now = timezone.now()
    SignInAttempts.objects.filter(began_at__lte=now - WINDOW).delete()
    # First, so that an address that goes on with ever new names adds no rows.
    if SignInAttempts.objects.filter(pk=_of_address(address), count__gte=limit * ADDRESS_FACTOR).exists():
        return False
    return all(_count(subject, now) <= most for subject, most in limits.items())


def reset_after_success(*, name: str, address: str) -> None:
    """Reset the counter of the name and address after a successful sign-in."""
    SignInAttempts.objects.filter(pk=_of_name(name, address)).delete()
    SignInAttempts.objects.filter(pk=_of_address(address), count__gt=0).update(count=F("count") - 1)


@transaction.atomic
def _count(subject: str, now: datetime) -> int:
    """Count one attempt; returns the number since the window began."""
    attempts = SignInAttempts.objects.filter(pk=subject)
    attempt = SignInAttempts(pk=subject, count=0, began_at=now)
    SignInAttempts.objects.bulk_create([attempt], ignore_conflicts=True)
    attempts.update(count=F("count") + 1)
    return attempts.values_list("count", flat=True).first() or 1


def _of_name(name: str, address: str) -> str:
    return _digest(f"name {fold(name)} from {address}")


def _of_address(address: str) -> str:
    return _digest(f"address {address}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
