"""What ComfyUI ran (its `prompt`, a graph of nodes): read by following the links of the sampler's inputs.

Nothing is taken from the order of the nodes, nor from their titles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from generation.media.parameters.found import MAX_NUMBER, MAX_PROMPT, Parameters, parameters, whole

MAX_NODES = 3000
MAX_DEPTH = 60
MAX_VISITS = 3000  # links followed for all texts: combined branches can meet again and again
MAX_DELIMITER = 200
LATENTS = ("latent_image", "latent", "samples", "image_embeds")
SEEDS = ("seed", "noise_seed")
NUMBERS = (*SEEDS, "value", "int", "number", "Number")
# Inputs of nodes that encode a text, or hold or join texts.
TEXTS = (
    *("text", "text_g", "text_l", "t5xxl", "clip_l", "clip_g", "prompt", "value", "string", "populated_text"),
    *("string_a", "string_b", "text_a", "text_b", "text_c", "text1", "text2", "text_1", "text_2"),
)
# Inputs of nodes that change what a text was encoded to.
CONDITIONINGS = (
    *("conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from"),
    *("cond", "cond1", "cond2"),
)
MODELS = ("ckpt_name", "unet_name", "model_name")
Inputs = dict[str, Any]


def from_prompt(graph: object) -> Parameters | None:
    """What the graph says; None if it is none, or nothing in it samples."""
    nodes = _nodes(graph)
    return _Graph(nodes).read() if nodes else None


def _nodes(graph: object) -> dict[str, Inputs]:
    """Each node's inputs by its id, with its class as the input ""."""
    if not isinstance(graph, dict) or not 0 < len(graph) <= MAX_NODES:
        return {}
    return {
        key: {**node["inputs"], "": node["class_type"]}
        for key, node in graph.items()
        if isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    }


@dataclass(slots=True)
class _Graph:
    nodes: dict[str, Inputs]
    visits: int = 0
    guidance: object = None
    not_followed: list[str] = field(default_factory=list)

    def read(self) -> Parameters | None:
        samplers = self._first_samplers()
        if not samplers:
            return None
        key = samplers[0]
        sampler = self.nodes[key]
        guider = self._at(sampler.get("guider")) or sampler
        embedded = self._at(sampler.get("text_embeds"))
        positive = next((guider[name] for name in ("positive", *CONDITIONINGS) if name in guider), None)
        prompt = self._text(embedded.get("positive_prompt") if embedded else positive)
        negative = self._text((embedded or guider).get("negative_prompt" if embedded else "negative"))
        width, height = self._size(sampler)
        notes = [
            f"What the node “{name[:60]}” does with the text is not known here."
            for name in self.not_followed[:3]
        ]
        if len(samplers) > 1:
            notes.append(
                f"The workflow samples {len(samplers)} pictures; these are the settings of node {key[:20]}."
            )
        return parameters(
            "ComfyUI",
            prompt=prompt,
            negative_prompt=negative,
            seed=self._seed(sampler),
            width=width,
            height=height,
            others=[*self._models(guider), *self._sampling(sampler, guider), ("Guidance", self.guidance)],
            notes=notes,
        )

    def _at(self, link: object) -> Inputs:
        """The inputs of the node that a link leads to; empty for what is no link."""
        key = _target(link)
        return self.nodes.get(key, {}) if key is not None else {}

    # The sampler

    def _first_samplers(self) -> list[str]:
        """Those that lead to an output and start from no other sampler's result, by their ids."""
        reached = self._reached()
        samplers = [key for key in self.nodes if key in reached and _samples(self.nodes[key])]
        return sorted((key for key in samplers if not self._is_later(key)), key=lambda key: (len(key), key))

    def _reached(self) -> set[str]:
        linked = {_target(value) for inputs in self.nodes.values() for value in inputs.values()}
        waiting = [key for key in self.nodes if key not in linked]
        reached = set(waiting)
        while waiting:
            for value in self.nodes[waiting.pop()].values():
                key = _target(value)
                if key in self.nodes and key not in reached and key is not None:
                    reached.add(key)
                    waiting.append(key)
        return reached

    def _is_later(self, key: str) -> bool:
        return any(_samples(inputs) for inputs in self._latents_before(self.nodes[key]))

    def _latents_before(self, inputs: Inputs) -> Iterator[Inputs]:
        """The nodes from which the sampler's latents come, nearest first."""
        for _ in range(MAX_DEPTH):
            inputs = next((node for name in LATENTS if (node := self._at(inputs.get(name)))), {})
            if not inputs:
                return
            yield inputs

    # Its inputs

    def _text(self, value: object, depth: int = 0) -> str:
        """The text that a value is, or that its link leads to."""
        if isinstance(value, str):
            return value[:MAX_PROMPT]
        inputs = self._at(value)
        self.visits += 1
        if not inputs or depth > MAX_DEPTH or self.visits > MAX_VISITS or inputs[""] == "ConditioningZeroOut":
            return ""
        if "positive" in inputs and "negative" in inputs:  # it has an output for each
            return self._text(inputs["negative" if _output(value) == 1 else "positive"], depth + 1)
        self.guidance = self.guidance or inputs.get("guidance")
        names = [name for name in TEXTS if name in inputs] or [
            name for name in CONDITIONINGS if name in inputs
        ]
        if not names:
            self.not_followed.append(inputs[""])
            return ""
        parts = dict.fromkeys(self._text(inputs[name], depth + 1) for name in names)
        delimiter = inputs.get("delimiter", ", ")
        between = delimiter[:MAX_DELIMITER] if isinstance(delimiter, str) else ", "
        return between.join(filter(None, parts))[:MAX_PROMPT]

    def _number(self, value: object, most: int) -> int | None:
        """The number that a value is, or that the node at its link holds."""
        for _ in range(MAX_DEPTH):
            inputs = self._at(value)
            if not inputs:
                break
            value = next((inputs[name] for name in NUMBERS if name in inputs), None)
        return whole(value, most)

    def _seed(self, sampler: Inputs) -> int | None:
        source = self._at(sampler.get("noise")) or sampler
        return next((self._number(source[name], MAX_NUMBER) for name in SEEDS if name in source), None)

    def _size(self, sampler: Inputs) -> tuple[int | None, int | None]:
        for inputs in self._latents_before(sampler):
            if "width" in inputs and "height" in inputs:
                return self._number(inputs["width"], 100_000), self._number(inputs["height"], 100_000)
        return None, None

    def _models(self, inputs: Inputs) -> Iterator[tuple[str, object]]:
        """The model behind the sampler, and the LoRAs on the way to it."""
        for _ in range(MAX_DEPTH):
            inputs = self._at(inputs.get("model"))
            if isinstance(name := inputs.get("lora_name"), str):
                yield "LoRA", f"{name} at {inputs.get('strength_model', 1)}"
            for key in MODELS:
                if key in inputs:
                    yield "Model", inputs[key]
                    return

    def _sampling(self, sampler: Inputs, guider: Inputs) -> Iterator[tuple[str, object]]:
        schedule = self._at(sampler.get("sigmas"))
        schedule = self._at(schedule.get("sigmas")) or schedule  # cut into parts
        named = self._at(sampler.get("sampler")) or sampler
        steps = sampler.get("steps", schedule.get("steps"))
        yield "Steps", self._number(steps, 100_000)
        yield "CFG scale", guider.get("cfg", sampler.get("cfg"))
        yield "Sampler", named.get("sampler_name")
        yield "Scheduler", sampler.get("scheduler", schedule.get("scheduler"))
        if (strength := sampler.get("denoise", schedule.get("denoise"))) not in (1, None):
            yield "Denoising strength", strength


def _target(link: object) -> str | None:
    """The node that a link names: a list of its id and the number of its output."""
    return link[0] if isinstance(link, list) and len(link) == 2 and isinstance(link[0], str) else None


def _output(link: object) -> object:
    return link[1] if isinstance(link, list) else None


def _samples(inputs: Inputs) -> bool:
    """Whether a node makes a picture of noise: it has a seed, latents, and what says which picture."""
    return (
        any(name in inputs for name in (*SEEDS, "noise"))
        and any(name in inputs for name in LATENTS)
        and any(name in inputs for name in ("positive", "guider", "text_embeds"))
    )
