"""The canvas: linear light in colour planes, so that light can be added, cheaply."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ourvidz_worker.engines.sketch.arrays import Pixels, Plane, Rng, plane

_LEVELS = 4096
_WHITE = 2.0  # the largest linear light in the table
_GRAIN_TILE = 256
_THUMBNAIL = 320  # px of the longer side, at most


def _tone_curve() -> Pixels:
    """Maps the square root of light to sRGB bytes, with a shoulder that keeps highlights from clipping."""
    light = (np.arange(_LEVELS) / (_LEVELS - 1)) ** 2 * _WHITE
    knee = 0.55
    shoulder = knee + (1 - knee) * (1 - np.exp(-(light - knee) / (1 - knee)))
    light = np.where(light > knee, shoulder, light)
    encoded = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    )
    return np.clip(encoded * 255 + 0.5, 0, 255).astype(np.uint8)


_TONE_CURVE = _tone_curve()


class Canvas:
    """`light`: (3, height, width) linear sRGB."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.light: Plane = np.zeros((3, height, width), np.float32)

    @property
    def unit(self) -> int:
        """The shorter side: sizes are multiples of it, so that every format shows the same scene."""
        return min(self.width, self.height)

    @property
    def across(self) -> Plane:
        return np.arange(self.width, dtype=np.float32)[None, :] + 0.5

    def down(self, top: int = 0, bottom: int | None = None) -> Plane:
        return np.arange(top, self.height if bottom is None else bottom, dtype=np.float32)[:, None] + 0.5

    def cover(self, mask: Plane, colour: Plane, top: int = 0, left: int = 0) -> None:
        """Paints `colour` ((3,), (3, h, 1) or (3, h, w)) where `mask` is 1, cut off at the edges."""
        rows, columns, mask = self._cut(mask, top, left)
        for channel in range(3):
            target = self.light[channel, rows, columns]
            tone = colour[channel]
            if tone.ndim:
                tone = tone[max(0, -top) :, max(0, -left) if tone.shape[1] > 1 else 0 :]
                tone = tone[: target.shape[0], : target.shape[1]]
            target += mask * (tone - target)

    def shine(self, mask: Plane, colour: Plane, top: int = 0, left: int = 0) -> None:
        """Adds light."""
        rows, columns, mask = self._cut(mask, top, left)
        for channel in range(3):
            self.light[channel, rows, columns] += mask * colour[channel]

    def _cut(self, mask: Plane, top: int, left: int) -> tuple[slice, slice, Plane]:
        height, width = mask.shape
        rows = slice(min(self.height, max(0, top)), min(self.height, max(0, top + height)))
        columns = slice(min(self.width, max(0, left)), min(self.width, max(0, left + width)))
        cut = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        return rows, columns, cut

    def bloom(self, strength: float, threshold: float = 0.6) -> None:
        """Adds a glow to bright places: blurred at a small size, added back."""
        size = (max(2, self.width // 8), max(2, self.height // 8))
        for channel in self.light:
            small = Image.fromarray(channel).resize(size, Image.Resampling.BOX)
            bright = np.minimum(np.maximum(plane(small) - threshold, 0.0), 1.5)
            glow = _blur(bright, 2) + _blur(bright, 6)
            wide = Image.fromarray(glow).resize((self.width, self.height), Image.Resampling.BICUBIC)
            channel += strength * 0.5 * np.maximum(plane(wide), 0.0)

    def thumbnail(self) -> Canvas:
        """A small copy of every nth pixel."""
        step = -(-max(self.width, self.height) // _THUMBNAIL)
        small = Canvas(-(-self.width // step), -(-self.height // step))
        small.light = self.light[:, ::step, ::step]
        return small

    def vignette(self, strength: float) -> None:
        x = (self.across / self.width * 2 - 1) ** 2
        y = (self.down() / self.height * 2 - 1) ** 2
        self.light *= 1.0 - strength * np.minimum((x + y) * 0.5, 1.0) ** 1.5

    def develop(self, grain: Plane) -> Pixels:
        """Returns (height, width, 3) bytes with film grain, which also hides the banding of eight bits."""
        image = np.empty((self.height, self.width, 3), np.uint8)
        repeats = (-(-self.height // _GRAIN_TILE), -(-self.width // _GRAIN_TILE))
        speckle = np.tile(grain, repeats)[: self.height, : self.width]
        for number, channel in enumerate(self.light):
            level = np.sqrt(np.clip(channel, 0.0, _WHITE))
            level *= (_LEVELS - 1) / _WHITE**0.5
            level += speckle
            np.clip(level, 0, _LEVELS - 1, out=level)
            image[..., number] = _TONE_CURVE[level.astype(np.int16)]
        return image


def grain(rng: Rng, strength: float = 22.0) -> Plane:
    """A tile for `develop`; the strength is in 1/4096 of the square root of white."""
    return rng.standard_normal((_GRAIN_TILE, _GRAIN_TILE), dtype=np.float32) * np.float32(strength)


def _blur(values: Plane, reach: int) -> Plane:
    """Three box blurs, which is close to a Gaussian."""
    for axis in (0, 1) * 3:
        padded = np.pad(values, [(reach + 1, reach) if each == axis else (0, 0) for each in (0, 1)])
        sums = np.cumsum(padded, axis=axis, dtype=np.float32)
        length = values.shape[axis]
        late = np.take(sums, range(2 * reach + 1, 2 * reach + 1 + length), axis=axis)
        early = np.take(sums, range(length), axis=axis)
        values = plane((late - early) / (2 * reach + 1))
    return values
