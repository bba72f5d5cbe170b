"""What the sketch engine takes from reference images: colours, shapes, the frames a film runs between."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.sketch.arrays import Pixels, Plane, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.protocol import Job

LONGEST_FADE = 0.4  # of a film, from its first frame into the scene and out of it into the last


class Examples:
    """A job's references at the size of its pictures. Raises UnreadableReference.

    Composition: the reference shows through what is painted over it, by its strength. Style: the picture
    takes over the reference's colours, their mean and their spread, by its strength.
    """

    def __init__(self, job: Job, width: int, height: int) -> None:
        found = {
            name: find_reference(job, name) for name in ("composition", "style", "start_frame", "end_frame")
        }
        self._strength = {name: each.strength for name, each in found.items() if each}
        self._pixels: dict[str, Pixels] = {
            name: np.asarray(decode_image(each.content, (width, height)))
            for name, each in found.items()
            if each
        }

    def touch(self, canvas: Canvas) -> None:
        """Between the last layer of a still and its development."""
        if (seen := self._pixels.get("composition")) is not None:
            canvas.light = mix(canvas.light, light_of(seen), self._strength["composition"])
        if (seen := self._pixels.get("style")) is not None:
            recoloured = with_colours_of(canvas.light, light_of(seen))
            canvas.light = mix(canvas.light, recoloured, self._strength["style"])

    def frame(self, frames: Iterator[Pixels], count: int) -> Iterator[Pixels]:
        """A film that begins with the start frame and ends with the end frame, as they are."""
        start, end = self._pixels.get("start_frame"), self._pixels.get("end_frame")
        for number, pixels in enumerate(frames):
            moment = number / max(1, count - 1)
            shown = pixels
            if start is not None:
                shown = _faded(start, shown, smoothstep(0.0, LONGEST_FADE, moment))
            if end is not None:
                shown = _faded(end, shown, smoothstep(1.0, 1.0 - LONGEST_FADE, moment))
            yield shown


def light_of(pixels: Pixels) -> Plane:
    """(3, height, width) linear sRGB of (height, width, 3) bytes."""
    steps = np.arange(256) / 255
    table = plane(np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4))
    return np.ascontiguousarray(table[pixels].transpose(2, 0, 1))


def with_colours_of(light: Plane, example: Plane) -> Plane:
    """`light` with the mean and the spread of each of the example's channels, as the eye weighs them."""
    seen, wanted = np.sqrt(np.maximum(light, 0)), np.sqrt(example)
    spread = wanted.std((1, 2), keepdims=True) / np.maximum(seen.std((1, 2), keepdims=True), 1e-3)
    moved = (seen - seen.mean((1, 2), keepdims=True)) * spread + wanted.mean((1, 2), keepdims=True)
    return plane(np.maximum(moved, 0) ** 2)


def _faded(frame: Pixels, scene: Pixels, share: Plane) -> Pixels:
    """`share` of the scene, 0..1."""
    return np.rint(mix(plane(frame), plane(scene), share)).astype(np.uint8)
