from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_user


@pytest.fixture
def owner(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def signed_in(owner: User) -> Client:
    """A browser in which `owner` is signed in."""
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def stranger(db: None) -> Client:
    client = Client()
    client.force_login(make_user("mallory"))
    return client
