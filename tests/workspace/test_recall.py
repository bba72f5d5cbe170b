"""Settings brought back into the composer: from an asset, from a file, with a script and without."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from generation.catalog.job_types import JOB_TYPES
from generation.media.parameters.found import parameters
from tests.factories import complete, make_job, make_user, mp4, png
from tests.generation.parameter_files import INFOTEXT, mp4_with, png_with
from workspace import recall

FILE = "/workspace/recall/file"


def sent(client: Client, content: bytes, content_type: str = "image/png", query: str = "") -> Any:
    return client.put(f"{FILE}?{query}", content, content_type=content_type)


def test_a_field_or_all_of_an_asset_comes_back(signed_in: Client, owner: User) -> None:
    """pitfall 8: with seed 0. For the script as values, without one in the page."""
    job = make_job(owner, "sdxl_image_high", quantity=3, seed=0, negative_prompt="text", aspect="16:9")
    first = complete(job)[0]

    def filled(what: str, query: str = "") -> dict[str, Any]:
        answer = signed_in.get(f"/workspace/recall/{first.pk}?field={what}{query}").json()
        values: dict[str, Any] = answer["filled"]["values"]
        return values

    assert filled("prompt") == {"prompt": job.prompt, "negative_prompt": "text", "one_per_line": False}
    assert filled("seed") == {"seed": "0"}
    assert filled("size", "&media=image&quality=fast") == {"aspect": "16:9"}
    assert filled("size", "&media=video&quality=fast&engine=sdxl") == {"aspect": "16:9"}
    everything = filled("all")
    assert (everything["seed"], everything["quality"], everything["quantity"]) == ("0", "high", "1")
    page = signed_in.get(f"/?recall={first.pk}&field=seed").content.decode()
    assert 'name="seed" value="0"' in page
    assert "Its seed is in the form." in page


def test_only_ones_own_can_be_recalled(signed_in: Client) -> None:
    theirs = complete(make_job(make_user("stranger"), prompt="quokka"))[0]
    for asset_id, what in [(theirs.pk, "all"), (uuid.uuid4(), "all")]:
        assert signed_in.get(f"/workspace/recall/{asset_id}?field={what}").status_code == 404
        assert "quokka" not in signed_in.get(f"/?recall={asset_id}").content.decode()
    for nonsense in ("x", "", "\0", "a" * 5000):
        assert signed_in.get("/", {"recall": nonsense, "field": nonsense}).status_code == 200


def test_a_file_fills_in_the_form_and_what_has_no_place_is_said(signed_in: Client) -> None:
    answer = sent(signed_in, png_with({"parameters": INFOTEXT}), query="media=video&quality=high")
    assert answer.status_code == 200
    body = answer.json()
    assert body["filled"]["values"] == {
        "prompt": "a lighthouse, (stormy sea:1.2)\nwarm light",
        "negative_prompt": "blurry, text\nextra fingers",
        "one_per_line": False,  # its two lines are one prompt
        "seed": "0",
        "aspect": "2:3",
        "media": "image",
    }
    assert "Sampler: DPM++ 2M – chosen by the job type." in body["html"]
    film = sent(signed_in, mp4_with({"comment": INFOTEXT}), "video/mp4").json()
    assert (film["filled"]["values"]["media"], film["filled"]["values"]["aspect"]) == ("video", "")
    assert "Size: 832 × 1,216 – the nearest here is 9:16, 480 × 832." in film["html"]
    for content, content_type in [(png(), "image/png"), (mp4(), "video/mp4"), (b"\x89PNG", "image/png")]:
        nothing = sent(signed_in, content, content_type).json()
        assert nothing["filled"] is None
        assert "says nothing" in nothing["words"]
    assert sent(signed_in, b"GIF89a", "image/gif").status_code == 415


def test_a_file_needs_a_session_and_its_token(owner: User) -> None:
    assert sent(Client(), png()).status_code == 401
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert sent(strict, png()).status_code == 403


def test_a_file_without_a_script(signed_in: Client) -> None:
    assert b'type="file"' in signed_in.get("/workspace/recall").content
    file = SimpleUploadedFile("x.png", png_with({"parameters": INFOTEXT}), "image/png")
    page = signed_in.post("/workspace/recall", {"file": file}).content.decode()
    assert 'name="seed" value="0"' in page
    assert "Steps: 20 – chosen by the quality." in page
    for wrong in (SimpleUploadedFile("x.png", png(), "image/png"), SimpleUploadedFile("x", b"1", "x/y")):
        assert signed_in.post("/workspace/recall", {"file": wrong}).status_code == 422
    assert signed_in.post("/workspace/recall").status_code == 422


@pytest.mark.parametrize("name", JOB_TYPES)
def test_a_size_goes_to_the_nearest_aspect_ratio(name: str) -> None:
    job_type = JOB_TYPES[name]
    for aspect, (width, height) in job_type.sizes.items():
        chosen, sentences = recall._aspect(job_type.sizes, job_type.default_aspect, width, height)
        assert chosen["aspect"] == ("" if aspect == job_type.default_aspect else aspect)
        assert sentences == []
        doubled = recall._aspect(job_type.sizes, job_type.default_aspect, width * 2, height * 2)
        assert len(doubled[1]) == 1


def test_a_seed_that_is_too_large_is_said() -> None:
    said = parameters("ComfyUI", prompt="x", seed=2**63)
    found = recall.of_file(said, owner_id=1, media="image", composer={})
    assert "seed" not in found.values
    assert found.unused[0].startswith("Seed: 9,223,372,036,854,775,808 – seeds here end at 4,294,967,295")
    json.dumps(found.filled)
