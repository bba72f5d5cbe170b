"""Draws a picture or a film from a prompt and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ourvidz_worker.engines.sketch.arrays import Pixels
from ourvidz_worker.engines.sketch.canvas import Canvas, grain
from ourvidz_worker.engines.sketch.scene_parameters import choose_scene_parameters
from ourvidz_worker.engines.sketch.scenes import choose_scene
from ourvidz_worker.engines.sketch.stage import Layer, Stage, prompt_words, random_generator

OnProgress = Callable[[float], None]
"""Takes the share of the drawing that is done, 0..1; may raise Halted."""

OnPreview = Callable[[Callable[[], Pixels]], None]
"""Takes a function that returns a small picture of the layers painted so far; it need not be called."""

Retouch = Callable[[Canvas], None]
"""Changes the painted canvas before it is developed."""

_TYPICAL_LAYERS = 7  # the number of layers is known only after the last one: until then progress is estimated


class Picture:
    """Deterministic: the same prompt, seed and size give the same pixels."""

    def __init__(self, prompt: str, seed: int, width: int, height: int) -> None:
        words = prompt_words(prompt)
        rng = random_generator(prompt, seed)
        self.scene = choose_scene(words, prompt)
        self.parameters = choose_scene_parameters(words, rng, self.scene.presets)
        self._stage = Stage(width, height, self.parameters, words, rng)
        self._grain = grain(rng)

    def still(
        self,
        on_progress: OnProgress,
        on_preview: OnPreview = lambda _: None,
        retouch: Retouch = lambda _: None,
    ) -> Pixels:
        """Draws one picture; each layer is freed once it is painted."""
        canvas = Canvas(self._stage.width, self._stage.height)
        on_progress(0.0)
        for number, layer in enumerate(self.scene.compose(self._stage), start=1):
            layer.paint(canvas, 0.0)
            on_preview(lambda: canvas.thumbnail().develop(self._grain))
            on_progress(0.9 * min(1.0, number / _TYPICAL_LAYERS))
        retouch(canvas)
        return self._finish(canvas)

    def film(self, frames: int, fps: int, on_progress: OnProgress) -> Iterator[Pixels]:
        """Draws the same scene in motion: the layers are prepared once and painted for every frame."""
        layers = self._prepare(on_progress)
        canvas = Canvas(self._stage.width, self._stage.height)
        for number in range(frames):
            for layer in layers:
                layer.paint(canvas, number / fps)
                on_progress(0.1 + 0.9 * number / frames)
            yield self._finish(canvas)

    def _prepare(self, on_progress: OnProgress) -> list[Layer]:
        layers: list[Layer] = []
        for layer in self.scene.compose(self._stage):
            layers.append(layer)
            on_progress(0.1 * min(1.0, len(layers) / _TYPICAL_LAYERS))
        return layers

    def _finish(self, canvas: Canvas) -> Pixels:
        canvas.bloom(0.55)
        canvas.vignette(0.22)
        return canvas.develop(self._grain)
