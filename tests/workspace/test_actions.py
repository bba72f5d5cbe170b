"""What a press on a button does: to the rows, to the plain page, and to somebody else's page."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from generation.models import Asset, Image, Job, Video
from tests import acting
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    fresh,
    lease_next,
    make_job,
    make_user,
    make_worker,
)

JSON = {"Accept": "application/json"}


def job_url(job: Job, what: str) -> str:
    return f"/workspace/jobs/{job.pk}/{what}"


def asset_url(asset: Asset, what: str) -> str:
    return f"/workspace/assets/{asset.media}/{asset.pk}/{what}"


def half_done(owner: User, **submission: Any) -> Job:
    """Three slots: one completed, two failed."""
    job = make_job(owner, quantity=3, **submission)
    leased = lease_next(make_worker())
    call_back(leased, completed(leased, 0), failed(leased, 1), failed(leased, 2))
    return fresh(job)


def test_cancel_stops_the_job_and_says_so(signed_in: Client, owner: User) -> None:
    job = make_job(owner, quantity=3)
    answer = signed_in.post(job_url(job, "cancel"), follow=True)
    assert fresh(job).status == "cancelled"
    assert "Cancelled. What was finished stays." in answer.content.decode()


def test_cancelling_what_has_ended_changes_nothing(signed_in: Client, owner: User) -> None:
    job = make_job(owner)
    complete(job)
    assert signed_in.post(job_url(job, "cancel"), headers=JSON).json()["ok"]
    assert fresh(job).status == "completed"


def test_cancel_all_stops_everything_of_ones_own(signed_in: Client, owner: User) -> None:
    jobs, foreign = [make_job(owner) for _ in range(3)], make_job(make_user())
    answer = signed_in.post("/workspace/cancel", headers=JSON).json()
    assert answer["message"].startswith("Cancelled 3.")
    assert {fresh(job).status for job in jobs} == {"cancelled"}
    assert fresh(foreign).status == "queued"
    assert signed_in.post("/workspace/cancel", headers=JSON).status_code == 409


def test_try_again_queues_only_what_did_not_complete(signed_in: Client, owner: User) -> None:
    job = half_done(owner)
    assert signed_in.post(job_url(job, "retry"), headers=JSON).json()["ok"]
    assert fresh(job).status == "queued"
    assert [asset.status for asset in fresh(job).slots] == ["completed", "queued", "queued"]


def test_each_slot_is_tried_again_by_itself_and_the_stack_says_how_many(
    signed_in: Client, owner: User
) -> None:
    """Pitfall 39"""
    job = half_done(owner)
    shown = signed_in.get("/").content.decode()
    assert f'formaction="{job_url(job, "retry")}">Try 2 again</button>' in shown
    assert f'formaction="{job_url(job, "retry")}?slot=1"' in shown
    assert signed_in.post(job_url(job, "retry?slot=2"), headers=JSON).json()["ok"]
    assert [asset.status for asset in fresh(job).slots] == ["completed", "failed", "queued"]
    shown = signed_in.get("/").content.decode()
    assert f'formaction="{job_url(job, "retry")}?slot=1"' in shown, "it can still join the other"
    assert f'formaction="{job_url(job, "retry")}"' not in shown
    assert signed_in.post(job_url(job, "retry?slot=0"), headers=JSON).status_code == 409
    for none in ("x", "9" * 5000):
        assert signed_in.post(job_url(job, f"retry?slot={none}"), headers=JSON).status_code == 404


def test_a_single_result_is_tried_again(signed_in: Client, owner: User) -> None:
    job = make_job(owner)
    acting.cancel(owner_id=owner.pk, job_id=job.pk)
    assert ">Try again</button>" in signed_in.get("/").content.decode()


def test_a_completed_job_cannot_be_tried_again(signed_in: Client, owner: User) -> None:
    job = make_job(owner)
    complete(job)
    answer = signed_in.post(job_url(job, "retry"), headers=JSON)
    assert answer.status_code == 409
    assert not answer.json()["ok"]
    assert answer.json()["message"]


def test_a_result_under_review_is_saved(signed_in: Client, owner: User) -> None:
    (image,) = complete(make_job(owner, review=True))
    assert image.saved_at is None
    assert signed_in.post(asset_url(image, "save"), headers=JSON).json()["ok"]
    assert Image.objects.in_library().get() == image


def test_a_discard_offers_its_undo_and_the_undo_restores(signed_in: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    answer = signed_in.post(asset_url(image, "discard"), headers=JSON).json()
    assert Image.objects.in_trash().get() == image
    assert signed_in.post(answer["undo"]["url"], headers=JSON).json()["ok"]
    assert Image.objects.in_library().get() == image


def test_without_a_script_the_undo_is_a_button_on_the_next_page(signed_in: Client, owner: User) -> None:
    (video,) = complete(make_job(owner, "video_fast"))
    html = signed_in.post(asset_url(video, "discard"), follow=True).content.decode()
    undo = f'formaction="/workspace/restore?asset={video.pk}"'
    assert undo in html
    signed_in.post(f"/workspace/restore?video={video.pk}")
    assert Video.objects.in_library().get() == video


def test_restore_brings_one_back(signed_in: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    acting.discard(owner_id=owner.pk, assets=[image.pk])
    signed_in.post(asset_url(image, "restore"))
    assert Image.objects.in_library().get() == image


def test_save_all_saves_what_is_under_review_only(signed_in: Client, owner: User) -> None:
    first, second, third = complete(make_job(owner, quantity=3, review=True))
    acting.discard(owner_id=owner.pk, assets=[first.pk])
    answer = signed_in.post(job_url(second.job, "save"), headers=JSON).json()
    assert answer["message"] == "Saved 2 to the Library."
    assert set(Image.objects.in_library()) == {second, third}


def test_discard_all_spares_what_is_saved_and_its_undo_restores_all(signed_in: Client, owner: User) -> None:
    first, *rest = complete(make_job(owner, quantity=3, review=True))
    acting.save(owner_id=owner.pk, assets=[first.pk])
    answer = signed_in.post(job_url(first.job, "discard"), headers=JSON).json()
    assert set(Image.objects.in_trash()) == set(rest)
    signed_in.post(answer["undo"]["url"], headers=JSON)
    assert set(Image.objects.under_review()) == set(rest)


def test_clear_takes_a_finished_job_off_the_page_and_nothing_out_of_the_library(
    signed_in: Client, owner: User
) -> None:
    """pitfall 29"""
    (image,) = complete(make_job(owner))
    signed_in.post(job_url(image.job, "clear"))
    assert f"stack-{image.job_id}" not in signed_in.get("/").content.decode()
    assert Image.objects.in_library().get() == image


def test_clear_leaves_what_runs_and_what_waits_for_review(signed_in: Client, owner: User) -> None:
    """pitfall 28"""
    (waiting,) = complete(make_job(owner, review=True))
    running = make_job(owner)
    for job in (waiting.job, running):
        answer = signed_in.post(job_url(job, "clear"), headers=JSON)
        assert answer.status_code == 409
        assert fresh(job).cleared_at is None


def clear_form(html: str) -> dict[str, list[str]]:
    """What "Clear finished" would send from this page."""
    return {"job": re.findall(r'form="clear" name="job" value="([^"]+)"', html)}


def test_clear_finished_takes_what_the_page_shows_and_its_undo_brings_it_back(
    signed_in: Client, owner: User
) -> None:
    """pitfalls 27, 28, 39: what is behind the page's end stays."""
    hidden = make_job(owner)
    acting.cancel(owner_id=owner.pk, job_id=hidden.pk)
    (reviewed,) = complete(make_job(owner, review=True))
    done = [complete(make_job(owner))[0].job for _ in range(19)]
    running = make_job(owner)
    fields = clear_form(signed_in.get("/").content.decode())
    assert fields == {"job": [str(job.pk) for job in reversed(done)]}
    answer = signed_in.post("/workspace/clear", fields, headers=JSON).json()
    assert answer["message"].startswith("Cleared 19.")
    assert all(fresh(job).cleared_at for job in done)
    assert not any(fresh(job).cleared_at for job in (hidden, reviewed.job, running))
    assert signed_in.post("/workspace/clear", fields, headers=JSON).status_code == 409
    undone = signed_in.post(answer["undo"]["url"], headers=JSON).json()
    assert undone["message"] == "19 back on the Workspace."
    assert not any(fresh(job).cleared_at for job in done)


def test_clear_without_naming_jobs_takes_none(signed_in: Client, owner: User) -> None:
    job = complete(make_job(owner))[0].job
    for fields in ({}, {"job": "x"}, {"job": str(uuid.uuid4())}):
        assert signed_in.post("/workspace/clear", fields, headers=JSON).status_code == 409
    assert fresh(job).cleared_at is None


@pytest.mark.parametrize("jobs", [1, 3])
def test_without_a_script_a_cancel_is_undone_by_a_button_on_the_next_page(
    signed_in: Client, owner: User, jobs: int
) -> None:
    """pitfall 39"""
    made = [make_job(owner) for _ in range(jobs)]
    url = "/workspace/cancel" if jobs > 1 else job_url(made[0], "cancel")
    html = signed_in.post(url, follow=True).content.decode()
    (undo,) = re.findall(r'formaction="(/workspace/undo-cancel[^"]+)"', html)
    html = signed_in.post(undo, follow=True).content.decode()
    assert ("3 wait again." if jobs > 1 else "It waits again.") in html
    assert {fresh(job).status for job in made} == {"queued"}
    assert "It is too late to undo that." in signed_in.post(undo, follow=True).content.decode()


def test_a_cancel_of_what_had_begun_offers_no_undo(signed_in: Client, owner: User) -> None:
    job = make_job(owner)
    lease_next(make_worker())
    assert "undo" not in signed_in.post(job_url(job, "cancel"), headers=JSON).json()


def test_an_undo_that_the_limits_cut_short_says_so(
    signed_in: Client, owner: User, settings: LazySettings
) -> None:
    """pitfall 34"""
    for _ in range(3):
        make_job(owner)
    undo = signed_in.post("/workspace/cancel", headers=JSON).json()["undo"]["url"]
    settings.MAX_ACTIVE_JOBS = 2
    assert signed_in.post(undo, headers=JSON).json()["message"].startswith("2 of 3 wait again.")
    assert "You may have 2 jobs" in signed_in.post(undo, headers=JSON).json()["message"]


@pytest.mark.parametrize("what", ["cancel", "clear"])
@pytest.mark.parametrize("revisions", ["", "x", "1,y,-3", "9" * 40])
def test_an_undo_of_nothing_moves_nothing(signed_in: Client, owner: User, what: str, revisions: str) -> None:
    answer = signed_in.post(f"/workspace/undo-{what}?revisions={revisions}", headers=JSON)
    assert answer.status_code == (409 if what == "cancel" else 200)


@pytest.mark.parametrize("what", ["cancel", "retry", "save", "discard", "clear"])
def test_a_strangers_job_does_not_exist(stranger: Client, owner: User, what: str) -> None:
    """pitfall 33"""
    job = half_done(owner, review=True)
    before = Job.objects.filter(pk=job.pk).values().get()
    slots = list(Image.objects.order_by("pk").values())
    assert stranger.post(job_url(job, what)).status_code == 404
    assert Job.objects.filter(pk=job.pk).values().get() == before
    assert list(Image.objects.order_by("pk").values()) == slots


@pytest.mark.parametrize("what", ["save", "discard", "restore"])
def test_a_strangers_asset_does_not_exist(stranger: Client, owner: User, what: str) -> None:
    """pitfall 33"""
    (image,) = complete(make_job(owner, review=True))
    before = Image.objects.values().get()
    assert stranger.post(asset_url(image, what)).status_code == 404
    assert Image.objects.values().get() == before


def test_restoring_a_list_skips_what_is_not_ones_own(stranger: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    acting.discard(owner_id=owner.pk, assets=[image.pk])
    answer = stranger.post(f"/workspace/restore?image={image.pk}", headers=JSON)
    assert answer.json()["message"] == "Nothing was moved."
    assert Image.objects.in_trash().get() == image


def test_an_undo_pressed_twice_says_that_nothing_was_moved(signed_in: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    acting.discard(owner_id=owner.pk, assets=[image.pk])
    for url in (f"/workspace/restore?image={image.pk}", asset_url(image, "restore")):
        answer = signed_in.post(url, headers=JSON)
    assert answer.json()["message"] == "Nothing was moved."


def test_too_many_ids_at_once_are_refused_in_words(signed_in: Client) -> None:
    ids = "&".join(f"image={uuid.uuid4()}" for _ in range(501))
    answer = signed_in.post(f"/workspace/restore?{ids}", headers=JSON)
    assert answer.status_code == 409
    assert "at most 500" in answer.json()["message"]


def test_what_is_no_id_moves_nothing(signed_in: Client) -> None:
    answer = signed_in.post("/workspace/restore?asset=1&image=x", headers=JSON)
    assert (answer.status_code, answer.json()["message"]) == (200, "Nothing was moved.")


def test_what_is_no_medium_is_404(signed_in: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    assert signed_in.post(f"/workspace/assets/sound/{image.pk}/save").status_code == 404
    assert signed_in.post(f"/workspace/assets/video/{image.pk}/save").status_code == 404


def test_looking_changes_nothing(signed_in: Client, owner: User) -> None:
    job = make_job(owner)
    assert signed_in.get(job_url(job, "cancel")).status_code == 405
    assert fresh(job).status == "queued"


def test_a_post_from_another_site_is_refused(owner: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    job = make_job(owner)
    assert careful.post(job_url(job, "cancel")).status_code == 403
    assert fresh(job).status == "queued"


def test_who_is_not_signed_in_is_sent_to_the_door(db: None, owner: User) -> None:
    job = make_job(owner)
    answer = Client().post(job_url(job, "cancel"))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")
    assert fresh(job).status == "queued"


def test_numbers_of_any_length_in_an_address_are_answered(signed_in: Client, owner: User) -> None:
    job = make_job(owner)
    many = "9" * 5000
    assert signed_in.post(f"/workspace/jobs/{job.pk}/retry?slot={many}").status_code == 404
    assert signed_in.post(f"/workspace/jobs/{job.pk}/retry?slot=%C2%B2").status_code == 404
    assert signed_in.post(f"/workspace/undo-clear?revisions={many},²").status_code in (302, 200)
    assert signed_in.get(f"/workspace/changes?user={owner.pk}&after={'9' * 30}").status_code == 200
    assert signed_in.get(f"/workspace/changes?user={owner.pk}&after=-{'9' * 30}").status_code == 200
