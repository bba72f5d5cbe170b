"""A job made again: as it was, or varied; once for each press, and only if nothing of it is gone."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from generation.catalog.submission import ReferenceInput
from generation.models import Asset, Job, Reference
from tests import acting
from tests.factories import (
    call_back,
    completed,
    fresh,
    lease_next,
    make_job,
    make_reference,
    make_user,
    make_worker,
)

JSON = {"Accept": "application/json"}
KEPT = (
    *("job_type", "pool", "prompt", "negative_prompt", "quantity", "aspect", "width", "height"),
    *("parameters", "project_id", "review"),
)


def menu_urls(client: Client, job: Job) -> tuple[str, str]:
    """Where the menu's "Run again" and "Vary" lead."""
    menu = client.get(f"/workspace/jobs/{job.pk}/menu", headers={"X-Fragment": "1"}).content.decode()
    again, vary = re.findall(r'formaction="([^"]+/run-again[^"]+)"', menu)
    return again.replace("&amp;", "&"), vary.replace("&amp;", "&")


def seeds(job: Job) -> list[int]:
    return [asset.seed for asset in fresh(job).slots]


def with_style(owner: User, **asked: Any) -> Job:
    style = ReferenceInput(type="style", strength=0.25, reference=make_reference(owner).pk)
    return make_job(owner, negative_prompt="fog", aspect="16:9", references=[style], **asked)


def test_each_press_makes_one_job_like_the_first(signed_in: Client, owner: User) -> None:
    """Pitfall 8: seed 0, and the seeds that the server chose."""
    for asked in ({"quantity": 3}, {"seed": 0, "review": True}):
        job = with_style(owner, **asked)
        again, vary = menu_urls(signed_in, job)
        answers = [signed_in.post(url, headers=JSON).json() for url in (again, again, vary, vary)]
        assert all(answer["ok"] for answer in answers)
        same, varied = Job.objects.filter(pk__gt=job.pk).order_by("pk")
        for name in KEPT:
            assert getattr(same, name) == getattr(varied, name) == getattr(job, name), name
        [used] = same.references.all()
        assert (used.type, used.strength, used.reference_id) == (
            *("style", 0.25),
            job.references.get().reference_id,
        )
        assert seeds(same) == seeds(job)
        assert seeds(varied) != seeds(job)
        signed_in.post(menu_urls(signed_in, job)[0], headers=JSON)
        assert Job.objects.filter(pk__gt=varied.pk).count() == 1, "a menu opened anew is another press"
        signed_in.post(answers[0]["undo"]["url"], headers=JSON)
        assert fresh(same).status == "cancelled"


def test_what_runs_has_ended_or_lost_a_result_is_made_again(signed_in: Client, owner: User) -> None:
    job = make_job(owner, quantity=3)
    leased, third = lease_next(make_worker()), seeds(job)[2]
    for again in range(1, 4):
        assert signed_in.post(f"/workspace/jobs/{job.pk}/run-again", headers=JSON).json()["ok"]
        made = Job.objects.order_by("-pk")[0]
        assert seeds(made)[2] == third
        if again == 1:
            call_back(leased, *[completed(leased, slot) for slot in range(3)])
        elif again == 2:
            Asset.objects.filter(job=job, image_index__lt=2).delete()
    Asset.objects.filter(job=job).delete()
    refused = signed_in.post(f"/workspace/jobs/{job.pk}/run-again", headers=JSON)
    assert (refused.status_code, "Its seed went with its results" in refused.json()["message"]) == (409, True)
    assert signed_in.post(f"/workspace/jobs/{job.pk}/run-again?vary=1", headers=JSON).json()["ok"]


def test_what_is_gone_is_named_and_nothing_else_is_made(signed_in: Client, owner: User) -> None:
    """Pitfall 19"""
    job = with_style(owner)
    acting.cancel(owner_id=owner.pk, job_id=job.pk)
    Reference.objects.all().delete()
    refused = signed_in.post(f"/workspace/jobs/{job.pk}/run-again?vary=1", headers=JSON)
    assert refused.status_code == 409
    assert refused.json()["message"] == "Its style reference was removed, so it cannot be made again."
    Job.objects.filter(pk=job.pk).update(aspect="7:5", pool=job.job_type)
    refused = signed_in.post(f"/workspace/jobs/{job.pk}/run-again", headers=JSON)
    assert "SDXL fast has the aspect ratios" in refused.json()["message"]
    assert Job.objects.count() == 1


def test_strangers_find_nothing_and_odd_keys_are_no_keys(signed_in: Client, owner: User) -> None:
    foreign = make_job(make_user())
    assert signed_in.post(f"/workspace/jobs/{foreign.pk}/run-again", headers=JSON).status_code == 404
    job = make_job(owner)
    for key in ("%00" * 32, "x", "9" * 5000, "%ED%A0%80"):
        assert signed_in.post(f"/workspace/jobs/{job.pk}/run-again?key={key}", headers=JSON).json()["ok"]
