"""Out of memory, as torch says it: less at a time, more slowly, and only then a failure."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ourvidz_worker.cli import main
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import AssetError
from tests.engines.jobs import Make, film, job, pixels, result


@contextmanager
def full(model: Any, when: Callable[[Any], bool]) -> Iterator[None]:
    """The model raises torch's own error for the inputs of which `when` says so."""

    def refuse(module: Any, positional: Any, named: Any) -> None:
        sample = positional[0] if positional else named["hidden_states"]
        if when(sample):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")

    hook = model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@pytest.fixture
def six(models: Path) -> Make:
    """Six at once, as an operator with much memory would say."""
    return Make(engine="sdxl", model=str(models / "sdxl"), batch=6)


def test_it_halves_the_batch_until_it_fits(six: Make, sdxl: Make, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = job(slots=6)
    with full(six.engine._text.unet, lambda sample: sample.shape[0] > 2):  # guidance doubles it
        finished = six(wanted)
    assert [each.slot.number for each in finished] == list(range(6))
    notes = six.engine.job_metadata(wanted)["notes"]
    assert notes == [
        "out of memory with 6 at once; went on with 3",
        "out of memory with 3 at once; went on with 1",
    ]
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in events] == ["out_of_memory"] * 2
    assert result(finished[0]).metadata["batch"] == 1
    # One at a time is how it is done by default: then these are the same pixels.
    assert [result(each).media for each in finished] == [each.media for each in sdxl.results(wanted)]
    shares = [share for share, stage in six.progress if stage == "encoding"]
    assert shares == sorted(shares)


def test_a_batch_is_within_a_level_of_its_slots_alone(six: Make, sdxl: Make) -> None:
    """Why one at a time is the default: nearly the same is not the same."""
    batch, alone = six.results(job(slots=6)), sdxl.results(job(slots=6))
    for one, other in zip(batch, alone, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1


def test_a_single_slot_goes_on_with_vae_tiling(models: Path, wan: Make) -> None:
    make = Make(engine="wan", model=str(models / "wan"))
    wanted = film()
    with full(make.engine._text.transformer, lambda _: make.engine.placer.can_save_memory):
        (made,) = make.results(wanted)
    assert make.engine._text.vae.use_tiling
    assert made.metadata["vae_tiling"] is True
    assert make.engine.job_metadata(wanted)["notes"] == ["out of memory; went on with a tiled VAE"]
    (next_one,) = make.results(wanted)
    assert not make.engine._text.vae.use_tiling, "the next job has the pixels that it would have had"
    assert next_one.metadata["vae_tiling"] is False
    assert next_one.media == wan.results(wanted)[0].media


@contextmanager
def decoder_without_memory(vae: Any, untiled: int) -> Iterator[list[int]]:
    """The decoder has memory for latents narrower than `untiled`; yields the widths that it was given."""
    widths: list[int] = []

    def refuse(module: Any, given: Any) -> None:
        widths.append(given[0].shape[-1])
        if widths[-1] >= untiled:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")

    hook = vae.decoder.register_forward_pre_hook(refuse)
    try:
        yield widths
    finally:
        hook.remove()


@contextmanager
def counted(model: Any) -> Iterator[list[None]]:
    calls: list[None] = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(None))
    try:
        yield calls
    finally:
        hook.remove()


NOTE = "the VAE ran out of memory; it decoded the same latents in tiles"


def test_a_decoder_without_memory_repeats_no_denoising(models: Path) -> None:
    """It denoised everything again, and did so in each later job."""
    make = Make(engine="sdxl", model=str(models / "sdxl"))
    pipeline, wanted = make.engine._text, job(slots=2, width=160, height=160, steps=3)
    untiled = 160 // pipeline.vae_scale_factor
    with counted(pipeline.unet) as steps, decoder_without_memory(pipeline.vae, untiled) as widths:
        first = make.results(wanted)
        assert len(steps) == 2 * 3
        assert make.engine.job_metadata(wanted)["notes"] == [NOTE]
        assert widths.count(untiled) == 1
        again = make.results(wanted)
        assert len(steps) == 2 * 2 * 3
        assert widths.count(untiled) == 1, "of this pool and size it knows now"
        assert "notes" not in make.engine.job_metadata(wanted)
    assert [each.media for each in again] == [each.media for each in first]
    assert {each.metadata["vae_tiling"] for each in (*first, *again)} == {True}


def test_what_is_smaller_or_of_another_pool_is_decoded_whole(models: Path, sdxl: Make) -> None:
    """The pixels of a job depend on no other job that had memory enough."""
    make = Make(engine="sdxl", model=str(models / "sdxl"))
    large = job(width=160, height=160, job_type="sdxl_image_fast")
    with decoder_without_memory(make.engine._text.vae, 160 // make.engine._text.vae_scale_factor):
        assert make.results(large)[0].metadata["vae_tiling"]
    for other in (job(job_type="sdxl_image_fast"), replace(large, job_type="sdxl_image_high")):
        (made,) = make.results(other)
        assert not made.metadata["vae_tiling"]
        assert made.media == sdxl.results(other)[0].media


def test_a_film_is_denoised_once_too(models: Path, wan: Make) -> None:
    make = Make(engine="wan", model=str(models / "wan"))
    pipeline, wanted = make.engine._text, film(width=320, height=320, frames=5)
    with counted(pipeline.transformer) as steps, decoder_without_memory(pipeline.vae, 40):
        (made,) = make.results(wanted)
    assert len(steps) == 2 * wanted.parameters.steps, "with and without the prompt"
    assert made.metadata["vae_tiling"]


def test_a_decoder_that_has_no_memory_for_tiles_either_fails_the_slots(models: Path) -> None:
    make = Make(engine="sdxl", model=str(models / "sdxl"))
    with counted(make.engine._text.unet) as steps, decoder_without_memory(make.engine._text.vae, 0):
        errors = [each.outcome for each in make(job(slots=2))]
    assert [isinstance(each, AssetError) and each.code for each in errors] == ["out_of_memory"] * 2
    assert len(steps) == 2 * 2
    assert make.results(job())


def test_a_decoder_without_memory_breaks_no_later_job(models: Path) -> None:
    """In half precision the VAE is widened to decode. It stayed wide, and all that followed failed."""
    make = Make(engine="sdxl", model=str(models / "sdxl"), precision="float16")
    vae = make.engine._text.vae
    vae.register_to_config(force_upcast=True)  # as SDXL's own is
    small = job(width=64, height=64)
    before = make.results(small)[0]
    with decoder_without_memory(vae, 160 // make.engine._text.vae_scale_factor):
        assert make.results(job(width=160, height=160))
    assert make.results(small)[0].media == before.media
    assert vae.dtype == torch.float16


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_decoding_apart_gives_the_pipelines_own_pixels(models: Path, precision: str) -> None:
    from ourvidz_worker.engines.diffusion.decoding import decode_film, decode_picture

    for kind, decode, given in (
        ("sdxl", decode_picture, {"width": 128, "height": 96}),
        ("wan", decode_film, {"width": 64, "height": 48, "num_frames": 9}),
    ):
        make = Make(engine=kind, model=str(models / kind), precision=precision)
        pipeline = make.engine._text
        pipeline.vae.register_to_config(force_upcast=True)

        def made(output_type: str, pipeline: Any = pipeline, given: Any = given) -> Any:
            seeded = {"generator": torch.Generator().manual_seed(7), "output_type": output_type}
            with torch.inference_mode():
                return pipeline(prompt="waves", num_inference_steps=2, **given, **seeded)[0]

        with torch.inference_mode():
            assert np.array_equal(decode(pipeline, made("latent")), made("np")[0])


def test_a_tiled_decoder_decodes_less_than_a_whole_picture_at_once(models: Path) -> None:
    """By itself, SDXL's takes 1024 px for one tile."""
    make = Make(engine="sdxl", model=str(models / "sdxl"), vae_tiling=True)
    vae = make.engine._text.vae
    widths = []
    hook = vae.decoder.register_forward_pre_hook(lambda _, given: widths.append(given[0].shape[-1]))
    side = vae.config.sample_size
    make.results(job(width=side, height=side))
    hook.remove()
    factor = make.engine._text.vae_scale_factor
    assert len(widths) > 1
    assert max(widths) * factor <= side / 2


@pytest.mark.parametrize("kind", ["sdxl", "wan"])
def test_an_unloaded_engine_holds_nothing(models: Path, kind: str) -> None:
    make = Make(engine=kind, model=str(models / kind))
    model = make.engine._text.unet if kind == "sdxl" else make.engine._text.transformer
    held = [weakref.ref(make.engine._text), weakref.ref(model)]
    del model
    make.results(job() if kind == "sdxl" else film(media="image", frames=1, fps=0))
    make.engine.unload()
    assert [each() for each in held] == [None, None]
    make.engine.load()
    assert make.engine._text is not None


@contextmanager
def moves_of(**models: Any) -> Iterator[list[tuple[str, str]]]:
    """Where each model is moved to, and nothing else that is set on it."""
    moves: list[tuple[str, str]] = []

    def watched(name: str, to: Callable[..., Any]) -> Callable[..., Any]:
        def moved(where: Any, *more: Any, **named: Any) -> Any:
            if str(where) in ("cpu", "cpu:0"):
                moves.append((name, str(where)))
            return to(where, *more, **named)

        return moved

    for name, model in models.items():
        model.to = watched(name, model.to)
    yield moves
    for model in models.values():
        del model.to


@pytest.fixture
def frames(models: Path) -> Make:
    """Two pipelines. The number in its name tells the device here from main memory."""
    make = Make(engine="wan", model=str(models / "wan"), image_model=str(models / "wan-start"))
    make.engine.placer._device = "cpu:0"
    return make


def test_what_only_the_last_pipeline_uses_leaves_the_device_first(frames: Make) -> None:
    """Two of 14 billion weights need not fit side by side."""
    text, image, placer = frames.engine._text, frames.engine._image, frames.engine.placer
    with moves_of(text=text.transformer, image=image.transformer) as moves:
        placer.place(image)
        placer.place(text)
    there_and_back = [("text", "cpu"), ("image", "cpu:0"), ("image", "cpu"), ("text", "cpu:0")]
    assert moves == there_and_back


def test_a_pipeline_that_does_not_fit_leaves_the_last_one_usable(frames: Make) -> None:
    text, image, placer = frames.engine._text, frames.engine._image, frames.engine.placer
    move = image.to

    def refuse(where: str) -> None:
        move(where)
        if where == "cpu:0":
            raise torch.OutOfMemoryError("CUDA out of memory.")

    image.to = refuse
    with moves_of(text=text.transformer, image=image.transformer) as moves:
        with pytest.raises(torch.OutOfMemoryError):
            placer.place(image)
        placer.place(text)
    assert moves[-2:] == [("image", "cpu"), ("text", "cpu:0")]


def test_weights_too_large_for_the_device_are_an_error_in_one_line(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("diffusers.DiffusionPipeline.to", refuse)
    engine = create_engine(EngineSettings(engine="sdxl", model=str(models / "sdxl")))
    with pytest.raises(EngineUnusable, match=r"do not fit into the memory of CPU.*: --precision bfloat16"):
        engine.load()


@pytest.mark.parametrize(
    ("device", "precision", "offload", "advice"),
    [
        ("cuda", torch.float16, "none", "--offload model needs less"),
        ("cuda", torch.float16, "model", "--offload group needs much less"),
        ("cuda", torch.float16, "group", "--offload sequential needs the least"),
        ("cuda", torch.float16, "sequential", ""),
        ("cuda", torch.float32, "sequential", "--precision bfloat16 needs half"),
        ("cpu", torch.float32, "none", "--precision bfloat16 needs half"),
        ("cpu", torch.bfloat16, "none", ""),
        ("mps", torch.float16, "none", ""),
    ],
)
def test_out_of_memory_advises_what_is_not_set_yet(
    device: str, precision: Any, offload: Any, advice: str
) -> None:
    from ourvidz_worker.engines.diffusion.placement import Placement, memory_advice

    settings = EngineSettings(engine="sdxl", offload=offload)
    assert memory_advice(settings, Placement(device, precision)) == advice


@pytest.mark.parametrize(
    "message",
    [
        "MPS backend out of memory (MPS allocated: 17.2 GB, other allocations: 1 GB, max allowed: 18.1 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "GET was unable to find an engine to execute this computation",
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_out_of_memory_is_recognised_by_its_message(message: str) -> None:
    from ourvidz_worker.engines.diffusion.placement import is_out_of_memory

    assert is_out_of_memory(RuntimeError(message))
    assert not is_out_of_memory(RuntimeError("Expected all tensors to be on the same device"))


def test_when_nothing_helps_the_slots_fail_and_the_worker_lives(models: Path) -> None:
    make = Make(engine="sdxl", model=str(models / "sdxl"))
    with full(make.engine._text.unet, lambda _: True):
        outcomes = [each.outcome for each in make(job(slots=2))]
    assert len(outcomes) == 2
    for error in outcomes:
        assert isinstance(error, AssetError)
        assert (error.code, error.retryable) == ("out_of_memory", True)
        assert error.advice == "Out of memory on " + make.engine.device + ": --precision bfloat16 needs half."
        assert error.message == "The worker has too little memory for this."
    notes = make.engine.job_metadata(job(slots=2))["notes"]
    assert notes == ["out of memory; went on with a tiled VAE"]
    assert make.results(job())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model": "/nowhere/sdxl"}, "no weights at"),
        ({"model": "{models}/wan"}, "cannot be used"),
        ({"model": "{models}/sdxl", "offload": "model", "device": "cpu"}, "needs a CUDA device"),
        ({"model": ""}, "needs weights"),
    ],
)
def test_an_engine_that_cannot_work_says_why_in_one_line(
    models: Path, given: dict[str, str], sentence: str
) -> None:
    settings: dict[str, Any] = {name: value.format(models=models) for name, value in given.items()}
    with pytest.raises(EngineUnusable, match=sentence) as refused:
        create_engine(EngineSettings(engine="sdxl", **settings)).load()
    assert "\n" not in str(refused.value)


def test_a_check_looks_at_device_and_weights(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--engine", "sdxl", "--model", str(models / "sdxl"), "--enhancer", "/nowhere"]
    main(["check", *flags, "--style-adapter", str(models / "style.safetensors"), "--image-encoder", "/no"])
    lines = {line[9:].partition(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "torch" in lines["libraries"]
    assert lines["device"].startswith("ok ")
    assert lines["memory"].endswith("GiB free")
    assert lines["model"].startswith("ok ")
    assert "no folder /nowhere" in lines["enhancer"]
    assert lines["style adapter"].startswith("ok ")
    assert "no folder /no" in lines["image encoder"]
    assert "character adapter" not in lines


def test_a_check_finds_weights_that_can_never_fit(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 100)  # a machine of 10 kB
    flags = ["--model", str(models / "sdxl"), "--device", "cpu"]
    main(["check", "--engine", "sdxl", *flags, "--style-adapter", str(models / "style.safetensors")])
    lines = {line[9:].partition(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["memory"].startswith("FAIL ")
    assert "the weights alone take" in lines["memory"]
    assert "--image-encoder" in lines["image encoder"], "an adapter cannot do without"
