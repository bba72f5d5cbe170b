"""What one user may store."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from generation.access.quotas import StorageFull
from generation.maintenance import cleanup
from generation.models import Asset, UserQuota, Worker
from tests.acting import discard, retry
from tests.factories import call_back, complete, completed, failed, lease_next, make_job, make_user


def test_at_the_limit_nothing_new_is_submitted_and_what_runs_is_taken(
    owner: User, worker: Worker, settings: LazySettings
) -> None:
    settings.STORAGE_QUOTA_BYTES = 1
    make_job(owner, quantity=3)
    leased = lease_next(worker)
    call_back(leased, completed(leased, 0), status="processing")

    with pytest.raises(StorageFull, match="take the 1\xa0byte that you may store"):
        make_job(owner)
    assert call_back(leased, completed(leased, 1), failed(leased, 2)).accepted == [1, 2]
    assert Asset.objects.completed().count() == 2
    with pytest.raises(StorageFull):
        retry(owner_id=owner.pk, job_id=leased.pk)
    make_job(make_user())


def test_what_leaves_the_trash_makes_room(owner: User, worker: Worker, settings: LazySettings) -> None:
    settings.STORAGE_QUOTA_BYTES = 1
    settings.TRASH_DAYS = 0
    (image,) = complete(make_job(owner), worker)
    discard(owner_id=owner.pk, assets=[image.pk])
    with pytest.raises(StorageFull):
        make_job(owner)
    cleanup.purge_trash()
    make_job(owner)


@pytest.mark.parametrize(
    ("site", "own", "fits"), [(0, None, True), (1, 0, True), (0, 1, False), (1, 10**6, True)]
)
def test_a_users_own_quota_beats_the_sites(
    owner: User, worker: Worker, settings: LazySettings, site: int, own: int | None, fits: bool
) -> None:
    settings.STORAGE_QUOTA_BYTES = site
    UserQuota.objects.create(owner=owner, active_jobs=5, storage_bytes=own)
    complete(make_job(owner), worker)
    if fits:
        make_job(owner)
    else:
        with pytest.raises(StorageFull):
            make_job(owner)


def test_the_api_and_the_pages_say_so(owner: User, worker: Worker, settings: LazySettings) -> None:
    settings.STORAGE_QUOTA_BYTES = 1
    complete(make_job(owner), worker)
    api, page = APIClient(), Client()
    api.force_authenticate(owner)
    page.force_login(owner)

    refused = api.post("/api/v1/jobs", {"job_type": "image_fast", "prompt": "a pier"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (429, "storage_full")
    asked = {"media": "image", "quality": "fast", "quantity": "1", "prompt": "a pier"}
    assert "that you may store" in page.post("/workspace/submit", asked).content.decode()
    stored = Asset.objects.get().byte_size
    assert f"<strong>{stored}\xa0bytes</strong> of the 1\xa0byte that you may store" in (
        page.get("/account/").content.decode()
    )
