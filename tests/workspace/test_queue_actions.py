"""An owner's hand on the queue, by the page's plain buttons and as open pages hear of it."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.models import Job
from tests import acting
from tests.factories import fresh, lease_next, make_job, make_user, make_worker

JSON = {"Accept": "application/json"}


def shown(client: Client) -> list[str]:
    """The waiting jobs' prompts, as the page lists them."""
    return [stack.job.prompt for stack in client.get("/").context["waiting"]]


def heard(client: Client, owner: User, after: int) -> dict[str, str]:
    """What an open page gets: the HTML by the ids of stacks and parts."""
    message = client.get(f"/workspace/changes?after={after}&user={owner.pk}").json()
    jobs = {f"stack-{job['id']}": job["html"] for job in message["jobs"]}
    return jobs | {part["id"]: part["html"] for part in message["parts"]}


def test_a_pause_is_said_everywhere_and_ended_by_one_press(signed_in: Client, owner: User) -> None:
    job, foreign = make_job(owner), make_job(make_user())
    before = fresh(job).slots[0].revision
    assert 'formaction="/workspace/pause">Pause</button>' in signed_in.get("/").content.decode()
    answer = signed_in.post("/workspace/pause", follow=True)
    html = answer.content.decode()
    assert "<strong>Your queue is paused</strong>" in html
    assert "waits: your queue is paused" in html
    assert (fresh(job).held_at is None, fresh(foreign).held_at) == (False, None)
    news = heard(signed_in, owner, before)
    assert "Your queue is paused" in news["work"]
    assert 'formaction="/workspace/resume">Resume</button>' in news["work"]
    assert "your queue is paused" in news[f"stack-{job.pk}"]
    asked = "/workspace/forecast?job_type=sdxl_image_fast&quantity=1"
    assert signed_in.get(asked).json()["text"] == "would wait: your queue is paused"

    acting.cancel(owner_id=owner.pk, job_id=job.pk)
    html = signed_in.get("/").content.decode()
    assert "Your queue is paused" in html, "also when nothing waits"
    made = make_job(owner)
    assert made.held_at
    assert signed_in.post("/workspace/resume", headers=JSON).json()["message"] == "Your queue goes on."
    assert fresh(made).held_at is None
    assert "Your queue is paused" not in signed_in.get("/").content.decode()


def test_a_waiting_job_is_moved_by_its_menu_and_open_pages_follow(signed_in: Client, owner: User) -> None:
    running = make_job(owner)
    lease_next(make_worker())
    first, second, third = (make_job(owner, prompt=name) for name in "abc")
    menu = signed_in.get(f"/workspace/jobs/{third.pk}/menu").content.decode()
    for place in ("first", "up", "down", "last"):
        assert f'formaction="/workspace/jobs/{third.pk}/move?to={place}"' in menu
    assert "/move?" not in signed_in.get(f"/workspace/jobs/{running.pk}/menu").content.decode()

    at = third.slots[0].revision
    answer = signed_in.post(f"/workspace/jobs/{third.pk}/move?to=first", follow=True)
    assert "Moved: number 1 of your 3 that wait." in answer.content.decode()
    assert shown(signed_in) == ["c", "a", "b"]
    news = heard(signed_in, owner, at)
    keys = {name: news[f"stack-{job.pk}"] for name, job in (("c", third), ("a", first), ("b", second))}
    assert sorted(keys, key=lambda name: keys[name].split('data-key="')[1]) == ["c", "a", "b"]
    answer = signed_in.post(f"/workspace/jobs/{second.pk}/move?before={first.pk}", headers=JSON).json()
    assert answer["message"] == "Moved: number 2 of your 3 that wait."
    assert shown(signed_in) == ["c", "b", "a"]
    answer = signed_in.post(f"/workspace/jobs/{running.pk}/move?to=last", headers=JSON)
    assert (answer.status_code, "does not wait" in answer.json()["message"]) == (409, True)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "to=sideways",
        "to=first&before=x",
        "before=%00",
        f"to=up&before={uuid.uuid4()}",
        "before=" + "9" * 5000,
    ],
)
def test_a_move_to_nowhere_is_no_address(signed_in: Client, owner: User, query: str) -> None:
    job = make_job(owner)
    assert signed_in.post(f"/workspace/jobs/{job.pk}/move?{query}", headers=JSON).status_code == 404


def test_strangers_jobs_are_neither_moved_nor_stood_before(signed_in: Client, owner: User) -> None:
    job, foreign = make_job(owner), make_job(make_user())
    for url in (f"{foreign.pk}/move?to=first", f"{job.pk}/move?before={foreign.pk}"):
        assert signed_in.post(f"/workspace/jobs/{url}", headers=JSON).status_code == 404
    assert Job.objects.filter(revision=foreign.revision, pk=foreign.pk).exists()
