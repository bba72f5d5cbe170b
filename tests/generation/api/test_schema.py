from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator


def test_the_schema_is_valid_and_free_of_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True)

    assert "openapi: 3" in capsys.readouterr().out


def test_both_tokens_and_the_lease_call_are_described() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    assert {"personalToken", "workerToken", "cookieAuth"} <= set(schema["components"]["securitySchemes"])
    lease = schema["paths"]["/api/v1/worker/lease"]["post"]
    assert lease["security"] == [{"workerToken": []}]
    assert {"200", "204", "401", "422"} <= set(lease["responses"])


def test_every_call_says_what_it_does_and_how_it_refuses() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    for path, calls in schema["paths"].items():
        for call in calls.values():
            assert call.get("description"), path
            assert {"401", "413", "429", "503"} <= set(call["responses"]), path
    assert "304" in schema["paths"]["/api/v1/jobs"]["get"]["responses"]
    assert "304" not in schema["paths"]["/api/v1/images/{asset_id}/file"]["get"]["responses"]


@pytest.mark.django_db
def test_the_browsable_page_has_nothing_inline_and_nothing_foreign() -> None:
    response = Client().get("/api/docs/")
    page = response.content.decode()

    assert response.status_code == 200
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith("/") and not address.startswith("//") for address in addresses)


@pytest.mark.django_db
def test_the_schema_is_served() -> None:
    assert Client().get("/api/schema/", HTTP_ACCEPT="application/json").json()["info"]["title"] == "OurVidz"


def test_the_schema_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for it, and each making takes a second of CPU."""
    asked = [Client().get("/api/schema/", HTTP_ACCEPT=kind) for kind in ("application/json", "*/*")]
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)
    again = [Client().get("/api/schema/", HTTP_ACCEPT=kind) for kind in ("application/json", "*/*")]
    assert [one.content for one in asked] == [one.content for one in again]
    assert again[1].content.startswith(b"openapi:")
