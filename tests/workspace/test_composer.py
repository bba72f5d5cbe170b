"""The form: what it makes of what was chosen, and what it says when that cannot be made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from generation.catalog.job_types import JOB_TYPES
from generation.jobs.deadlines import cancel_late
from generation.models import Image, Job, Reference, Video
from tests import acting
from tests.acting import create_project
from tests.factories import complete, make_job, make_reference, make_user
from workspace.job_type_choice import combinations
from workspace.references import Row

SUBMIT = "/workspace/submit"
JSON = {"Accept": "application/json"}


def asked(**fields: object) -> dict[str, object]:
    return {"prompt": "a lighthouse", "media": "image", "quality": "fast"} | fields


CHOICES = {
    "sdxl_image_fast": asked(),
    "sdxl_image_high": asked(quality="high", engine="sdxl"),
    "image_fast": asked(engine="wan"),
    "image_high": asked(engine="wan", quality="high"),
    "video_fast": asked(media="video"),
    "video_high": asked(media="video", quality="high", engine="wan"),
    "image7b_fast_enhanced": asked(enhance="on"),
    "image7b_high_enhanced": asked(enhance="on", quality="high", engine="wan"),
    "video7b_fast_enhanced": asked(media="video", enhance="on"),
    "video7b_high_enhanced": asked(media="video", enhance="on", quality="high"),
}


def test_every_job_type_has_its_choice_here() -> None:
    assert set(CHOICES) == set(JOB_TYPES)


@pytest.mark.parametrize("job_type", CHOICES)
def test_each_job_type_can_be_chosen(signed_in: Client, job_type: str) -> None:
    answer = signed_in.post(SUBMIT, CHOICES[job_type])
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert Job.objects.get().job_type == job_type


@pytest.mark.parametrize(("quantity", "made"), [("", 1), ("1", 1), ("3", 3), ("6", 6)])
def test_one_three_or_six_images_are_made_and_one_when_nothing_is_said(
    signed_in: Client, quantity: str, made: int
) -> None:
    signed_in.post(SUBMIT, asked(quantity=quantity))
    assert [image.image_index for image in Image.objects.order_by("image_index")] == list(range(made))


def test_everything_that_was_set_reaches_the_job(signed_in: Client, owner: User) -> None:
    """pitfall 31"""
    project = create_project(owner_id=owner.pk, name="Northern light")
    signed_in.post(
        SUBMIT,
        asked(
            prompt="one\r\ntwo",
            negative_prompt="fog",
            seed="7",
            aspect="16:9",
            quantity="3",
            review="on",
            project=str(project.pk),
        ),
    )
    job = Job.objects.get()
    assert (job.prompt, job.negative_prompt) == ("one\ntwo", "fog")
    assert (job.seed, job.aspect, job.width, job.height) == (7, "16:9", 1344, 768)
    assert (job.quantity, job.review, job.project_id) == (3, True, project.pk)


def test_a_seed_of_zero_is_a_seed_and_no_seed_is_random(signed_in: Client) -> None:
    """pitfall 8"""
    signed_in.post(SUBMIT, asked(seed="0", prompt="zero"))
    signed_in.post(SUBMIT, asked(seed="", prompt="random"))
    assert Job.objects.get(prompt="zero").seed == 0
    assert Image.objects.get(prompt="zero").seed == 0
    assert Job.objects.get(prompt="random").seed is None


def test_no_aspect_means_the_job_types_own(signed_in: Client) -> None:
    signed_in.post(SUBMIT, asked(media="video"))
    assert Job.objects.get().aspect == "9:16"
    assert Video.objects.count() == 1


def test_a_new_project_is_made_with_the_job_and_used_again_by_its_name(
    signed_in: Client, owner: User
) -> None:
    signed_in.post(SUBMIT, asked(new_project=" Northern  light "))
    signed_in.post(SUBMIT, asked(new_project="Northern light", prompt="another"))
    assert {job.project.name for job in Job.objects.all()} == {"Northern light"}
    assert owner.projects.filter(is_default=False).count() == 1


def test_the_page_is_told_which_project_it_made(signed_in: Client) -> None:
    """So that it is chosen, not named anew, the next time."""
    named = signed_in.post(SUBMIT, asked(new_project="Harbour"), headers=JSON).json()
    project = Job.objects.get().project
    assert named["project"] == {"id": str(project.pk), "name": "Harbour"}
    assert "project" not in signed_in.post(SUBMIT, asked(project=str(project.pk)), headers=JSON).json()


REFUSED = {
    "prompt": [asked(prompt=""), asked(prompt=" \n "), asked(prompt="x" * 20_000), asked(prompt="a\0b")],
    "negative_prompt": [asked(negative_prompt="a\x07b")],
    "quantity": [asked(quantity="4"), asked(quantity="many"), asked(media="video", quantity="6")],
    "seed": [asked(seed="-1"), asked(seed=str(2**32)), asked(seed="seven")],
    "aspect": [asked(aspect="5:1"), asked(media="video", aspect="3:2")],
    "engine": [asked(engine="flux"), asked(media="video", engine="sdxl")],
    "enhance": [asked(engine="sdxl", enhance="on")],
    "project": [asked(project="northern"), asked(project="018f3c1e-0000-7000-8000-000000000000")],
    "new_project": [asked(new_project="n" * 81), asked(new_project="bell\x07")],
    "media": [asked(media="sound"), asked(media="")],
    "quality": [asked(quality="best")],
}
CASES = [(field, case) for field, cases in REFUSED.items() for case in cases]


@pytest.mark.parametrize(("field", "case"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_made_is_said_on_its_field_and_leaves_no_trace(
    signed_in: Client, owner: User, field: str, case: dict[str, object]
) -> None:
    answer = signed_in.post(SUBMIT, case, headers=JSON)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert not Job.objects.exists()
    assert not owner.projects.filter(is_default=False).exists()


def test_somebody_elses_project_is_as_unknown_as_none(signed_in: Client) -> None:
    foreign = create_project(owner_id=make_user().pk, name="theirs")
    answer = signed_in.post(SUBMIT, asked(project=str(foreign.pk)), headers=JSON)
    assert answer.json()["errors"] == {"project": ["You have no such project."]}
    assert not Job.objects.exists()


def test_an_error_keeps_everything_that_was_typed(signed_in: Client) -> None:
    typed = asked(
        prompt="</textarea><script>alert(1)</script> a fox",
        negative_prompt="some fog",
        seed="-4",
        quality="high",
        quantity="6",
        new_project="Northern light",
        review="on",
    )
    answer = signed_in.post(SUBMIT, typed)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt; a fox</textarea>" in html
    assert "some fog</textarea>" in html
    assert 'value="-4"' in html
    assert 'value="Northern light"' in html
    assert '<input type="radio" name="quality" value="high" checked>' in html
    assert '<input type="radio" name="quantity" value="6" aria-label="6" checked>' in html
    assert 'name="review" id="id_review" checked' in html
    assert '<details class="more" id="more" open>' in html, "the refused field must be in sight"
    assert "A seed is a whole number from 0 to 4,294,967,295." in html
    assert "Each next picture has the next one; 0 follows 4,294,967,295." in html


def test_the_same_press_twice_makes_one_job(signed_in: Client) -> None:
    """pitfall 15"""
    first, again = (signed_in.post(SUBMIT, asked(key="k1"), headers=JSON).json() for _ in range(2))
    assert first["jobs"] == again["jobs"]
    assert Job.objects.count() == 1


def test_the_answer_shows_the_job_as_the_page_does(signed_in: Client, owner: User) -> None:
    """Pitfall 37: only the socket showed it, and that may be dead."""
    answer = signed_in.post(SUBMIT, asked(quantity="3"), headers=JSON).json()
    stack = answer["stacks"][0]
    assert (stack["id"], stack["removed"]) == (answer["jobs"][0], False)
    page = signed_in.get("/").content.decode()
    assert stack["html"].strip() in page
    parts = {part["id"]: part["html"].strip() for part in answer["parts"]}
    assert set(parts) == {f"place-{answer['jobs'][0]}", "work", "hidden", "review", "workers"}
    assert "1 waiting" in parts["work"]
    assert all(html in page for html in parts.values()), "so that nothing moves when the socket says it too"


def test_a_replay_of_what_was_cleared_since_shows_nothing(signed_in: Client, owner: User) -> None:
    job = signed_in.post(SUBMIT, asked(key="k1"), headers=JSON).json()["jobs"][0]
    acting.cancel(owner_id=owner.pk, job_id=job)
    acting.clear(owner_id=owner.pk)
    again = signed_in.post(SUBMIT, asked(key="k1"), headers=JSON).json()
    assert again["stacks"][0] == {"id": job, "html": "", "removed": True}


def test_changed_and_sent_again_with_the_old_key_it_is_another_job(signed_in: Client) -> None:
    signed_in.post(SUBMIT, asked(key="k1"))
    signed_in.post(SUBMIT, asked(key="k1", prompt="another"))
    assert Job.objects.count() == 2


def test_two_people_may_send_the_same_key(signed_in: Client, stranger: Client) -> None:
    signed_in.post(SUBMIT, asked(key="k1"))
    stranger.post(SUBMIT, asked(key="k1"))
    assert Job.objects.values("owner").distinct().count() == 2


def test_the_page_keeps_what_was_made_last(signed_in: Client) -> None:
    signed_in.post(SUBMIT, asked(prompt="a fox", quality="high", quantity="6", seed="5"))
    initial = signed_in.get("/").context["form"].initial
    assert (initial["prompt"], initial["quality"], initial["quantity"], initial["seed"]) == (
        "a fox",
        "high",
        "6",
        "5",
    )


def test_the_script_knows_exactly_the_combinations_that_the_form_takes(signed_in: Client) -> None:
    known: dict[str, Any] = combinations()
    for combination, name in known["chosen"].items():
        media, quality, engine, enhance = combination.split("|")
        fields = asked(media=media, quality=quality, engine=engine, prompt=combination)
        signed_in.post(SUBMIT, fields | ({"enhance": "on"} if enhance else {}))
        assert Job.objects.get(prompt=combination).type.title == known["types"][name]["title"]
    assert len(known["chosen"]) == 18


def test_submitting_costs_the_same_for_one_and_six(
    signed_in: Client, django_assert_num_queries: Any, owner: User
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    signed_in.post(SUBMIT, asked())  # the default project and the counter exist from here on
    counts = []
    for quantity in ("1", "6"):
        with CaptureQueriesContext(connection) as queries:
            signed_in.post(SUBMIT, asked(quantity=quantity))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# Reference images


def with_reference(source: str, type_: str = "style", strength: str = "0.25") -> dict[str, object]:
    return {"references-0": source, "references-0-type": type_, "references-0-strength": strength}


def test_pictures_reach_the_job_as_they_were_set(signed_in: Client, owner: User) -> None:
    """pitfall 31"""
    picture = make_reference(owner)
    [image] = complete(make_job(owner))
    answer = signed_in.post(
        SUBMIT,
        asked(
            **with_reference(f"reference:{picture.pk}"),
            **{"references-2": f"image:{image.pk}", "references-2-type": "composition"},
        ),
    )
    assert answer.status_code == 302
    job = Job.objects.order_by("-id")[0]
    assert job.pool == "sdxl_image_fast+composition+style"
    assert [(used.type, used.strength, used.reference.sha256) for used in job.sorted_references] == [
        ("composition", 0.6, image.sha256),
        ("style", 0.25, picture.sha256),
    ]


def test_a_frame_has_no_strength(signed_in: Client, owner: User) -> None:
    """No slider is shown for it, so what a plain form sends along for one means nothing."""
    source = f"reference:{make_reference(owner).pk}"
    signed_in.post(SUBMIT, asked(media="video", **with_reference(source, "start_frame", "0.3")))
    assert [(used.type, used.strength) for used in Job.objects.get().sorted_references] == [
        ("start_frame", 1.0)
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (asked(media="video"), "WAN video fast cannot use a style reference"),
        (asked(engine="wan"), "WAN image fast cannot use reference images."),
        (asked(**{"references-0-strength": "2"}), "A strength is a number from 0 to 1."),
        (asked(**{"references-0-strength": "nan"}), "A strength is a number from 0 to 1."),
        (asked(**{"references-0-strength": "much"}), "A strength is a number from 0 to 1."),
        (asked(**{"references-0": "https://elsewhere.example/x.png"}), "Choose the reference image again."),
        (asked(**{"references-0": "image:7"}), "Choose the reference image again."),
        (asked(**{"references-0": "reference:018f3c1e-0000-7000-8000-000000000000"}), "no such reference"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_in_words(
    signed_in: Client, owner: User, fields: dict[str, object], says: str
) -> None:
    """pitfall 19"""
    answer = signed_in.post(
        SUBMIT, with_reference(f"reference:{make_reference(owner).pk}") | fields, headers=JSON
    )
    assert answer.status_code == 422
    [[sentence]] = answer.json()["errors"].values()
    assert list(answer.json()["errors"]) == ["references"]
    assert says in sentence
    assert not Job.objects.exists()


def test_somebody_elses_picture_is_as_unknown_as_none(signed_in: Client) -> None:
    foreign = make_reference(make_user())
    answer = signed_in.post(SUBMIT, asked(**with_reference(f"reference:{foreign.pk}")), headers=JSON)
    assert answer.json()["errors"] == {
        "references": ["You have no such reference image. Choose the image again."]
    }


def test_a_deadline_is_part_of_the_press_and_of_what_is_shown(signed_in: Client, owner: User) -> None:
    given = asked(within="600", key="a" * 32)
    for _ in range(2):
        assert signed_in.post(SUBMIT, given).status_code == 302
    job = Job.objects.get()
    assert job.deadline_at
    assert timedelta(minutes=9) < job.deadline_at - timezone.now() < timedelta(minutes=11)
    shown = signed_in.get("/").content.decode()
    assert "· only by <time" in shown
    assert '<option value="600" selected>within 10 minutes</option>' in shown, "it stays in the form"
    for odd in ("601", "-1", "x"):
        assert signed_in.post(SUBMIT, asked(within=odd)).status_code == 422
    Job.objects.update(deadline_at=timezone.now())
    cancel_late()
    assert "It was still waiting at its deadline." in signed_in.get("/").content.decode()


def test_what_a_plain_form_does_not_use_is_left_out(signed_in: Client, owner: User) -> None:
    signed_in.post(SUBMIT, asked(**with_reference(f"reference:{make_reference(owner).pk}", "")))
    assert Job.objects.get().pool == "sdxl_image_fast"


def test_the_pictures_made_with_last_are_kept_while_they_are_there(signed_in: Client, owner: User) -> None:
    source = f"reference:{make_reference(owner).pk}"
    signed_in.post(SUBMIT, asked(**with_reference(source)))
    assert f'value="{source}"' in signed_in.get("/").content.decode()
    job = Job.objects.get()
    assert signed_in.get(f"/?from={job.pk}").context["form"].initial["references"] == [
        Row(source, "style", "0.25")
    ]
    Job.objects.update(status="completed", finished_at=timezone.now())
    Reference.objects.all().delete()
    for page in ("/", f"/?from={job.pk}"):
        shown = signed_in.get(page)
        assert shown.context["form"].initial["references"] == []
    assert "A reference image of that job was removed." in shown.content.decode()


@pytest.mark.parametrize(
    ("last", "job_type", "type_"),
    [
        (asked(), "sdxl_image_fast", "style"),
        (asked(media="video"), "video_fast", "start_frame"),
        (asked(engine="wan"), "sdxl_image_fast", "style"),
        (asked(enhance="on", quality="high"), "sdxl_image_high", "style"),
        (asked(enhance="on", media="video"), "video7b_fast_enhanced", "start_frame"),
    ],
)
def test_an_image_is_brought_for_something_that_can_use_it(
    signed_in: Client, owner: User, last: dict[str, object], job_type: str, type_: str
) -> None:
    """A link does it, without a script: what was made last gives way where it could not use a picture."""
    [image] = complete(make_job(owner))
    signed_in.post(SUBMIT, last)
    initial = signed_in.get(f"/?image={image.pk}").context["form"].initial
    assert initial["references"] == [Row(f"image:{image.pk}", type_)]
    sent = {name: value for name, value in initial.items() if value and name != "references"}
    signed_in.post(SUBMIT, sent | {"references-0": f"image:{image.pk}", "references-0-type": type_})
    assert Job.objects.order_by("-id")[0].pool == f"{job_type}+{type_}"


def test_a_fourth_picture_takes_the_place_of_the_last(signed_in: Client, owner: User) -> None:
    types = ("style", "composition", "character")
    fields: dict[str, object] = {}
    for number, type_ in enumerate(types):
        fields |= {f"references-{number}": f"reference:{make_reference(owner).pk}"}
        fields |= {f"references-{number}-type": type_}
    signed_in.post(SUBMIT, asked(**fields))
    Job.objects.update(status="cancelled", finished_at=timezone.now())
    [image] = complete(make_job(owner))
    rows = signed_in.get(f"/?image={image.pk}").context["form"].initial["references"]
    assert len(rows) == 3
    assert rows[-1].source == f"image:{image.pk}"
    assert {row.type for row in rows} == set(types)


@pytest.mark.parametrize("named", ["nonsense", "018f3c1e-0000-7000-8000-000000000000", ""])
def test_an_image_that_is_not_there_brings_nothing(signed_in: Client, stranger: Client, named: str) -> None:
    assert signed_in.get(f"/?image={named}").context["form"].initial["references"] == []


def test_a_strangers_image_brings_nothing(signed_in: Client) -> None:
    [image] = complete(make_job(make_user()))
    assert signed_in.get(f"/?image={image.pk}").context["form"].initial["references"] == []
