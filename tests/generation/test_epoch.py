"""A restored database counts its revisions again: who read it before must not take them for what it knows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from generation.changes import feed
from generation.models import Uptime
from generation.queue import reap_hold
from tests.factories import make_job
from workspace.consumers import WorkspacePage


def restore_a_copy(seconds: float = 3600) -> None:
    """The database is that of so many seconds ago, and serving begins."""
    Uptime.objects.update(last_beat_at=timezone.now() - timedelta(seconds=seconds))
    reap_hold.beat()


def test_a_script_with_a_revision_from_before_the_restore_loads_everything(owner: User) -> None:
    """Also when the numbers have passed its own meanwhile: those say other things."""
    api = APIClient()
    api.force_authenticate(owner)
    reap_hold.beat()
    make_job(owner)
    me = api.get("/api/v1/me").json()
    known = {"after": me["revision"], "epoch": me["epoch"]}
    assert api.get("/api/v1/changes", known).json()["epoch"] == me["epoch"] != ""

    restore_a_copy()
    make_job(owner)

    refused = api.get("/api/v1/changes", known)
    assert (refused.status_code, refused.json()["code"]) == (410, "reload")
    without = api.get("/api/v1/changes", {"after": me["revision"]})
    assert without.status_code == 200, "a script that knows no epoch is answered as before"
    assert without.json()["epoch"] != me["epoch"]


@pytest.mark.parametrize("path", ["/", "/library/", "/library/trash/"])
def test_a_page_and_its_socket_name_the_same_epoch(owner: User, path: str) -> None:
    page = Client()
    page.force_login(owner)
    reap_hold.beat()
    make_job(owner)
    first = feed.position(owner.pk).epoch
    assert f'data-epoch="{first}" data-revision=' in page.get(path).content.decode()
    restore_a_copy()
    second = feed.position(owner.pk).epoch
    assert f'"epoch": "{second}"' in WorkspacePage(owner.pk).update(0).text
    assert first != second


def test_a_restart_begins_no_epoch(owner: User) -> None:
    reap_hold.beat()
    make_job(owner)
    before = feed.position(owner.pk)
    restore_a_copy(seconds=30)
    assert feed.position(owner.pk) == before
