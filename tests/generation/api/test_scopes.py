"""What a personal token may do: each method of each view names its scope, and nothing else is allowed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from generation.access.principals import session_principal
from generation.api import urls
from generation.api.permissions import HasScope
from generation.api.views.not_found import NotFoundView
from generation.http.views import ApiView
from generation.models import PersonalToken, Project, Scope
from tests.acting import issue_personal_token
from tests.factories import make_job
from tests.generation.api.conftest import JSONClient

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def view_of(pattern: Any) -> Any:
    return pattern.callback.view_class


def declared() -> Iterator[tuple[str, str, str]]:
    """Name, method and scope of every operation."""
    for pattern in urls.urlpatterns:
        view = view_of(pattern)
        for method in METHODS:
            if view is not NotFoundView and hasattr(view, method.lower()):
                yield str(pattern.name), method, str(view.required_scopes.get(method, ""))


OPERATIONS = sorted(declared())


def path_of(name: str) -> str:
    pattern = next(each for each in urls.urlpatterns if each.name == name)
    return reverse(f"api:{name}", kwargs=dict.fromkeys(pattern.pattern.converters, uuid.uuid4()))


def client_with(owner: User, *scopes: str) -> JSONClient:
    token = issue_personal_token(owner_id=owner.pk, name="test", scopes=scopes)
    return JSONClient(HTTP_AUTHORIZATION=f"Bearer {token}")


def test_every_operation_declares_its_scope() -> None:
    assert len(OPERATIONS) > 25
    assert [operation for operation in OPERATIONS if operation[2] not in Scope.values] == []


def test_reading_reads_and_nothing_else() -> None:
    for name, method, scope in OPERATIONS:
        assert (method == "GET") is (scope == Scope.READ), name


def test_every_view_but_the_404_asks_for_scopes() -> None:
    for pattern in urls.urlpatterns:
        view = view_of(pattern)
        assert (HasScope in view.permission_classes) is (view is not NotFoundView), pattern


@pytest.mark.parametrize(("name", "method", "needed"), OPERATIONS)
def test_a_token_is_refused_what_its_scopes_leave_out(
    owner: User, name: str, method: str, needed: str
) -> None:
    others = [scope for scope in Scope.values if scope != needed]
    answer: Any = getattr(client_with(owner, *others), method.lower())(path_of(name))

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert f"“{needed}”" in answer.json()["detail"]
    assert f'error="insufficient_scope", scope="{needed}"' in answer["WWW-Authenticate"]

    answer = getattr(client_with(owner, needed), method.lower())(path_of(name))
    assert answer.status_code not in (401, 403)


def test_head_reads(owner: User) -> None:
    assert client_with(owner, "read").head("/api/v1/me").status_code == 200
    assert client_with(owner, "submit", "manage").head("/api/v1/me").status_code == 403


def test_what_is_refused_changes_nothing(owner: User) -> None:
    job = make_job(owner)
    answer = client_with(owner, "read", "manage").post(f"/api/v1/jobs/{job.pk}/cancel")
    assert answer.status_code == 403
    job.refresh_from_db()
    assert job.status == "queued"
    assert (
        client_with(owner, "read", "submit").post("/api/v1/projects", {"name": "Harbour"}).status_code == 403
    )
    assert not Project.objects.filter(name="Harbour").exists()


def test_a_method_that_is_not_there_is_405_as_ever(owner: User) -> None:
    assert client_with(owner, "read").delete("/api/v1/jobs").status_code == 405


def test_a_view_that_declares_nothing_is_closed_to_everybody(owner: User) -> None:
    class Forgetful(ApiView):
        def get(self, request: Any) -> Response:
            return Response({})

    request = APIRequestFactory().get("/")
    principal: Any = session_principal(owner)
    force_authenticate(request, owner, principal)
    assert Forgetful.as_view()(request).status_code == 403


def test_the_schema_names_the_scopes_and_the_refusal() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    users = {path: calls for path, calls in schema["paths"].items() if "/worker/" not in path}
    found = [
        (call["x-required-scope"], "403" in call["responses"], f"`{call['x-required-scope']}`")
        for calls in users.values()
        for call in calls.values()
    ]
    assert len(found) == len(OPERATIONS)
    assert all(is_told for _, is_told, _ in found)
    assert {scope for scope, *_ in found} == set(Scope.values)


@pytest.mark.parametrize("path", ["/", "/account/", "/library/", "/admin/", "/media/image/{id}/file"])
def test_a_token_opens_no_page_and_no_pages_media(owner: User, path: str) -> None:
    token = issue_personal_token(owner_id=owner.pk, name="test")
    browser = Client(headers={"Authorization": f"Bearer {token}"})
    answer = browser.get(path.format(id=uuid.uuid4()))
    assert answer.status_code in (302, 404)
    assert answer.get("Location", "/sign-in/").startswith(("/sign-in/", "/admin/login/"))


def test_an_expired_token_is_refused(mine: JSONClient) -> None:
    """pitfall 52"""
    assert mine.get("/api/v1/me").status_code == 200
    PersonalToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = mine.get("/api/v1/me")
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def test_a_token_lives_a_year_at_most(owner: User) -> None:
    issue_personal_token(owner_id=owner.pk, name="test")
    token = PersonalToken.objects.get()
    assert timedelta(days=364) < token.expires_at - timezone.now() <= timedelta(days=365)


def test_a_token_says_when_and_from_where_it_was_used_last(owner: User) -> None:
    client = client_with(owner, "read")
    assert PersonalToken.objects.get().last_used_at is None
    client.get("/api/v1/me", REMOTE_ADDR="192.0.2.7")
    token = PersonalToken.objects.get()
    assert (token.last_used_from, timezone.now() - token.last_used_at < timedelta(hours=1)) == (
        "192.0.2.7",
        True,
    )


@pytest.mark.parametrize(
    ("hours", "address", "is_written"),
    [(0, "192.0.2.7", False), (0, "192.0.2.8", False), (1, "192.0.2.8", True), (25, "192.0.2.7", True)],
)
def test_a_use_is_written_once_a_day_or_when_the_address_changes(
    owner: User, hours: int, address: str, is_written: bool
) -> None:
    client = client_with(owner, "read")
    client.get("/api/v1/me", REMOTE_ADDR="192.0.2.7")
    used = timezone.now() - timedelta(hours=hours)
    PersonalToken.objects.update(last_used_at=used)
    client.get("/api/v1/me", REMOTE_ADDR=address)
    assert (PersonalToken.objects.get().last_used_at != used) is is_written
