"""From a prompt and a seed to pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ourvidz_worker.engines.sketch.arrays import Pixels
from ourvidz_worker.engines.sketch.canvas import Canvas, grain
from ourvidz_worker.engines.sketch.scene_parameters import choose_scene_parameters
from ourvidz_worker.engines.sketch.scenes import choose_scene
from ourvidz_worker.engines.sketch.stage import Layer, Stage, source_of_chance, words_of

Tick = Callable[[float], None]
"""Takes the share of the drawing that is done, 0..1; may raise Halted."""

Look = Callable[[Callable[[], Pixels]], None]
"""Takes what develops the picture as far as it is, small; somebody may look at it."""

Touch = Callable[[Canvas], None]
"""Changes what is painted before it is developed."""

_USUAL_LAYERS = 7  # how many to expect: the share is a guess until the last one


class Picture:
    """Deterministic: the same prompt, seed and size give the same pixels."""

    def __init__(self, prompt: str, seed: int, width: int, height: int) -> None:
        words = words_of(prompt)
        rng = source_of_chance(prompt, seed)
        self.scene = choose_scene(words, prompt)
        self.parameters = choose_scene_parameters(words, rng, self.scene.presets)
        self._stage = Stage(width, height, self.parameters, words, rng)
        self._grain = grain(rng)

    def still(self, tick: Tick, look: Look = lambda _: None, touch: Touch = lambda _: None) -> Pixels:
        """One picture; each layer is forgotten once it is painted."""
        canvas = Canvas(self._stage.width, self._stage.height)
        tick(0.0)
        for number, layer in enumerate(self.scene.compose(self._stage), start=1):
            layer.paint(canvas, 0.0)
            look(lambda: canvas.thumbnail().develop(self._grain))
            tick(0.9 * min(1.0, number / _USUAL_LAYERS))
        touch(canvas)
        return self._finish(canvas)

    def film(self, frames: int, fps: int, tick: Tick) -> Iterator[Pixels]:
        """The same scene in motion: the layers are prepared once and painted for every moment."""
        layers = self._prepare(tick)
        canvas = Canvas(self._stage.width, self._stage.height)
        for number in range(frames):
            for layer in layers:
                layer.paint(canvas, number / fps)
                tick(0.1 + 0.9 * number / frames)
            yield self._finish(canvas)

    def _prepare(self, tick: Tick) -> list[Layer]:
        layers: list[Layer] = []
        for layer in self.scene.compose(self._stage):
            layers.append(layer)
            tick(0.1 * min(1.0, len(layers) / _USUAL_LAYERS))
        return layers

    def _finish(self, canvas: Canvas) -> Pixels:
        canvas.bloom(0.55)
        canvas.vignette(0.22)
        return canvas.develop(self._grain)
