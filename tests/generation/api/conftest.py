from __future__ import annotations

from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from generation.access.tokens import find_personal_token
from tests.acting import issue_personal_token
from tests.factories import make_user


class JSONClient(APIClient):
    default_format = "json"

    def send(self, method: str, url: str, body: bytes, content_type: str = "application/json") -> Any:
        """Exactly these bytes."""
        return self.generic(method, url, cast("str", body), content_type=content_type)


def client_of(owner: User) -> JSONClient:
    """A client with a personal token that was used today: the first use of a day costs a query more."""
    token = issue_personal_token(owner_id=owner.pk, name="test")
    find_personal_token(token, used_from="127.0.0.1")
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
