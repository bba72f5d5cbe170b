"""What goes wrong in a ComfyUI: each fault has its code, its words, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ourvidz_worker.engines.base import NULL_PREVIEWS, FinishedSlot, Result
from ourvidz_worker.engines.comfy.engine import ComfyEngine
from ourvidz_worker.errors import Halted
from ourvidz_worker.pool_guard import OWN_FAULTS
from ourvidz_worker.protocol import AssetError, Job
from tests.functional.programs import eventually
from tests.worker.comfy_models import (
    IMAGE,
    IMAGE_BIND,
    done,
    error_of,
    image_job,
    image_model,
    loaded,
    results,
    with_class,
)
from tests.worker.comfy_stand_in import ComfyStandIn

FILE = {"filename": "gone.png", "subfolder": "", "type": "output"}


@pytest.fixture
def engine(comfy: ComfyStandIn, tmp_path: Path) -> ComfyEngine:
    return loaded(comfy, image_model(tmp_path, comfy.url))


@contextmanager
def running(
    engine: ComfyEngine, job: Job, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[list[Any]]:
    """The job, in a thread of its own; what it yields, and what it raises, is in the list at the end."""
    ended: list[Any] = []

    def work() -> None:
        try:
            ended.extend(engine.generate(job, lambda share, stage: None, should_stop, NULL_PREVIEWS))
        except Halted as error:
            ended.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield ended
    finally:
        thread.join(60)
        assert not thread.is_alive()


def only_error(ended: list[Any]) -> AssetError:
    [finished] = ended
    assert isinstance(finished, FinishedSlot)
    assert isinstance(finished.outcome, AssetError), finished.outcome
    return finished.outcome


def test_a_model_that_was_deleted_since(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    """A 400 names the node: for the operator. It is no fault of the job, and another worker may have it."""
    comfy.queue.models.clear()
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("workflow_refused", True)
    assert error.code in OWN_FAULTS
    assert error.message == "The workflow of this model cannot be run."
    assert "node 4 (CheckpointLoaderSimple): Value not in list: ckpt_name: 'film.safetensors'" in error.advice


def test_a_value_that_a_node_does_not_take(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    """It is the job's own: no attempt would end otherwise."""
    error = error_of(engine, image_job(width=8192))
    assert (error.code, error.retryable) == ("unsupported_parameter", False)
    assert error.code not in OWN_FAULTS
    assert error.message == "This model does not support: this width."


def test_a_node_class_that_is_gone(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    known = comfy.queue.classes()
    known.pop("VAEDecode")
    comfy.queue.classes = lambda: known  # type: ignore[method-assign] # a node pack was taken out
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("workflow_refused", True)
    assert "VAEDecode does not exist" in error.advice


def test_errors_of_nodes_in_an_answer_of_200(comfy: ComfyStandIn, tmp_path: Path) -> None:
    """ComfyUI runs what it can. The result would not be what the operator drew: it is taken back."""
    comfy.faults.step_s = 0.1
    workflow = {**IMAGE, "20": {"class_type": "SaveImage", "inputs": {"filename_prefix": "second"}}}
    error = error_of(loaded(comfy, image_model(tmp_path, comfy.url, workflow)), image_job(steps=20))
    assert (error.code, error.retryable) == ("workflow_refused", True)
    assert "node 20 (SaveImage): Required input is missing: images" in error.advice
    eventually(lambda: comfy.queue.running is None)
    assert not comfy.queue.files


def test_a_node_that_fails(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.raises["VAEDecode"] = ("RuntimeError", "the sizes of tensors must match")
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("workflow_failed", True)
    assert error.code in OWN_FAULTS
    assert error.message == "The workflow of this model failed."
    assert error.advice == "node 8 (VAEDecode): RuntimeError: the sizes of tensors must match"


def test_the_users_words_are_not_for_the_log(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    said = "no token for a lighthouse at sunset, ".replace("house at", "house\n  at") * 40
    comfy.faults.raises["CLIPTextEncode"] = ("ValueError", said)
    error = error_of(engine, image_job())
    assert error.advice.startswith("node 6 (CLIPTextEncode): ValueError: no token for …, no token for …")
    assert "lighthouse" not in error.for_operator


@pytest.mark.parametrize(
    ("exception", "message"),
    [("torch.OutOfMemoryError", "Allocation on device"), ("RuntimeError", "CUDA error: out of memory")],
)
def test_out_of_memory(comfy: ComfyStandIn, engine: ComfyEngine, exception: str, message: str) -> None:
    comfy.faults.raises["KSampler"] = (exception, message)
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("out_of_memory", True)
    assert error.code in OWN_FAULTS


@pytest.mark.parametrize("has_jobs", [True, False])
def test_a_restart_in_the_middle_of_a_job(
    comfy: ComfyStandIn, engine: ComfyEngine, *, has_jobs: bool
) -> None:
    """Queue and history were in memory. The slot in work fails, the next one waits and is made."""
    comfy.faults.has_jobs = has_jobs
    comfy.faults.step_s = 0.2
    with running(engine, image_job(2, steps=20)) as ended:
        eventually(lambda: comfy.queue.running)
        comfy.stop()
        comfy.faults.step_s = 0.0
        comfy.start()
    first, second = ended
    assert isinstance(first.outcome, AssetError)
    assert (first.outcome.code, first.outcome.retryable) == ("comfy_restarted", True)
    assert first.outcome.code in OWN_FAULTS
    assert isinstance(second.outcome, Result)


def test_a_comfyui_that_stays_away(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url), patience_s=1.0)
    comfy.stop()
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("comfy_away", True)
    assert error.code in OWN_FAULTS
    assert error.message == "The program that runs this model cannot be reached."
    assert "away for 1 s" in error.advice


def test_a_comfyui_that_stays_away_is_waited_for_once_a_job(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url), patience_s=1.5)
    comfy.stop()
    began = time.monotonic()
    errors = [each.outcome for each in done(engine, image_job(6))]
    assert time.monotonic() - began < 5
    assert [each.code for each in errors if isinstance(each, AssetError)] == ["comfy_away"] * 6


def test_a_lost_socket_costs_nothing(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    """The end is asked for."""
    comfy.faults.step_s = 0.1
    with running(engine, image_job(steps=10)) as ended:
        eventually(lambda: comfy.queue.running)
        comfy.cut_sockets()
    assert isinstance(ended[0].outcome, Result)


def test_a_comfyui_without_a_socket(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    """Such as one behind a proxy that passes none on."""
    comfy.faults.refuses_sockets = True
    assert len(results(engine, image_job(2))) == 2


def test_an_answer_that_was_lost_queues_nothing_twice(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.prompt_answers_lost = 1
    comfy.faults.step_s = 0.05
    assert len(results(engine, image_job(steps=30))) == 1
    assert len(comfy.queue.submitted) == 1


def test_a_prompt_that_somebody_deletes(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.step_s = 0.1
    with running(engine, image_job(steps=10)) as foreign:
        eventually(lambda: comfy.queue.running)
        other = loaded(comfy, engine.model)
        with running(other, image_job()) as ended:
            eventually(lambda: comfy.queue.pending)
            comfy.queue.delete([comfy.queue.pending[0]["id"]])
    error = only_error(ended)
    assert (error.code, error.retryable) == ("comfy_removed", True)
    assert error.code not in OWN_FAULTS
    assert isinstance(foreign[0].outcome, Result)


def test_a_prompt_that_somebody_interrupts(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.step_s = 0.1
    with running(engine, image_job(steps=40)) as ended:
        eventually(lambda: comfy.queue.running)
        comfy.queue.interrupt("")
    error = only_error(ended)
    assert (error.code, error.retryable) == ("comfy_interrupted", True)
    assert error.code not in OWN_FAULTS


@pytest.mark.parametrize("interrupts_anything", [False, True])
def test_a_cancel_ends_this_prompt_and_no_other(
    comfy: ComfyStandIn, engine: ComfyEngine, *, interrupts_anything: bool
) -> None:
    """Older versions interrupt whatever runs: then nothing is interrupted unless it is this one."""
    comfy.faults.interrupts_anything = interrupts_anything
    comfy.faults.step_s = 0.1
    stops = [False]
    with running(loaded(comfy, engine.model), image_job(steps=12)) as foreign:
        eventually(lambda: comfy.queue.running)
        with running(engine, image_job(), lambda: stops[0]) as ended:
            eventually(lambda: comfy.queue.pending)
            waiting = comfy.queue.pending[0]["id"]
            stops[0] = True
        assert isinstance(ended[0], Halted)
        assert comfy.queue.deleted == [waiting]
        assert comfy.queue.interrupted == []
    assert isinstance(foreign[0].outcome, Result)


def test_a_cancel_interrupts_what_runs(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.step_s = 0.1
    stops = [False]
    with running(engine, image_job(3, steps=100), lambda: stops[0]) as ended:
        eventually(lambda: comfy.queue.running)
        at_work = comfy.queue.submitted[0]["id"]
        stops[0] = True
    assert isinstance(ended[0], Halted)
    assert comfy.queue.interrupted == [at_work]
    assert len(comfy.queue.submitted) == 1
    assert comfy.queue.running is None


def test_it_says_that_it_waits_for_others(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.has_jobs, comfy.faults.step_s = False, 0.1
    other = loaded(comfy, engine.model)
    stages: list[str] = []
    with running(engine, image_job(steps=25)):
        eventually(lambda: comfy.queue.running)
        list(other.generate(image_job(), lambda share, stage: stages.append(stage), lambda: False))
    assert "waiting for 1 before it" in stages


def test_a_cache_that_returns_nothing_is_emptied_once(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.forgets_cached_outputs = True
    first, again = results(engine, image_job()), results(engine, image_job())
    assert first[0].media == again[0].media
    assert comfy.queue.freed == [{"unload_models": False, "free_memory": True}]
    assert len(comfy.queue.submitted) == 3


def test_a_cached_file_that_was_deleted_is_made_again(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    first = results(engine, image_job())
    comfy.queue.files.clear()
    assert results(engine, image_job())[0].media == first[0].media
    assert len(comfy.queue.freed) == 1


def test_a_workflow_that_makes_nothing(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.outputs["SaveImage"] = {"images": []}
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("output_missing", True)
    assert error.code in OWN_FAULTS
    assert error.advice == "No file of node 9 (SaveImage): it ended without an error."


def test_a_file_that_is_gone(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.loses_files = True
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("output_missing", True)
    assert error.message == "The file of this result is gone."


def test_several_files_in_place_of_one(comfy: ComfyStandIn, tmp_path: Path) -> None:
    """Which of them was meant is not guessed."""
    workflow = {**IMAGE, "5": {**IMAGE["5"], "inputs": {**IMAGE["5"]["inputs"], "batch_size": 4}}}
    error = error_of(loaded(comfy, image_model(tmp_path, comfy.url, workflow)), image_job())
    assert (error.code, error.retryable) == ("wrong_output", True)
    assert error.code in OWN_FAULTS
    assert error.message == "The workflow of this model made 4 files in place of one."


def test_an_output_of_another_kind(comfy: ComfyStandIn, tmp_path: Path) -> None:
    model = image_model(tmp_path, comfy.url, with_class(IMAGE, "9", "SaveAudio"))
    error = error_of(loaded(comfy, model), image_job())
    assert (error.code, error.retryable) == ("wrong_output", True)
    assert error.advice == "node 9 (SaveAudio) made audio, and no image or video."


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + bytes(20)])
def test_a_file_that_is_no_picture(comfy: ComfyStandIn, engine: ComfyEngine, content: bytes) -> None:
    comfy.queue.files["output", "", "gone.png"] = content
    comfy.faults.outputs["SaveImage"] = {"images": [FILE]}
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("wrong_output", True)
    assert error.message == "The workflow of this model made a file that is no picture."


def test_a_file_over_the_limit_is_not_read_to_its_end(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.queue.files["output", "", "gone.png"] = bytes(60 * 2**20)
    comfy.faults.outputs["SaveImage"] = {"images": [FILE]}
    error = error_of(engine, image_job())
    assert (error.code, error.retryable) == ("too_large", False)


@pytest.mark.parametrize(
    "made",
    [
        {"images": "gone.png"},
        {"images": [None, 3, {"filename": 7}, {"filename": ""}, {"filename": "x" * 2000}]},
        {"images": [{"filename": "a.png", "subfolder": ["..", "etc"], "type": "output"}]},
    ],
)
def test_what_a_node_says_is_not_trusted(
    comfy: ComfyStandIn, engine: ComfyEngine, made: dict[str, object]
) -> None:
    comfy.faults.outputs["SaveImage"] = made
    assert error_of(engine, image_job()).code == "output_missing"


def test_answers_that_mean_nothing(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url), patience_s=1.0)
    comfy.faults.answers_nonsense = True
    error = error_of(engine, image_job())
    assert error.code == "comfy_away"
    assert "is not one that a ComfyUI gives" in error.advice


def test_a_redirect_is_not_followed(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, image_model(tmp_path, comfy.url), patience_s=1.0)
    comfy.faults.refuses_sockets = True
    comfy.faults.redirect_to = "http://192.0.2.1:9"
    error = error_of(engine, image_job())
    assert error.code == "comfy_away"
    assert "redirect" in error.advice


def test_the_other_slots_of_a_job_are_made(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    comfy.faults.raises["VAEDecode"] = ("RuntimeError", "once")
    outcomes = []
    for finished in engine.generate(image_job(3), lambda share, stage: None, lambda: False):
        comfy.faults.raises.clear()
        outcomes.append(type(finished.outcome))
    assert outcomes == [AssetError, Result, Result]


def test_unloading_frees_the_memory(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    done(engine, image_job())
    engine.unload()
    assert comfy.queue.freed == [{"unload_models": True, "free_memory": True}]
    engine.load()
    assert len(results(engine, image_job())) == 1


def test_no_bind_reaches_another_node(comfy: ComfyStandIn, engine: ComfyEngine) -> None:
    """What is not bound is as the operator saved it."""
    results(engine, image_job())
    sent = comfy.queue.submitted[0]["prompt"]
    bound = {str(target) for target in IMAGE_BIND.values()}
    for node, content in IMAGE.items():
        for name, value in content["inputs"].items():
            if f"{node}.inputs.{name}" not in bound:
                assert sent[node]["inputs"][name] == value
