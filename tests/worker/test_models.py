"""A worker with models and its server: what each lease call says, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ourvidz_worker import offers
from ourvidz_worker.client import Server
from ourvidz_worker.engines.model_switch import ModelSwitch
from ourvidz_worker.engines.models import ChoiceOffer, Lora, LoraOffer, ModelSettings, NumberOffer
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.protocol import parse_job
from tests.worker.protocol_server import ProtocolServer, job_body
from tests.worker.test_runner import callbacks, ended, wait_for, working

# What a server older than models answers, as recorded of it.
UNKNOWN_FIELD = {
    "type": "urn:ourvidz:problem:invalid",
    "title": "Unprocessable Entity",
    "status": 422,
    "code": "invalid",
    "detail": "models: There is no such field.",
    "errors": {"models": "There is no such field."},
}
TOO_LARGE = {
    "type": "urn:ourvidz:problem:too_large",
    "title": "Request Entity Too Large",
    "status": 413,
    "code": "too_large",
    "detail": "The body is too large.",
    "errors": {},
}

PAPER = ModelSettings(
    name="paper",
    title="Paper",
    job_types=("sdxl_image_fast", "video_fast"),
    offer={
        "steps": NumberOffer(lowest=4, highest=12, default=8, is_whole=True),
        "palette": ChoiceOffer(choices=("natural", "mono"), default="natural"),
        "loras": LoraOffer(choices=(Lora(name="ink", file="", lowest=0, highest=1),)),
    },
)
INK = ModelSettings(name="inked", job_types=("sdxl_image_high",), fixed={"palette": "mono"}, is_default=True)


def switch(*models: ModelSettings, pace: float = 0) -> ModelSwitch:
    return ModelSwitch(EngineSettings(pace=pace), models)


def leases(server: ProtocolServer) -> list[Mapping[str, Any]]:
    return [request.json for request in server.seen("/lease")]


def body(model: str = "paper", job_id: str = "job-1", **parameters: Any) -> dict[str, Any]:
    chosen = {"model": model, "steps": 8, "palette": "natural", "loras": [], **parameters}
    return job_body(**chosen) | {"job_id": job_id}


def errors(server: ProtocolServer) -> list[dict[str, Any]]:
    return [asset["error"] for each in callbacks(server) for asset in each["assets"]]


def test_models_are_sent_once_and_their_pools_each_time(server: ProtocolServer) -> None:
    models = switch(PAPER, INK)
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 3)
    first, *others = leases(server)
    assert [each["name"] for each in first["models"]] == ["paper", "inked"]
    assert first["models"][0]["job_types"] == ["sdxl_image_fast", "video_fast"]
    assert len(first["models"][0]["digest"]) == 64
    assert not any("models" in each for each in others)
    assert {"sdxl_image_fast@paper", "video_fast+start_frame@paper", "sdxl_image_high"} <= set(first["pools"])
    assert "sdxl_image_high@inked" in first["pools"]
    assert "sdxl_image_fast" not in first["pools"], "no model of this type is a default"
    assert others[0]["pools"] == first["pools"]
    assert not any("warm" in each for each in leases(server)), "all are loaded"


def test_models_are_sent_again_until_a_call_is_answered(server: ProtocolServer) -> None:
    server.script("POST /lease", 503)
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 3)
    assert ["models" in each for each in leases(server)[:3]] == [True, True, False]


@pytest.mark.parametrize("answer", [UNKNOWN_FIELD, TOO_LARGE], ids=["422", "413"])
def test_a_server_without_models_gets_the_pools_that_it_knows(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str], answer: dict[str, Any]
) -> None:
    """An older one answers 422 to a field that it does not know, and 413 to over 16 KiB."""
    server.script("POST /lease", answer["status"], answer)
    models = switch(PAPER, INK)
    server.jobs.append(job_body() | {"job_type": "sdxl_image_high"})
    with working(server, models, models=models):
        wait_for(lambda: ended(server))
    refused, *others, leaving = leases(server)
    assert "models" in refused
    assert leaving["pools"] == ["none"]
    for each in others:
        assert set(each) == {"engines", "pools", "wait_s", "version", "device", "worker_engine"}
        assert not [pool for pool in each["pools"] if "@" in pool]
        assert "sdxl_image_high" in each["pools"]
    assert callbacks(server)[-1]["status"] == "completed"
    assert "models_refused" in capsys.readouterr().err


def test_a_worker_with_named_models_alone_offers_an_older_server_nothing(server: ProtocolServer) -> None:
    server.script("POST /lease", 422, UNKNOWN_FIELD)
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 2)
    assert leases(server)[1]["pools"] == ["none"]


def test_a_server_that_was_replaced_gets_the_models_later(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "RETRY_MODELS_S", 0.3)
    server.script("POST /lease", 422, UNKNOWN_FIELD)
    server.hold_s = 0.1
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: sum("models" in each for each in leases(server)) == 2)
        wait_for(lambda: "sdxl_image_fast@paper" in leases(server)[-1]["pools"])


def test_a_server_that_was_away_is_told_again(server: ProtocolServer) -> None:
    """It may have come back as a newer version, or with the database of yesterday."""
    server.hold_s = 0.1
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 2)
        assert "models" not in leases(server)[-1]
        server.script("POST /lease", 503)
        wait_for(lambda: sum("models" in each for each in leases(server)) == 2)
    kinds = ["models" in each for each in leases(server)]
    assert kinds[0]
    assert kinds.count(True) == 2


def test_a_worker_without_models_says_what_it_always_said(server: ProtocolServer) -> None:
    """The body of a lease call, as the version before models sent it. The first says that there are none."""
    models = switch(ModelSettings(is_default=True))
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 2)
    first, *others, leaving = leases(server)
    assert first["models"] == []
    assert leaving == {**others[0], "pools": ["none"], "wait_s": 0.0}
    for each in ({name: value for name, value in first.items() if name != "models"}, *others):
        assert set(each) == {"engines", "pools", "wait_s", "version", "device", "worker_engine"}
        assert each["pools"] == list(SketchEngine.pools)
        assert (each["engines"], each["worker_engine"]) == (["sdxl", "wan"], "sketch")


def test_an_older_server_is_not_told_again_that_there_are_no_models(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(offers, "RETRY_MODELS_S", 0.1)
    server.script("POST /lease", 422, UNKNOWN_FIELD)
    server.hold_s = 0.1
    models = switch(ModelSettings(is_default=True))
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 4)
    refused, *others = leases(server)
    assert refused["models"] == []
    assert not any("models" in each for each in others)
    assert others[0]["pools"] == list(SketchEngine.pools)
    assert "models_refused" not in capsys.readouterr().err, "nothing is left out"


def test_no_call_offers_more_pools_than_a_server_takes(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    models = switch(*(ModelSettings(name=f"m{number}", is_default=number == 0) for number in range(12)))
    with working(server, models, models=models):
        wait_for(lambda: len(leases(server)) >= 2)
    assert len(models.pools) > 200
    pools = leases(server)[0]["pools"]
    assert len(pools) == len(set(pools)) == 200
    assert set(SketchEngine.pools) <= set(pools), "jobs without a model come first"
    assert {f"sdxl_image_fast@m{number}" for number in range(12)} <= set(pools)
    assert capsys.readouterr().err.count("pools_cut") == 1


def test_a_result_says_which_model_and_what_was_chosen(server: ProtocolServer) -> None:
    server.jobs.append(body(steps=4, palette="mono", loras=[{"name": "ink", "weight": 0.5}]))
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: ended(server))
    (callback,) = callbacks(server)
    metadata = callback["assets"][0]["metadata"]
    assert (metadata["model"], metadata["loras"]) == ("paper", {"ink": 0.5})
    assert metadata["settings"] == {"palette": "mono"}
    assert metadata["model_digest"] == callback["metadata"]["model_digest"] == models.bodies()[0]["digest"]
    media = server.uploads()[0].body
    for text in (b"Model: paper", b"Steps: 4", b"Palette: mono", b'Loras: "ink: 0.5"'):
        assert text in media


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"clip_skip": 2}, "clip_skip (the model 'paper' does not offer it)"),
        ({"freedom": 3, "zeal": 1}, "freedom, zeal (the model 'paper' does not offer it)"),
        ({"steps": 13}, "steps 13 (the model 'paper' takes 4 to 12)"),
        ({"steps": 3}, "steps 3 (the model 'paper' takes 4 to 12)"),
        ({"palette": "sepia"}, "palette 'sepia' (the model 'paper' does not offer it)"),
        ({"loras": [{"name": "smoke", "weight": 1}]}, "the LoRA 'smoke'"),
        ({"loras": [{"name": "ink", "weight": 1.5}]}, "the weight 1.5 of the LoRA 'ink' (0 to 1)"),
    ],
)
def test_a_parameter_that_it_does_not_know_fails_each_slot(
    server: ProtocolServer, wanted: dict[str, Any], named: str
) -> None:
    """Pitfall 47"""
    job = body(**wanted)
    job["slots"] = job_body(slots=2)["slots"]
    server.jobs.append(job)
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: len(errors(server)) == 2)
    for error in errors(server):
        assert (error["code"], error["retryable"]) == ("unsupported_parameter", False)
        assert named in error["message"]
    assert not server.uploads()


def test_a_job_without_a_model_may_not_have_unknown_parameters_either(server: ProtocolServer) -> None:
    """Pitfall 47"""
    server.jobs.append(job_body(freedom=3))
    models = switch(ModelSettings(is_default=True))
    with working(server, models, models=models):
        wait_for(lambda: errors(server))
    assert errors(server)[0]["code"] == "unsupported_parameter"
    assert "freedom (this worker does not offer it)" in errors(server)[0]["message"]


def test_a_model_that_is_not_here_is_left_to_another_worker(server: ProtocolServer) -> None:
    server.jobs.append(body(model="canvas"))
    models = switch(PAPER)
    with working(server, models, models=models):
        wait_for(lambda: errors(server))
    (error,) = errors(server)
    assert (error["code"], error["retryable"]) == ("model_missing", True)
    assert "'canvas'" in error["message"]


def test_a_default_model_is_run_as_its_operator_set_it(server: ProtocolServer) -> None:
    """A job that names no model has its job type's parameters, 15 steps, which a fast model cannot use."""
    fast = ModelSettings(name="fast", offer=PAPER.offer, fixed={"guidance": 1.0}, is_default=True)
    server.jobs.append(job_body())
    models = switch(fast)
    with working(server, models, models=models):
        wait_for(lambda: ended(server))
    media = server.uploads()[0].body
    assert b"Steps: 8" in media
    assert b"CFG scale: 1.0" in media
    assert b"Model: fast" in media


def test_lease_answers_of_older_servers_are_read_as_before() -> None:
    """As recorded of version 6ac2d4f: no model, no LoRAs, no further keys."""
    recorded = {
        "job_id": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01",
        "lease_token": "9d3c1f0e-1f2b-4c7d-8a66-0d6f3b1f2c11",
        "attempt": 1,
        "lease_seconds": 60,
        "heartbeat_seconds": 15,
        "job_type": "video_fast",
        "engine": "wan",
        "prompt": "a lighthouse at dusk",
        "negative_prompt": "",
        "parameters": {
            **{"media": "video", "width": 480, "height": 832, "frames": 81, "fps": 16, "enhance": False},
            **{"steps": 25, "guidance": 6.5, "solver": "unipc", "shift": 5.0},
        },
        "slots": [{"slot": 0, "image_index": None, "asset_id": "0192f0c1", "seed": 44}],
        "references": [],
        "upload": {"max_bytes": 104857600, "content_types": ["video/mp4", "video/webm"]},
        "preview": {"max_bytes": 65536, "max_side": 512, "every_seconds": 2},
    }
    job = parse_job(recorded)
    parameters = job.parameters
    assert (parameters.model, parameters.loras, parameters.settings) == ("", (), {})
    assert (parameters.steps, parameters.guidance, parameters.shift, parameters.frames) == (25, 6.5, 5.0, 81)


def test_the_server_is_not_told_of_models_by_a_probe(server: ProtocolServer) -> None:
    client = Server(server.url, "ovw_test")
    client.check_access()
    client.close()
    assert [probe.body for probe in server.probes] == [b"{}"]
