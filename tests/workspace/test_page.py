"""The page as plain HTML."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.catalog.submission import ReferenceInput
from generation.jobs.lease import heartbeat
from generation.models import Job, Worker
from tests import acting
from tests.acting import create_project
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    lease_next,
    make_job,
    make_reference,
    make_user,
    make_worker,
)
from workspace.views.page import EXAMPLES


def html(client: Client, path: str = "/") -> str:
    return client.get(path).content.decode()


def test_a_first_visit_teaches_with_three_examples_that_fill_the_composer(signed_in: Client) -> None:
    first = html(signed_in)
    for example in EXAMPLES:
        link = f"/?prompt={quote(example, safe='')}"
        assert f'href="{link}"' in first
        assert f"{example}</textarea>" in html(signed_in, link)


def test_every_slot_has_its_card_from_the_moment_of_submission(signed_in: Client, owner: User) -> None:
    """pitfall 1"""
    job = make_job(owner, quantity=6, aspect="16:9")
    shown = html(signed_in)
    assert shown.count('data-phase="waiting"') == 6
    assert f'id="stack-{job.pk}"' in shown
    assert "--ar:1344/768" in shown, "the final shape is kept from the start"
    for asset in job.slots:
        assert f'id="image-{asset.pk}"' in shown


def test_progress_is_the_jobs_own_and_stands_on_the_slot_in_work(signed_in: Client, owner: User) -> None:
    """pitfall 32"""
    make_job(owner, quantity=3)
    worker = make_worker()
    job = lease_next(worker)
    call_back(job, completed(job, 0), status="processing")
    assert job.lease_token
    heartbeat(worker=worker, job_id=job.pk, lease_token=job.lease_token, progress=42, stage="sketching")
    shown = html(signed_in)
    assert shown.count('data-phase="done"') == 1
    assert shown.count('data-phase="running" style="--p:26%"') == 1, "of the second of three"
    assert shown.count('data-phase="waiting"') == 1
    assert "<b>26 %</b><span>sketching</span>" in shown
    assert "<span>3 of 3</span>" in shown
    assert re.search(r"SDXL fast · 1 of 3, about [789] s left", shown)


def test_each_ending_is_told_in_words(signed_in: Client, owner: User) -> None:
    """pitfall 6"""
    make_job(owner, quantity=3)
    job = lease_next(make_worker())
    call_back(job, completed(job, 0), failed(job, 1), failed(job, 2))
    shown = html(signed_in)
    assert "1 of 3 · 2 failed" in shown
    assert shown.count("The GPU ran out of memory.</span>") == 2
    assert f"/workspace/jobs/{job.pk}/retry" in shown


def test_discarded_results_leave_the_page_and_are_counted(signed_in: Client, owner: User) -> None:
    first, *_ = complete(make_job(owner, quantity=3))
    acting.discard(owner_id=owner.pk, assets=[first.pk])
    shown = html(signed_in)
    assert f"image-{first.pk}" not in shown
    assert "3 of 3 · 1 discarded" in shown


def test_what_is_under_review_can_be_saved_and_discarded_and_not_cleared(
    signed_in: Client, owner: User
) -> None:
    (image,) = complete(make_job(owner, review=True))
    shown = html(signed_in)
    assert f"/workspace/jobs/{image.job_id}/save" in shown
    assert f"/workspace/jobs/{image.job_id}/discard" in shown
    assert f"/workspace/jobs/{image.job_id}/clear" not in shown


def test_the_enhanced_prompt_stands_beside_the_original(signed_in: Client, owner: User) -> None:
    make_job(owner, "image7b_fast_enhanced", "a heron")
    job = lease_next(make_worker())
    call_back(job, completed(job, 0), metadata={"enhanced_prompt": "A grey heron at dawn"})
    assert "A grey heron at dawn" in html(signed_in)


def test_a_prompt_is_text_and_never_markup(signed_in: Client, owner: User) -> None:
    complete(make_job(owner, prompt="<script>alert(1)</script>", negative_prompt='"><img src=x>'))
    shown = html(signed_in)
    assert "<script>alert(1)" not in shown
    assert "<img src=x>" not in shown


def test_a_waiting_job_says_when_no_worker_is_there_for_it(signed_in: Client, owner: User) -> None:
    make_job(owner)
    assert "waits until a worker for it is running" in html(signed_in)


def test_a_waiting_job_says_its_place_in_the_line(signed_in: Client, owner: User) -> None:
    """pitfall 32"""
    worker = make_worker()
    Worker.objects.filter(pk=worker.pk).update(pools=["sdxl_image_fast"], last_seen_at=timezone.now())
    make_job(owner)
    make_job(owner)
    shown = html(signed_in)
    assert "next in line, done in about 5 s" in shown
    assert "number 2 in line, done in about 10 s" in shown


def test_a_delayed_retry_says_what_went_wrong(signed_in: Client, owner: User) -> None:
    make_job(owner)
    job = lease_next(make_worker())
    call_back(job, failed(job, 0, retryable=True))
    assert Job.objects.get().retry_at is not None
    shown = html(signed_in)
    assert "trying again shortly" in shown
    assert "The GPU ran out of memory." in shown


def test_a_job_with_a_reference_shows_it_and_says_when_nobody_can(signed_in: Client, owner: User) -> None:
    """pitfall 19: it waits for a worker that can use the picture, and says so."""
    picture = make_reference(owner)
    asked = [ReferenceInput(type="style", strength=0.3, reference=picture.pk)]
    make_job(owner, references=asked)
    shown = html(signed_in)
    assert "waits: no running worker can use its style reference" in shown
    assert f"/media/reference/{picture.pk}/thumbnail" in shown
    assert "Style 30 %" in shown


def test_using_a_job_again_fills_the_composer_with_all_that_was_asked(signed_in: Client, owner: User) -> None:
    project = create_project(owner_id=owner.pk, name="Northern light")
    job = make_job(
        owner,
        "image7b_high_enhanced",
        "a heron",
        negative_prompt="fog",
        seed=0,
        aspect="16:9",
        project_id=project.pk,
        review=True,
    )
    initial = signed_in.get(f"/?from={job.pk}").context["form"].initial
    assert initial | {"key": ""} == {
        "prompt": "a heron",
        "one_per_line": False,
        "negative_prompt": "fog",
        "media": "image",
        "quality": "high",
        "engine": "",
        "enhance": True,
        "quantity": 1,
        "seed": 0,
        "aspect": "16:9",
        "project": str(project.pk),
        "review": True,
        "references": [],
        "model": "",
        "settings": {},
        "key": "",
    }


@pytest.mark.parametrize("job_type", ["sdxl_image_fast", "image_fast", "video_high", "video7b_fast_enhanced"])
def test_what_is_used_again_makes_the_same_kind_of_job(signed_in: Client, owner: User, job_type: str) -> None:
    first = make_job(owner, job_type, quantity=3 if "sdxl" in job_type else None)
    initial = signed_in.get(f"/?from={first.pk}").context["form"].initial
    fields = {name: value for name, value in initial.items() if value not in ("", False)}
    signed_in.post("/workspace/submit", fields)
    again = Job.objects.exclude(pk=first.pk).get()
    assert (again.job_type, again.quantity, again.aspect) == (job_type, first.quantity, first.aspect)


def test_the_same_seed_asks_for_that_one_result(signed_in: Client, owner: User) -> None:
    """pitfall 8"""
    job = make_job(owner, quantity=6, seed=0)
    initial = signed_in.get(f"/?from={job.pk}&seed=0").context["form"].initial
    assert (initial["seed"], initial["quantity"]) == ("0", 1)


@pytest.mark.parametrize("query", ["?from=nonsense", "?from=018f3c1e-0000-7000-8000-000000000000"])
def test_an_unknown_job_to_use_again_is_no_error(signed_in: Client, query: str) -> None:
    assert signed_in.get(f"/{query}").context["form"].initial["media"] == "image"


def test_somebody_elses_job_cannot_be_used_again(stranger: Client, owner: User) -> None:
    job = make_job(owner, prompt="a secret")
    assert "a secret" not in html(stranger, f"/?from={job.pk}")


def test_older_work_is_a_page_further_and_nothing_is_shown_twice(signed_in: Client, owner: User) -> None:
    """pitfall 26"""
    jobs = [make_job(owner) for _ in range(21)]
    for job in jobs:
        acting.cancel(owner_id=owner.pk, job_id=job.pk)
    first = signed_in.get("/")
    assert len(first.context["finished"]) == 20
    cursor = first.context["next_cursor"]
    assert f'href="/?cursor={cursor}"' in first.content.decode()
    older = signed_in.get(f"/?cursor={cursor}")
    assert [stack.job for stack in older.context["finished"]] == [jobs[0]]
    assert not older.context["next_cursor"]


def test_what_is_to_review_is_counted_and_listed_however_old_it_is(signed_in: Client, owner: User) -> None:
    """Pitfall 39: it was behind "Show older" alone."""
    (reviewed,) = complete(make_job(owner, review=True))
    for _ in range(20):
        acting.cancel(owner_id=owner.pk, job_id=make_job(owner).pk)
    first = html(signed_in)
    assert f"stack-{reviewed.job_id}" not in first
    assert 'href="/?show=review&amp;cursor=">1 to review</a>' in first
    only = html(signed_in, "/?show=review&cursor=")
    assert only.count('<article class="stack"') == 1
    assert f"stack-{reviewed.job_id}" in only
    acting.save(owner_id=owner.pk, assets=[reviewed.pk])
    assert "to review</a>" not in html(signed_in)
    assert "Nothing to review" in html(signed_in, "/?show=review&cursor=")


def test_what_is_to_review_has_one_number_and_a_rest(signed_in: Client, owner: User) -> None:
    """The head of the finished work and the stacks count the same: results."""
    first, *_ = complete(make_job(owner, review=True, quantity=3))
    complete(make_job(owner, review=True))
    page = html(signed_in)
    assert ">4 to review</a>" in page
    assert "· 3 to review" in page
    assert page.count(">Save all</button>") == 1
    acting.save(owner_id=owner.pk, assets=[first.pk])
    page = html(signed_in)
    assert ">3 to review</a>" in page
    assert ">Save the rest</button>" in page
    assert ">Save all</button>" not in page


def test_a_cursor_that_is_none_of_ours_is_404(signed_in: Client) -> None:
    assert signed_in.get("/?cursor=x").status_code == 404


def test_nobody_sees_anothers_work(stranger: Client, owner: User) -> None:
    """pitfall 24"""
    make_job(owner, prompt="a secret")
    assert "a secret" not in html(stranger)


def test_after_another_sign_in_the_same_browser_shows_the_other_page(db: None) -> None:
    """pitfall 24"""
    first, second = make_user("first"), make_user("second")
    make_job(first, prompt="a secret")
    browser = Client()
    browser.force_login(first)
    before = browser.get("/")
    assert "no-store" in before["Cache-Control"]
    assert f'data-user="{first.pk}"' in before.content.decode()
    browser.post("/sign-out/")
    browser.force_login(second)
    after = browser.get("/").content.decode()
    assert "a secret" not in after
    assert f'data-user="{second.pk}"' in after


def test_the_composer_of_one_user_is_not_the_next_ones(db: None) -> None:
    """pitfall 24"""
    browser = Client()
    browser.force_login(make_user("first"))
    browser.post("/workspace/submit", {"prompt": "a secret", "media": "image", "quality": "fast"})
    browser.post("/sign-out/")
    browser.force_login(make_user("second"))
    assert "a secret" not in browser.get("/").content.decode()


def test_sixty_cards_cost_the_queries_of_six(signed_in: Client, owner: User) -> None:
    """pitfall 26"""
    asked = [ReferenceInput(type="style", reference=make_reference(owner).pk)]
    counts = []
    for jobs in (1, 9):
        for _ in range(jobs):
            make_job(owner, quantity=6, references=asked)
        with CaptureQueriesContext(connection) as queries:
            shown = signed_in.get("/")
        counts.append(len(queries))
    assert shown.content.decode().count("<figure") == 60
    assert counts[0] == counts[1]


def test_the_whole_way_without_a_script(signed_in: Client, owner: User) -> None:
    signed_in.post(
        "/workspace/submit", {"prompt": "a fox", "media": "image", "quality": "fast", "review": "on"}
    )
    job = Job.objects.get()
    complete(job, make_worker())
    assert 'data-phase="done"' in html(signed_in)
    signed_in.post(f"/workspace/jobs/{job.pk}/save")
    signed_in.post(f"/workspace/jobs/{job.pk}/clear")
    assert "<figure" not in html(signed_in)
    assert 'href="/library/image/' in html(signed_in, "/library/")


def test_the_page_needs_no_inline_script_or_style(signed_in: Client, owner: User) -> None:
    complete(make_job(owner))
    shown = html(signed_in)
    assert "<style" not in shown
    assert "onclick" not in shown
    scripts = [part.split(">", 1)[0] for part in shown.split("<script")[1:]]
    assert all("src=" in script or 'type="application/json"' in script for script in scripts)


def test_a_job_of_long_ago_shows_no_made_up_remaining_time(signed_in: Client, owner: User) -> None:
    """pitfall 32"""
    job = make_job(owner)
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(days=3))
    assert " left" not in html(signed_in).split('id="stacks"')[1].split("</section>")[0]


def test_an_unknown_page_says_so_in_the_products_own_frame(signed_in: Client) -> None:
    answer = signed_in.get("/nothing-here")
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()
    assert 'class="brand"' in answer.content.decode()


def test_a_refused_post_says_what_to_do(owner: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    answer = careful.post("/workspace/clear")
    assert answer.status_code == 403
    assert "reload the page and try again" in answer.content.decode()


def test_the_page_of_a_server_error_needs_nothing_that_could_fail(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> int:
        raise RuntimeError

    monkeypatch.setattr("generation.changes.feed.position", lambda owner_id: broken())
    signed_in.raise_request_exception = False
    answer = signed_in.get("/")
    assert answer.status_code == 500
    assert "Nothing you had saved is lost" in answer.content.decode()
