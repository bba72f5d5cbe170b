from __future__ import annotations

from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.acting import issue_personal_token
from tests.factories import make_user


class JSONClient(APIClient):
    default_format = "json"

    def send(self, method: str, url: str, body: bytes, content_type: str = "application/json") -> Any:
        """Exactly these bytes."""
        return self.generic(method, url, cast("str", body), content_type=content_type)


def client_of(owner: User) -> JSONClient:
    """A client that signs in with a fresh personal token."""
    token = issue_personal_token(owner_id=owner.pk, name="test")
    return JSONClient(HTTP_AUTHORIZATION=f"Bearer {token}")


@pytest.fixture
def owner(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def mine(owner: User) -> JSONClient:
    return client_of(owner)


@pytest.fixture
def stranger(db: None) -> JSONClient:
    return client_of(make_user("mallory"))
