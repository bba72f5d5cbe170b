from __future__ import annotations

from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from generation.models import Job, PersonalToken
from tests.acting import issue_personal_token, issue_worker_token
from tests.factories import make_worker

BODY = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse"}
CALLS = [
    ("get", "/api/v1/jobs"),
    ("post", "/api/v1/jobs"),
    ("get", "/api/v1/assets"),
    ("get", "/api/v1/changes"),
    ("get", "/api/v1/job-types"),
    ("get", "/api/v1/projects"),
    ("get", "/api/v1/me"),
    ("post", "/api/v1/assets/discard"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "url"), CALLS)
def test_nobody_is_told_how_to_sign_in(method: str, url: str) -> None:
    response = getattr(APIClient(), method)(url)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"


def test_a_token_acts_for_its_owner(mine: APIClient, owner: User) -> None:
    answer = mine.get("/api/v1/me").json()

    assert (answer["id"], answer["username"]) == (owner.pk, "ada")


def test_a_revoked_token_is_refused(mine: APIClient) -> None:
    PersonalToken.objects.update(revoked_at=timezone.now())

    assert mine.get("/api/v1/me").status_code == 401


def test_a_token_of_somebody_who_left_is_refused(mine: APIClient, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)

    assert mine.get("/api/v1/me").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer ovu_wrong", "bearer a b", "Bearer caf\xe9", "Basic YTpi", "ovu_x"]
)
def test_a_wrong_header_is_refused(header: str) -> None:
    assert APIClient(HTTP_AUTHORIZATION=header).get("/api/v1/me").status_code == 401


@pytest.mark.django_db
def test_a_workers_token_opens_nothing_of_a_persons() -> None:
    token = issue_worker_token(make_worker())

    assert APIClient(HTTP_AUTHORIZATION=f"Bearer {token}").get("/api/v1/me").status_code == 401


def test_only_the_hash_of_a_token_is_kept(owner: User) -> None:
    raw = issue_personal_token(owner_id=owner.pk, name="test")

    kept = PersonalToken.objects.values().get()
    assert raw not in str(kept)


def test_a_session_reads_without_a_token(owner: User) -> None:
    client = APIClient()
    client.login(username="ada", password="a good long password")

    assert client.get("/api/v1/me").json()["username"] == "ada"


def test_a_session_writes_only_with_the_csrf_token(owner: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.login(username="ada", password="a good long password")

    response = client.post("/api/v1/jobs", BODY, format="json")

    assert response.status_code == 403
    assert not Job.objects.exists()

    client.cookies["csrftoken"] = "a" * 32
    assert client.post("/api/v1/jobs", BODY, format="json", HTTP_X_CSRFTOKEN="a" * 32).status_code == 201


def test_a_database_that_is_away_asks_to_try_again(mine: APIClient) -> None:
    with patch(
        "generation.jobs.listing.all_jobs", side_effect=OperationalError("connection refused: secret host")
    ):
        response = mine.get("/api/v1/jobs")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert "secret" not in response.content.decode()


def test_no_cache_keeps_what_the_api_answers(owner: User) -> None:
    """A proxy or the back button would show it to the next one who sits here."""
    client = APIClient()
    client.force_login(owner)
    for path in ("/api/v1/me", "/api/v1/jobs", "/api/v1/nowhere"):
        assert client.get(path).headers["Cache-Control"] == "private, no-store"
