from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from generation.assets.search import index
from generation.models import Asset, Image
from tests import factories

# What asks whether there are embeddings: SQLite never has any.
EMBEDDING_QUERIES = int(connection.vendor == "postgresql")


@pytest.fixture
def owner(db: None) -> User:
    return factories.make_user("owner")


@pytest.fixture
def reader(owner: User) -> Client:
    """The owner's browser."""
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def stranger(db: None) -> Client:
    client = Client()
    client.force_login(factories.make_user("stranger"))
    return client


def made(owner: User, prompt: str = "a lighthouse", **submission: Any) -> list[Asset]:
    """Completed assets in the Library."""
    return factories.complete(factories.make_job(owner, prompt=prompt, **submission))


def many(owner: User, count: int, *, days_apart: int = 0) -> list[Image]:
    """`count` saved images, the newest first; with `days_apart` 0 all at the same moment."""
    [first] = made(owner, quantity=1)
    now = timezone.now()
    template = Image.objects.get(pk=first.pk)
    rows = []
    for number in range(count):
        row = Image(**{f.attname: getattr(template, f.attname) for f in Image._meta.concrete_fields})
        row.pk, row.image_index = Image._meta.pk.get_default(), 100 + number
        row.saved_at = now - timedelta(days=days_apart * number)
        rows.append(row)
    Image.objects.filter(pk=first.pk).delete()
    Image.objects.bulk_create(rows)
    index.refresh(asset_ids=[row.pk for row in rows])
    return sorted(rows, key=lambda row: (row.saved_at, row.pk), reverse=True)


def shown(html: str) -> list[str]:
    """The ids of the tiles, in the page's order."""
    return re.findall(r'data-tile [^>]*data-id="([^"]+)"', html)


def headings(html: str) -> list[str]:
    return re.findall(r"<h2><time[^>]*>([^<]+)</time></h2>\s*<ul", html)
