"""Presets: the composer's fields under a name, one's own and those that operators share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.jobs.listing import earlier_prompts
from generation.jobs.unsuccessful import delete_some
from generation.models import Job, Reference
from tests.acting import cancel, create_project
from tests.factories import complete, make_job, make_preset, make_reference, make_user
from tests.workspace.test_composer import JSON, asked, with_reference
from workspace.models import Preset
from workspace.presets import KEPT_DELETED, MAX_PRESETS

PRESETS = "/workspace/presets"


def save(client: Client, name: str, **fields: object) -> dict[str, Any]:
    answer = client.post(f"{PRESETS}/save", asked(preset_name=name, **fields), headers=JSON)
    return {"status": answer.status_code, **answer.json()}


def do(client: Client, preset: Preset, action: str, **fields: object) -> dict[str, Any]:
    answer = client.post(f"{PRESETS}/{preset.pk}/{action}", fields, headers=JSON)
    return {"status": answer.status_code, **(answer.json() if answer.status_code != 404 else {})}


def names(owner: User) -> list[str]:
    return sorted(Preset.objects.filter(owner=owner, deleted_at=None).values_list("name", flat=True))


def test_everything_is_saved_and_fills_the_form_again(signed_in: Client, owner: User) -> None:
    """Without a script too: the link of the list does it."""
    project = create_project(owner_id=owner.pk, name="Foxes")
    [image] = complete(make_job(owner))
    fields = asked(
        prompt="a {red|blue} fox",
        one_per_line="on",
        quality="high",
        quantity="6",
        aspect="16:9",
        negative_prompt="fog",
        seed="0",
        review="on",
        project=str(project.pk),
        **with_reference(f"image:{image.pk}"),
    )
    assert save(signed_in, " Fox  portrait ", preset_prompt="on", **fields)["message"].endswith(
        "Fox portrait."
    )
    signed_in.post("/workspace/submit", asked(prompt="something else", media="video"))
    page = signed_in.get(PRESETS).content.decode()
    preset = Preset.objects.get()
    assert f'href="/?preset={preset.pk}"' in page
    initial = signed_in.get(f"/?preset={preset.pk}").context["form"].initial
    [row] = initial["references"]
    assert (row.type, row.strength) == ("style", "0.25")
    assert Reference.objects.get(pk=row.source.removeprefix("reference:")).sha256 == image.sha256
    sent = {name: value for name, value in initial.items() if value and name != "references"}
    source = {
        "references-0": row.source,
        "references-0-type": row.type,
        "references-0-strength": row.strength,
    }
    signed_in.post("/workspace/submit", sent | source)
    jobs = list(Job.objects.filter(prompt__endswith=" fox").order_by("id"))
    assert [job.prompt for job in jobs] == ["a red fox", "a blue fox"]
    assert {
        (job.job_type, job.quantity, job.aspect, job.negative_prompt, job.seed, job.review, job.project_id)
        for job in jobs
    } == {("sdxl_image_high", 6, "16:9", "fog", 0, True, project.pk)}


def test_without_the_prompt_that_of_the_form_stays(signed_in: Client, owner: User) -> None:
    save(signed_in, "Night", prompt="", negative_prompt="day")
    signed_in.post("/workspace/submit", asked(prompt="a fox", negative_prompt="fog"))
    initial = signed_in.get(f"/?preset={Preset.objects.get().pk}").context["form"].initial
    assert (initial["prompt"], initial["negative_prompt"]) == ("a fox", "day")


def test_the_plain_form_keeps_what_was_typed(signed_in: Client) -> None:
    for name, says in (
        ("Night", "Saved the preset Night."),
        ("", "A preset&#x27;s name has 1 to 80 characters."),
    ):
        page = signed_in.post(f"{PRESETS}/save", asked(preset_name=name, seed="7", prompt="not sent yet"))
        html = page.content.decode()
        assert page.status_code == 200
        assert says in html
        assert "not sent yet</textarea>" in html
        assert 'value="7"' in html


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("", {}, "1 to 80 characters"),
        ("n" * 81, {}, "1 to 80 characters"),
        ("bell\x07", {}, "U+0007"),
        ("fine", {"seed": "-1"}, "Not saved: A seed is a whole number"),
        ("fine", {"media": "sound"}, "Not saved: "),
        ("fine", {"quantity": "6", "enhance": "on"}, "Not saved: WAN image fast, enhanced makes 1 at a time"),
        ("fine", {"preset_prompt": "on", "prompt": "a {b|{c|d}}"}, "Not saved: Alternatives cannot"),
        (
            "fine",
            {"references-0": "image:7", "references-0-type": "style"},
            "Choose the reference image again.",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(
    signed_in: Client, name: str, fields: dict[str, object], says: str
) -> None:
    answer = save(signed_in, name, **fields)
    assert answer["status"] == 409
    assert says in answer["message"]
    assert not Preset.objects.exists()


def test_one_name_is_one_preset_and_the_one_before_comes_back(signed_in: Client, owner: User) -> None:
    save(signed_in, "Night", seed="1")
    again = save(signed_in, "NIGHT", seed="2")
    assert again["message"] == "Overwrote the preset NIGHT."
    assert names(owner) == ["NIGHT"]
    signed_in.post(again["undo"]["url"], headers=JSON)
    [preset] = Preset.objects.filter(deleted_at=None)
    assert (preset.name, preset.fields["seed"]) == ("Night", "1")


def test_one_is_overwritten_with_what_is_set_renamed_deleted_and_brought_back(
    signed_in: Client, owner: User
) -> None:
    preset = make_preset(owner, "Night", media="image", seed="1")
    overwritten = do(signed_in, preset, "overwrite", **asked(seed="2"))
    [now] = Preset.objects.filter(deleted_at=None)
    assert (now.name, now.fields["seed"], "prompt" in now.fields) == ("Night", "2", False)
    assert do(signed_in, preset, "overwrite", **asked())["status"] == 404, "it is another one now"
    signed_in.post(overwritten["undo"]["url"], headers=JSON)
    assert Preset.objects.get(deleted_at=None).fields["seed"] == "1"

    make_preset(owner, "Day")
    assert do(signed_in, preset, "rename", name="day")["message"] == "You already have a preset of that name."
    assert do(signed_in, preset, "rename", name="Dusk")["status"] == 200
    deleted = do(signed_in, preset, "delete")
    assert names(owner) == ["Day"]
    assert do(signed_in, preset, "delete")["status"] == 404
    signed_in.post(deleted["undo"]["url"], headers=JSON)
    assert names(owner) == ["Day", "Dusk"]


def test_their_number_is_bounded(signed_in: Client, owner: User) -> None:
    Preset.objects.bulk_create(
        Preset(owner=owner, name=str(n), folded_name=str(n), fields={}) for n in range(MAX_PRESETS)
    )
    assert "that is the most" in save(signed_in, "one more")["message"]
    assert save(signed_in, "7")["status"] == 200, "another of the same name is not one more"
    for preset in Preset.objects.filter(owner=owner, deleted_at=None)[: KEPT_DELETED + 5]:
        do(signed_in, preset, "delete")
    assert Preset.objects.filter(owner=owner, deleted_at__isnull=False).count() == KEPT_DELETED


def test_a_stranger_knows_none_of_mine_and_all_may_use_what_is_shared(
    signed_in: Client, stranger: Client, owner: User
) -> None:
    operator = make_user()
    picture = make_reference(operator)
    style = {"references": [[f"reference:{picture.pk}", "style", ""]]}
    mine, shared = make_preset(owner, "Mine"), make_preset(operator, "House style", seed="5", **style)
    Preset.objects.filter(pk=shared.pk).update(is_shared=True)
    for client, seen in ((signed_in, True), (stranger, False)):
        page = client.get(PRESETS).content.decode()
        assert ("Mine" in page, "House style" in page) == (seen, True)
        assert "without 1 reference image that is not here" in page
        assert client.get(f"/?preset={shared.pk}").context["form"].initial["seed"] == "5"
        assert f"{PRESETS}/{shared.pk}/" not in page, "only its owner changes it"
    assert stranger.get(f"/?preset={mine.pk}").context["form"].initial.get("seed", "") == ""
    for preset in (mine, shared):
        for action in ("overwrite", "rename", "delete", "restore"):
            assert do(stranger, preset, action, **asked(name="x"))["status"] == 404
    assert names(owner) == ["Mine"]


def test_a_list_costs_the_same_for_one_and_many(signed_in: Client, owner: User) -> None:
    costs = []
    for count in (1, 24):
        for number in range(count):
            picture = make_reference(owner)
            make_preset(owner, f"{count} {number}", references=[[f"reference:{picture.pk}", "style", ""]])
        with CaptureQueriesContext(connection) as queries:
            signed_in.get(PRESETS)
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_an_operator_makes_and_shares_one(signed_in: Client, owner: User) -> None:
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss", password="a good long password"))
    preset = make_preset(owner, "Mine", seed="3")
    page = f"/admin/workspace/preset/{preset.pk}/change/"
    assert boss.get(page).status_code == 200
    values = {"name": "Mine", "owner": owner.pk, "is_shared": "on", "fields": '{"seed": "3"}'}
    boss.post(page, values)
    boss.post(
        "/admin/workspace/preset/add/",
        values | {"name": "House", "owner": "", "fields": '{"media": "video"}'},
    )
    assert set(Preset.objects.filter(is_shared=True).values_list("name", flat=True)) == {"Mine", "House"}
    refused = boss.post("/admin/workspace/preset/add/", values | {"fields": '{"sead": "3"}'}).content.decode()
    assert "There is no field “sead”" in refused
    assert "already has a preset of that name" in refused
    assert boss.get("/admin/workspace/preset/?q=hous").status_code == 200


# Earlier prompts


def prompts(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get("/workspace/prompts", query, headers=JSON)
    assert answer.status_code == 200
    return dict(answer.json())


def test_what_stood_for_several_prompts_is_kept_as_it_was_typed_once(signed_in: Client, owner: User) -> None:
    texts = ("a {red|blue} fox", "an owl\na {big|small} {cat|dog}", r"a {x|y} \{z\}", "a {red|blue} fox")
    for number, text in enumerate(texts):
        sent = {"prompt": text, "media": "image", "quality": "fast", "quantity": "1", "key": f"k{number}"}
        assert signed_in.post("/workspace/submit", sent | {"one_per_line": "on"}).status_code == 302
    assert Job.objects.of(owner.pk).count() == 2 + 5 + 2 + 2
    history = ["a {red|blue} fox", r"a {x|y} \{z\}", "a {big|small} {cat|dog}", "an owl"]
    assert prompts(signed_in)["prompts"] == history
    assert prompts(signed_in, q="blue")["prompts"] == ["a {red|blue} fox"]
    page = signed_in.get("/workspace/prompts").content.decode()
    assert "a {red|blue} fox" in page
    newest = Job.objects.of(owner.pk).order_by("-id")[0]
    assert f'href="/?prompt_of={newest.pk}"' in page
    recalled = signed_in.get(f"/?prompt_of={newest.pk}").context["form"].initial
    assert (recalled["prompt"], recalled["one_per_line"]) == ("a {red|blue} fox", False)


def test_what_was_typed_stays_while_one_of_its_jobs_does(signed_in: Client, owner: User) -> None:
    """The first of them knew it alone, and goes when it ended without a result."""
    sent = {"prompt": "a {red|blue} boat", "media": "image", "quality": "fast", "quantity": "1", "key": "k"}
    signed_in.post("/workspace/submit", sent)
    for cancelled in Job.objects.of(owner.pk).order_by("id"):
        assert prompts(signed_in)["prompts"] == ["a {red|blue} boat"]
        recalled = signed_in.get(f"/?prompt_of={cancelled.pk}").context["form"].initial
        assert recalled["prompt"] == "a {red|blue} boat"
        cancel(owner_id=owner.pk, job_id=cancelled.pk)
        assert delete_some(owner.pk, before=timezone.now() + timedelta(hours=1), keep=0) == 1
    assert prompts(signed_in)["prompts"] == []


def test_a_job_that_kept_nothing_of_what_was_typed_has_its_own_prompt(signed_in: Client, owner: User) -> None:
    """As an earlier version wrote all but the first; the first may be gone."""
    job = make_job(owner, prompt="a {blue} boat")
    Job.objects.filter(pk=job.pk).update(typed_prompt="")
    assert prompts(signed_in)["prompts"] == ["a {blue} boat"]


def test_what_stood_for_several_prompts_does_not_begin_the_next_page_again(
    signed_in: Client, owner: User, monkeypatch: Any
) -> None:
    monkeypatch.setattr("generation.jobs.listing.PROMPTS_CHUNK", 2)
    for number, text in enumerate(("an owl", "a {red|blue|green} boat", "a fox", "a {big|small} cat")):
        sent = {"prompt": text, "media": "image", "quality": "fast", "quantity": "1", "key": f"k{number}"}
        signed_in.post("/workspace/submit", sent)
    pages: list[list[str]] = []
    before = ""
    while not pages or before:
        page = earlier_prompts(owner_id=owner.pk, before=before, limit=2)
        pages.append([prompt for _, prompt in page.prompts])
        before = page.before
    assert pages == [["a {big|small} cat", "a fox"], ["a {red|blue|green} boat", "an owl"]]


def test_earlier_prompts_are_each_once_newest_first_and_ones_own(signed_in: Client, owner: User) -> None:
    make_job(make_user(), prompt="somebody else's")
    for prompt in ("a fox", "an owl", "a {b|c}", "a fox"):
        make_job(owner, prompt=prompt)
    assert prompts(signed_in) == {"prompts": ["a fox", r"a \{b\|c\}", "an owl"], "before": ""}
    assert prompts(signed_in, q="FOX a")["prompts"] == ["a fox"]
    assert prompts(signed_in, q="öwl")["prompts"] == ["an owl"]
    assert prompts(signed_in, q="heron\0")["prompts"] == []
    page = signed_in.get("/workspace/prompts").content.decode()
    newest = Job.objects.of(owner.pk).order_by("-id")[0]
    assert f'href="/?prompt_of={newest.pk}"' in page
    assert signed_in.get(f"/?prompt_of={newest.pk}").context["form"].initial["prompt"] == "a fox"
    assert signed_in.get("/workspace/prompts?before=x").status_code == 302


def test_one_answer_reads_a_bounded_number_of_jobs(signed_in: Client, owner: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("generation.jobs.listing.PROMPTS_CHUNK", 3)
    monkeypatch.setattr("generation.jobs.listing.PROMPTS_READ", 6)
    for prompt in ("rare", *map(str, range(8))):
        make_job(owner, prompt=prompt)
    first = prompts(signed_in, q="rare")
    assert first["prompts"] == []
    assert prompts(signed_in, q="rare", before=first["before"]) == {"prompts": ["rare"], "before": ""}
    newest = prompts(signed_in)
    assert newest["prompts"] == list("765432")
    assert prompts(signed_in, before=newest["before"])["prompts"] == ["1", "0", "rare"]


def test_which_key_sends_is_kept_for_all_devices(signed_in: Client, owner: User, stranger: Client) -> None:
    checked = 'data-url="/workspace/enter-sends" autocomplete="off" checked'
    for chosen in ("on", "on", ""):
        signed_in.post("/workspace/enter-sends", {"enter_sends": chosen}, headers=JSON)
        other_device = Client()
        other_device.force_login(owner)
        assert (checked in other_device.get("/").content.decode()) == bool(chosen)
        assert checked not in stranger.get("/").content.decode()


def test_the_last_seed_and_the_times_are_on_the_page(signed_in: Client, owner: User) -> None:
    assert 'data-seed=""' in signed_in.get("/").content.decode()
    made = signed_in.post("/workspace/submit", asked(quantity="3", seed="0"), headers=JSON).json()
    assert made["seed"] == 0, "0 is a seed (pitfall 8)"
    page = signed_in.get("/").content.decode()
    assert 'data-seed="0"' in page
    assert "<span>Fast</span><small data-takes>about 15 s</small>" in page
    assert "<span>Video</span><small data-takes>about 2 min</small>" in page
    Job.objects.update(status="completed", finished_at=timezone.now())
