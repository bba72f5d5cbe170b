"""Several prompts at once: a job each, in one transaction, counted before Make."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generation.models import Image, Job, UserQuota
from tests.factories import make_job, make_reference
from tests.workspace.test_composer import JSON, SUBMIT, asked, with_reference

FORECAST = "/workspace/forecast"


def submitted(client: Client, prompt: str, **fields: object) -> dict[str, Any]:
    answer = client.post(SUBMIT, asked(prompt=prompt, **fields), headers=JSON)
    return {"status": answer.status_code, **answer.json()}


def test_each_prompt_becomes_a_job_of_its_own(signed_in: Client, owner: User) -> None:
    picture = make_reference(owner)
    fields: dict[str, object] = {
        "one_per_line": "on",
        "quantity": "3",
        "new_project": "Foxes",
        "seed": "0",
        "key": "k",
    }
    fields |= with_reference(f"reference:{picture.pk}")
    answer = submitted(signed_in, "a {red|blue} fox\n\nan owl", **fields)
    jobs = list(Job.objects.order_by("id"))
    assert [job.prompt for job in jobs] == ["a red fox", "a blue fox", "an owl"]
    assert answer["jobs"] == [str(job.pk) for job in jobs]
    for job in jobs:
        assert [(image.image_index, image.seed) for image in job.slots] == [(0, 0), (1, 1), (2, 2)]
        assert [used.reference_id for used in job.sorted_references] == [picture.pk]
        assert (job.project.name, job.seed) == ("Foxes", 0)
    # In the queue as if they had come one after another, and each change with a number of its own.
    assert [job.fair_tag - jobs[0].fair_tag for job in jobs] == [0, 15, 30]
    revisions = [number for job in jobs for number in (job.revision, *(slot.revision for slot in job.slots))]
    assert revisions == list(range(revisions[0], revisions[0] + 12))
    page = signed_in.get("/").content.decode()
    assert len(answer["stacks"]) == 3
    assert all(stack["html"].strip() in page for stack in answer["stacks"])


def test_one_key_covers_all_of_them(signed_in: Client) -> None:
    """pitfall 15"""
    first, again = (submitted(signed_in, "{a|b|c}", key="k") for _ in range(2))
    assert first["jobs"] == again["jobs"]
    assert Job.objects.count() == 3
    submitted(signed_in, "{a|b|d}", key="k")
    assert Job.objects.count() == 6


def test_all_are_made_or_none(signed_in: Client, owner: User) -> None:
    UserQuota.objects.create(owner=owner, active_jobs=3)
    make_job(owner)
    refused = submitted(signed_in, "{a|b|c}", new_project="Foxes")
    assert refused["errors"]["__all__"] == [
        "You may have 3 jobs waiting or running, so there is room for 2, not for 3."
    ]
    long = submitted(signed_in, "fine\n" + "x" * 4001, one_per_line="on")
    assert long["errors"]["prompt"][0].startswith("Prompt 2 of 2: At most 4,000 characters")
    assert Job.objects.count() == 1
    assert not owner.projects.filter(is_default=False).exists()
    assert submitted(signed_in, "{a|b}")["status"] == 200
    page = signed_in.post(SUBMIT, asked(prompt="{a|{b|c}}"))
    assert page.status_code == 422
    assert "{a|{b|c}}</textarea>" in page.content.decode()


def test_more_cost_no_more_queries(signed_in: Client) -> None:
    """But for SQLite, which takes 999 values in a statement."""
    submitted(signed_in, "x")
    counts = []
    for prompt in ("{a|b}", "{" + "|".join(map(str, range(20))) + "}"):
        with CaptureQueriesContext(connection) as queries:
            submitted(signed_in, prompt)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + (connection.vendor == "sqlite")
    assert Image.objects.count() == 23


def test_without_a_script_it_says_how_many_were_made(signed_in: Client) -> None:
    page = signed_in.post(SUBMIT, asked(prompt="a\nb", one_per_line="on"), follow=True)
    assert "Made 2 jobs." in page.content.decode()
    assert page.context["form"].initial["one_per_line"] == "on"


@pytest.mark.parametrize(
    ("prompt", "says"),
    [("{a|b|c}", "Make 3 jobs"), ("a\nb", "Make 2 jobs"), ("a", "Make"), ("{a|{b|c}}", "Make")],
)
def test_the_count_before_make_is_that_of_the_jobs(signed_in: Client, prompt: str, says: str) -> None:
    asked_for = {"job_type": "sdxl_image_fast", "quantity": 1, "prompt": prompt, "one_per_line": "on"}
    answer = signed_in.post(FORECAST, asked_for).json()
    made = submitted(signed_in, prompt, one_per_line="on").get("jobs", [])
    assert (answer["make"], answer["refused"]) == (says, not made)
    assert says.removeprefix("Make").removesuffix(" jobs").strip() in ("", str(len(made)))


def test_what_the_limits_refuse_is_said_before_make(signed_in: Client, owner: User) -> None:
    UserQuota.objects.create(owner=owner, active_jobs=2)
    answer = signed_in.post(FORECAST, {"job_type": "sdxl_image_fast", "quantity": 1, "prompt": "{a|b|c}"})
    assert answer.json()["refused"]
    assert "room for 2, not for 3" in answer.json()["text"]
    assert not Job.objects.exists()


def test_a_prompt_with_braces_used_again_means_itself(signed_in: Client, owner: User) -> None:
    job = make_job(owner, prompt="a {red|blue} fox")
    again = signed_in.get(f"/?from={job.pk}").context["form"].initial["prompt"]
    submitted(signed_in, again)
    assert [job.prompt for job in Job.objects.all()] == ["a {red|blue} fox"] * 2
