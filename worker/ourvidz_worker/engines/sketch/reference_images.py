"""Applies a job's reference images: composition, style, start frame and end frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.sketch.arrays import Pixels, Plane, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.protocol import Job

FADE_SHARE = 0.4  # of a film's duration: the cross-fade from its start frame, and that to its end frame


class ReferenceImages:
    """A job's references, scaled to the size of its pictures. Raises UnreadableReference.

    Composition: the reference is blended with the picture by its strength. Style: the mean and the deviation
    of the reference's colours are transferred to the picture by its strength.
    """

    def __init__(self, job: Job, width: int, height: int) -> None:
        references = {
            name: find_reference(job, name) for name in ("composition", "style", "start_frame", "end_frame")
        }
        self._strength = {name: each.strength for name, each in references.items() if each}
        self._pixels: dict[str, Pixels] = {
            name: np.asarray(decode_image(each.content, (width, height)))
            for name, each in references.items()
            if each
        }

    def apply(self, canvas: Canvas) -> None:
        """Applies composition and style to an image, after its last layer and before `develop`."""
        if (image := self._pixels.get("composition")) is not None:
            canvas.light = mix(canvas.light, to_linear_light(image), self._strength["composition"])
        if (image := self._pixels.get("style")) is not None:
            recoloured = transfer_colours(canvas.light, to_linear_light(image))
            canvas.light = mix(canvas.light, recoloured, self._strength["style"])

    def blend_frames(self, frames: Iterator[Pixels], count: int) -> Iterator[Pixels]:
        """Cross-fades a film's frames from the start frame and to the end frame."""
        start, end = self._pixels.get("start_frame"), self._pixels.get("end_frame")
        for number, pixels in enumerate(frames):
            time_share = number / max(1, count - 1)
            blended = pixels
            if start is not None:
                blended = _cross_fade(start, blended, smoothstep(0.0, FADE_SHARE, time_share))
            if end is not None:
                blended = _cross_fade(end, blended, smoothstep(1.0, 1.0 - FADE_SHARE, time_share))
            yield blended


def to_linear_light(pixels: Pixels) -> Plane:
    """Converts (height, width, 3) bytes to (3, height, width) linear sRGB."""
    steps = np.arange(256) / 255
    table = plane(np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4))
    return np.ascontiguousarray(table[pixels].transpose(2, 0, 1))


def transfer_colours(light: Plane, reference: Plane) -> Plane:
    """`light` with the mean and the deviation of each channel of the reference, in gamma-encoded values."""
    image, target = np.sqrt(np.maximum(light, 0)), np.sqrt(reference)
    spread = target.std((1, 2), keepdims=True) / np.maximum(image.std((1, 2), keepdims=True), 1e-3)
    shifted = (image - image.mean((1, 2), keepdims=True)) * spread + target.mean((1, 2), keepdims=True)
    return plane(np.maximum(shifted, 0) ** 2)


def _cross_fade(frame: Pixels, scene: Pixels, share: Plane) -> Pixels:
    """`share`: the scene's part, 0..1."""
    return np.rint(mix(plane(frame), plane(scene), share)).astype(np.uint8)
