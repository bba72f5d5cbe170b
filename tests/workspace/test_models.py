"""Models in the composer: chosen, set, kept, and brought back; also without a script."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generation.access import models as access_models
from generation.models import Job, Model, Worker, WorkerSpeed
from ourvidz_worker.engines.base import Result
from ourvidz_worker.engines.chosen import resolve
from ourvidz_worker.engines.models import ChoiceOffer, Lora, LoraOffer, ModelSettings, NumberOffer, body_of
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.protocol import parse_job
from tests.advertised import FILM, advertise, body, deliver
from tests.factories import complete, make_job, make_worker
from tests.worker.protocol_server import job_body
from tests.workspace.test_composer import JSON, asked
from workspace import model_settings
from workspace.models import Preset

GRAIN = "settings:loras:film-grain"
SET = {
    "model": FILM,
    "settings_of": FILM,
    "settings:steps": "5",
    "settings:guidance": "2",
    "settings:scheduler": "euler",
    GRAIN: "on",
    f"{GRAIN}:weight": "0.8",
    "settings:loras:night:weight": "0.5",
}
CHOSEN = {"steps": 5, "loras": [{"name": "film-grain", "weight": 0.8}]}


@pytest.fixture
def film(db: None) -> Model:
    worker = make_worker("m1")
    return advertise(worker, body(), body("plain", title="Plain", offer={}, sizes={}, digest=""))


def make(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/workspace/submit", asked(**fields), headers=JSON)
    return {"status": answer.status_code, **answer.json()}


def page(client: Client, address: str = "/") -> str:
    return client.get(address).content.decode()


def test_what_is_set_is_frozen_and_shown(signed_in: Client, owner: User, film: Model) -> None:
    """Several prompts at once carry it alike; what stands at its default is no choice."""
    assert make(signed_in, prompt="a {red|blue} fox", **SET)["status"] == 200
    for job in Job.objects.of(owner.pk):
        assert (job.model, job.settings, job.parameters["guidance"]) == (FILM, CHOSEN, 2.0)
        stack = page(signed_in).split(f'id="stack-{job.pk}"')[1]
        assert "Film XL · SDXL fast" in stack
        assert "Steps 5, LoRA film-grain at 0.8" in stack
        menu = page(signed_in, f"/workspace/jobs/{job.pk}/menu")
        assert '<dt>Model</dt><dd dir="auto">Film XL</dd>' in menu
        assert "film-grain at 0.8" in menu


def test_what_cannot_be_is_refused_and_stays_in_the_form(signed_in: Client, owner: User, film: Model) -> None:
    for fields, field, words in [
        ({"settings:steps": "13"}, "settings", "Steps: This is a whole number from 4 to 12."),
        ({"settings:steps": "many"}, "settings", "Steps: This is a whole number from 4 to 12."),
        ({f"{GRAIN}:weight": "3"}, "settings", "LoRAs: The weight of Film grain"),
        ({"settings:loras:sharp": "on"}, "settings", "LoRAs"),
        ({"settings:shift": "3"}, "settings", "Shift: The model does not offer this setting"),
        ({"model": "other"}, "model", "There is no model “other” that you can use."),
        ({"media": "video"}, "model", "Film XL does not make"),
        ({"aspect": "16:9"}, "aspect", "Film XL has the aspect ratios 1:1, 2:3."),
        ({"model": "plain"}, "settings", "What was set is of Film XL."),
    ]:
        refused = make(signed_in, prompt="a fox", **{**SET, **fields})
        assert refused["status"] == 422, fields
        assert refused["errors"][field][0].startswith(words), refused["errors"]
    again = signed_in.post("/workspace/submit", asked(prompt="a fox", **{**SET, "settings:steps": "13"}))
    shown = again.content.decode()
    assert again.status_code == 422
    assert 'name="settings:steps" value="13"' in shown
    assert "Steps: This is a whole number from 4 to 12." in shown
    assert not Job.objects.of(owner.pk).exists()


def test_a_form_without_a_script_shows_the_settings_of_what_is_chosen(
    signed_in: Client, owner: User, film: Model
) -> None:
    plain = page(signed_in)
    assert '<option value="film-xl" dir="auto">Film XL</option>' in plain
    assert "settings:steps" not in plain
    shown = signed_in.post("/workspace/show-settings", asked(prompt="a fox", model=FILM)).content.decode()
    assert 'name="settings:steps" value="8"' in shown
    assert "a fox</textarea>" in shown
    signed_in.post("/workspace/submit", asked(prompt="a fox", model=FILM))
    assert Job.objects.of(owner.pk).get().settings == {}
    make(signed_in, prompt="a fox", **SET)
    remembered = page(signed_in)
    assert 'name="settings:steps" value="5"' in remembered
    assert f'name="{GRAIN}" value="on" data-default="" data-label="Film grain" checked' in remembered
    assert f'name="{GRAIN}:weight" min="-1" max="2" step="0.05" value="0.8"' in remembered
    assert 'value="film-xl" dir="auto" selected' in remembered


def test_the_list_says_what_each_is_and_whether_it_waits(
    signed_in: Client, stranger: Client, film: Model
) -> None:
    address = "/workspace/models?job_type=sdxl_image_fast&chosen=plain"
    shown = page(signed_in, address)
    assert shown.index("Automatic") < shown.index("Film XL") < shown.index("Plain")
    assert 'href="https://example.org/licence"' in shown
    assert "no worker for it is running" not in shown
    assert "No worker offers a model for this." in page(signed_in, "/workspace/models?job_type=video_fast")
    Worker.objects.update(last_seen_at="2026-01-01T00:00Z")
    assert "no worker for it is running" in page(signed_in, address)
    assert "(no worker now)" in page(signed_in)
    Model.objects.filter(name=FILM).update(default_for=["sdxl_image_fast"], title="Velvet")
    assert "now <bdi>Velvet</bdi>" in page(signed_in, address)
    film.groups.add(Group.objects.create(name="artists"))
    assert "Velvet" not in page(stranger, address)
    assert stranger.get(f"/workspace/models/{FILM}").status_code == 404
    assert signed_in.get("/workspace/models/plain?job_type=sdxl_image_fast").status_code == 200


def test_a_recalled_job_brings_its_model_and_says_what_is_gone(
    signed_in: Client, owner: User, film: Model
) -> None:
    job = make_job(owner, model=FILM, settings=CHOSEN)
    [image] = deliver(Worker.objects.get(), job)

    def recalled() -> dict[str, Any]:
        answer: dict[str, Any] = signed_in.get(f"/workspace/recall/{image.pk}?field=all").json()
        return answer

    values = recalled()["filled"]["values"]
    expected = {name: values.get(name) for name in ("model", "settings_of", "settings:steps", GRAIN)}
    assert expected == {"model": FILM, "settings_of": FILM, "settings:steps": "5", GRAIN: True}
    assert values[f"{GRAIN}:weight"] == "0.8"
    assert 'name="settings:steps" value="5"' in page(signed_in, f"/?from={job.pk}")
    offer = {**film.offer, "steps": {"type": "integer", "minimum": 6, "maximum": 12, "default": 8}}
    advertise(Worker.objects.get(), body(digest="b" * 64, offer=offer))
    said = recalled()
    assert "Model: Film XL – it has changed since" in said["html"]
    assert "Steps: 5 – This is a whole number from 6 to 12." in said["html"]
    assert "settings:steps" not in said["filled"]["values"]
    advertise(Worker.objects.get(), body("other"))
    said = recalled()
    assert "Model: film-xl – it is not here any more" in said["html"]
    assert said["filled"]["values"]["model"] == ""
    shown = page(signed_in, f"/?from={job.pk}")
    assert "Model: film-xl – it is not here any more" in shown
    run = signed_in.post(f"/workspace/jobs/{job.pk}/run-again", headers=JSON)
    assert run.status_code == 409


def drawn_by_sketch(model: ModelSettings, **parameters: Any) -> bytes:
    """The file that the worker's engine makes of these parameters."""
    job = resolve(parse_job(job_body(width=128, height=96, model=model.name, **parameters)), model)
    (made,) = SketchEngine(model=model).generate(job, lambda share, stage: None, lambda: False)
    assert isinstance(made.outcome, Result)
    media = made.outcome.media
    assert isinstance(media, bytes)
    return media


def test_a_file_of_ours_brings_its_model_and_all_that_was_set(signed_in: Client, db: None) -> None:
    loras = tuple(Lora(name=name, file="") for name in ("film-grain", "ink"))
    paper = ModelSettings(
        name="paper",
        title="Paper",
        fixed={"guidance": 3.0},
        loras=(Lora(name="glow", file="", weight=0.5),),
        offer={
            "steps": NumberOffer(lowest=2, highest=12, default=12, is_whole=True),
            "detail": NumberOffer(lowest=0, highest=1, default=0.5, is_whole=False),
            "palette": ChoiceOffer(choices=("natural", "mono"), default="natural"),
            "loras": LoraOffer(choices=loras),
        },
    )
    worker = make_worker("m1")
    advertise(worker, body_of(paper, ["sdxl_image_fast"], "d" * 64))
    chosen = [{"name": "film-grain", "weight": 0.8}, {"name": "ink", "weight": -0.5}]
    settings = {"steps": 5, "detail": 0.25, "palette": "mono", "loras": chosen}
    file = drawn_by_sketch(paper, prompt="a <lora:ink:1> fox", **settings)

    def recalled() -> dict[str, Any]:
        answer = signed_in.put("/workspace/recall/file", file, content_type="image/png")
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    said = recalled()
    values = {name: value for name, value in said["filled"]["values"].items() if name.startswith("settings")}
    assert values == {
        "settings_of": "paper",
        "settings:steps": "5",
        "settings:detail": "0.25",
        "settings:palette": "mono",
        GRAIN: True,
        f"{GRAIN}:weight": "0.8",
        "settings:loras:ink": True,
        "settings:loras:ink:weight": "-0.5",
    }
    assert said["filled"]["values"]["model"] == "paper"
    assert said["filled"]["values"]["prompt"] == "a <lora:ink:1> fox", "our prompts load nothing"
    assert "LoRA: glow – Paper leaves no choice of it." in said["html"]
    assert "not used here" not in said["html"]
    narrow = replace(paper, offer={"steps": paper.offer["steps"], "loras": LoraOffer(choices=loras[:1])})
    advertise(worker, body_of(narrow, ["sdxl_image_fast"], "e" * 64))
    said = recalled()
    assert "settings:palette" not in said["filled"]["values"]
    assert "Palette: mono – not used here." in said["html"]
    assert "LoRA: ink – Paper leaves no choice of it." in said["html"]
    advertise(worker, body("other"))
    said = recalled()
    assert "Model: paper – it is not here any more" in said["html"]
    assert "model" not in said["filled"]["values"]


def test_a_preset_keeps_them(signed_in: Client, owner: User, film: Model) -> None:
    saved = signed_in.post("/workspace/presets/save", asked(preset_name="grainy", **SET), headers=JSON)
    assert saved.status_code == 200, saved.content
    preset = Preset.objects.get()
    assert (preset.fields["model"], preset.fields["settings"]) == (FILM, CHOSEN)
    assert "&quot;settings:steps&quot;: &quot;5&quot;" in page(signed_in, "/workspace/presets")
    assert 'name="settings:steps" value="5"' in page(signed_in, f"/?preset={preset.pk}")


def test_the_forecast_is_of_the_model(signed_in: Client, film: Model) -> None:
    query = {"job_type": "sdxl_image_fast", "quantity": "1"}
    assert signed_in.get("/workspace/forecast", query).json()["served"] is False
    assert signed_in.get("/workspace/forecast", {**query, "model": FILM}).json()["served"] is True


def test_a_page_costs_the_same_with_more_models(signed_in: Client, owner: User, film: Model) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            page(signed_in)
        return len(counted)

    make_job(owner, model=FILM)
    complete(make_job(owner))
    before = queries()
    many = [body(f"m{number}", title=f"Model {number}") for number in range(20)]
    advertise(Worker.objects.get(name="m1"), body(), *many)
    make_job(owner, model="m3")
    assert queries() == before


def test_a_step_is_round_and_fits_the_range() -> None:
    for low, high, step in [(-1, 2, "0.05"), (0, 1, "0.01"), (1, 3, "0.02"), (0, 1000, "10"), (5, 5, "any")]:
        assert model_settings._step(low, high) == step


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "\ud800", "x" * 5000, "../film-xl", "Film XL"])
def test_a_name_that_no_model_can_have_is_none(
    signed_in: Client, owner: User, film: Model, name: str
) -> None:
    sent = name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    posted = asked(model=sent, settings_of=sent, **{"settings:steps": "5"})
    assert signed_in.post("/workspace/submit", posted).status_code == 422
    assert signed_in.post("/workspace/show-settings", posted).status_code == 200
    assert signed_in.post("/workspace/submit", posted | {"model": FILM}).status_code == 302
    for path in ("/workspace/models/{}", "/api/v1/models/{}/picture"):
        assert signed_in.get(path.format(quote(sent, safe=""))).status_code == 404
    assert access_models.served_model(owner.pk, name) is None, "as a file may say"


def test_a_forecast_tells_nothing_of_a_model_that_its_reader_may_not_use(
    signed_in: Client, owner: User, film: Model
) -> None:
    def told(model: str) -> dict[str, Any]:
        query = {"job_type": "sdxl_image_fast", "quantity": "1", "model": model}
        return dict(signed_in.get("/workspace/forecast", query).json())

    worker = Worker.objects.get()
    WorkerSpeed.objects.create(worker=worker, job_type="sdxl_image_fast", model=FILM, seconds=7000)
    assert told(FILM)["text"] == "starts at once · about 2 h"
    film.groups.add(Group.objects.create(name="artists"))
    assert told(FILM) == told("no-such-model") == told("")
    posted = signed_in.post("/workspace/show-settings", asked(model=FILM, settings_of=FILM))
    assert '"3": "about 6 h"' not in posted.content.decode()


@pytest.mark.parametrize("most", [5e-324, 1e-310, 1e-300])
def test_a_range_of_next_to_nothing_has_a_control(signed_in: Client, film: Model, most: float) -> None:
    offer = {"guidance": {"type": "number", "minimum": 0, "maximum": most, "default": 0}}
    advertise(make_worker("m2"), body("narrow", offer=offer))
    answer = signed_in.get("/workspace/models/narrow")
    assert answer.status_code == 200
    assert "settings:guidance" in answer.content.decode()
