"""Videos of a workflow in a ComfyUI."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.worker.comfy_models import (
    VIDEO,
    VIDEO_BIND,
    error_of,
    loaded,
    photo,
    results,
    video_job,
    video_model,
    with_class,
    with_start_frame,
)
from tests.worker.comfy_stand_in import ComfyStandIn, nodes

START_BIND = {**VIDEO_BIND, "start_frame": "12.inputs.image"}


def frames(content: bytes) -> list[Any]:
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("saver", ["SaveVideo", "VideoCombine"])
def test_a_film_has_the_frames_that_comfyui_saved(comfy: ComfyStandIn, tmp_path: Path, saver: str) -> None:
    """Whether the node lists it as an animated image or under `gifs`."""
    model = video_model(tmp_path, comfy.url, with_class(VIDEO, "10", saver))
    [result] = results(loaded(comfy, model), video_job())
    assert (result.content_type, result.width, result.height) == ("video/mp4", 96, 64)
    assert result.duration == pytest.approx(9 / 8)
    [saved] = comfy.queue.files.values()
    theirs, ours = frames(saved), frames(result.media)
    assert len(ours) == 9
    assert all(np.array_equal(one, other) for one, other in zip(theirs, ours, strict=True))


def test_a_film_carries_the_parameters_and_not_the_workflow(comfy: ComfyStandIn, tmp_path: Path) -> None:
    [result] = results(loaded(comfy, video_model(tmp_path, comfy.url)), video_job())
    [saved] = comfy.queue.files.values()
    for secret in (b"film.safetensors", b"KSampler", b"class_type"):
        assert secret in saved
        assert secret not in result.media
    with av.open(io.BytesIO(result.media), "r") as container:
        assert container.metadata["comment"].startswith("a lighthouse at sunset\nSeed: 0, ")
        assert not {"prompt", "workflow"} & container.metadata.keys()
    assert b"trainedAlgorithmicMedia" in result.media
    assert result.media.index(b"moov") < result.media.index(b"mdat")


def test_a_film_begins_with_its_start_frame(comfy: ComfyStandIn, tmp_path: Path) -> None:
    model = video_model(tmp_path, comfy.url, with_start_frame(), bind=START_BIND)
    engine = loaded(comfy, model)
    assert engine.pools == ("video_fast+start_frame",)
    assert engine.serves == ("wan",)
    [red] = results(engine, video_job(start=photo((200, 30, 40))))
    [blue] = results(engine, video_job(start=photo((20, 40, 200))))
    assert np.abs(frames(red.media)[0].mean((0, 1)) - (200, 30, 40)).max() < 6
    assert np.abs(frames(blue.media)[0].mean((0, 1)) - (20, 40, 200)).max() < 6
    assert red.metadata["references"] == {"start_frame": 1.0}
    names = [each["filename"] for each in comfy.uploads]
    assert len(set(names)) == 2
    assert {each["subfolder"] for each in comfy.uploads} == {"ourvidz"}
    with Image.open(io.BytesIO(comfy.queue.pictures[f"ourvidz/{names[0]}"])) as uploaded:
        assert np.array_equal(np.asarray(uploaded), np.asarray(Image.open(io.BytesIO(photo()))))


def test_a_broken_start_frame_is_not_sent(comfy: ComfyStandIn, tmp_path: Path) -> None:
    engine = loaded(comfy, video_model(tmp_path, comfy.url, with_start_frame(), bind=START_BIND))
    error = error_of(engine, video_job(start=b"<svg/>"))
    assert (error.code, error.retryable) == ("reference_unreadable", False)
    assert not comfy.uploads
    assert not comfy.queue.submitted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (nodes.webp_file(list(np.zeros((3, 32, 32, 3), np.uint8))), "a WEBP file"),
        (b"GIF89a" + bytes(40), "a GIF"),
        (b"\x1aE\xdf\xa3" + bytes(40), "a WebM or Matroska file"),
        (nodes.png_file(np.zeros((32, 32, 3), np.uint8), {}), "a PNG"),
    ],
)
def test_other_kinds_are_refused_with_their_name(
    comfy: ComfyStandIn, tmp_path: Path, content: bytes, said: str
) -> None:
    comfy.queue.files["output", "", "film"] = content
    comfy.faults.outputs["SaveVideo"] = {
        "images": [{"filename": "film", "subfolder": "", "type": "output"}],
        "animated": [True],
    }
    error = error_of(loaded(comfy, video_model(tmp_path, comfy.url)), video_job())
    assert (error.code, error.retryable) == ("wrong_output", True)
    assert error.message == "The workflow of this model made no MP4 video."
    assert error.advice == f"{said}. Let the output node save MP4 with H.264, pixel format yuv420p."


def test_a_codec_that_browsers_do_not_play_is_named(comfy: ComfyStandIn, tmp_path: Path) -> None:
    frames = list(np.zeros((3, 64, 64, 3), np.uint8))
    comfy.queue.files["output", "", "film"] = nodes.mp4_file(frames, 8, {}, codec="mpeg4")
    comfy.faults.outputs["SaveVideo"] = {"videos": [{"filename": "film", "subfolder": "", "type": "output"}]}
    error = error_of(loaded(comfy, video_model(tmp_path, comfy.url)), video_job())
    assert error.message == "The video is mpeg4, yuv420p, which browsers do not play alike."


def test_a_film_that_is_cut_off_cannot_be_read(comfy: ComfyStandIn, tmp_path: Path) -> None:
    whole = nodes.mp4_file(list(np.zeros((3, 64, 64, 3), np.uint8)), 8, {})
    comfy.queue.files["output", "", "film"] = whole[: len(whole) // 3]
    comfy.faults.outputs["SaveVideo"] = {"images": [{"filename": "film", "subfolder": "", "type": "output"}]}
    error = error_of(loaded(comfy, video_model(tmp_path, comfy.url)), video_job())
    assert error.message == "The workflow of this model made a video that cannot be read."


def test_sound_goes_with_the_film(comfy: ComfyStandIn, tmp_path: Path) -> None:
    comfy.queue.files["output", "", "film"] = _film_with_sound()
    comfy.faults.outputs["SaveVideo"] = {"images": [{"filename": "film", "subfolder": "", "type": "output"}]}
    [result] = results(loaded(comfy, video_model(tmp_path, comfy.url)), video_job())
    with av.open(io.BytesIO(result.media), "r") as container:
        assert [each.codec_context.name for each in container.streams.audio] == ["aac"]
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 22050


def _film_with_sound() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        pictures: Any = container.add_stream("libx264", rate=8)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound: Any = container.add_stream("aac", rate=44100, layout="mono")
        for _ in range(8):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 44100
        container.mux(sound.encode(samples))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return file.getvalue()
