"""What InvokeAI, SwarmUI and Fooocus write: JSON of settings by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from generation.media.parameters.found import Parameters, json_object, parameters
from generation.media.parameters.infotext import without_networks

IN_BRACKETS = re.compile(r"\[([^\[\]]{0,5000})\]")
DREAM_OPTION = re.compile(r"\s-([sSWHCA])\s*([\w.]{1,40})")
RESOLUTION = re.compile(r"\(?(\d{1,6})\s*[,x×]\s*(\d{1,6})\)?")


def from_invokeai(texts: Mapping[str, str]) -> Parameters | None:
    """What InvokeAI wrote since version 3, or before that."""
    if said := json_object(texts.get("invokeai_metadata", "")):
        return _invokeai(said)
    if image := json_object(json_object(texts.get("sd-metadata", "")).get("image")):
        return _old_invokeai(image)
    return _dream(texts["Dream"]) if "Dream" in texts else None


def _invokeai(said: dict[str, Any]) -> Parameters:
    others = [
        ("Model", _model_name(said.get("model"))),
        *(("LoRA", lora) for lora in _loras(said.get("loras"))),
        ("Steps", said.get("steps")),
        ("CFG scale", said.get("cfg_scale")),
        ("Guidance", said.get("guidance")),
        ("Scheduler", said.get("scheduler")),
        ("VAE", _model_name(said.get("vae"))),
        ("Denoising strength", said.get("strength")),
        ("Clip skip", said.get("clip_skip")),
    ]
    return parameters(
        "InvokeAI",
        prompt=said.get("positive_prompt"),
        negative_prompt=said.get("negative_prompt"),
        others=others,
        seed=said.get("seed"),
        width=said.get("width"),
        height=said.get("height"),
    )


def _model_name(model: object) -> object:
    said = json_object(model)
    return said.get("name") or said.get("model_name") or (model if isinstance(model, str) else None)


def _loras(loras: object) -> Iterator[str]:
    for each in loras if isinstance(loras, list) else ():
        said = json_object(each)
        name = _model_name(said.get("model") or said.get("lora"))
        if isinstance(name, str):
            yield f"{name} at {said.get('weight', 1)}"


def _old_invokeai(image: dict[str, Any]) -> Parameters:
    parts = image.get("prompt")
    if isinstance(parts, list):  # weighted parts
        parts = " ".join(str(json_object(part).get("prompt", "")) for part in parts[:50])
    prompt, negative = _without_brackets(parts if isinstance(parts, str) else "")
    others = [
        ("Steps", image.get("steps")),
        ("CFG scale", image.get("cfg_scale")),
        ("Sampler", image.get("sampler")),
    ]
    return parameters(
        "InvokeAI",
        prompt=prompt,
        negative_prompt=negative,
        others=others,
        seed=image.get("seed"),
        width=image.get("width"),
        height=image.get("height"),
    )


def _dream(line: str) -> Parameters | None:
    """The command line of its first versions: a prompt in quotes, then options."""
    quoted, _, rest = line.strip().removeprefix('"').rpartition('"')
    options = dict(DREAM_OPTION.findall(rest[:2000]))
    if not quoted or not options:
        return None
    prompt, negative = _without_brackets(quoted)
    named = {"Steps": "s", "CFG scale": "C", "Sampler": "A"}
    others = [(name, options.get(key)) for name, key in named.items()]
    seed, width, height = (options.get(key) for key in "SWH")
    return parameters(
        "InvokeAI",
        prompt=prompt,
        negative_prompt=negative,
        seed=seed,
        width=width,
        height=height,
        others=others,
    )


def _without_brackets(prompt: str) -> tuple[str, str]:
    """What stands in brackets was its negative prompt."""
    return IN_BRACKETS.sub("", prompt).strip(" ,"), ", ".join(IN_BRACKETS.findall(prompt))


def from_settings(said: dict[str, Any]) -> Parameters | None:
    """What SwarmUI or Fooocus wrote, told by the names that each of them has; None for another's."""
    if swarm := json_object(said.get("sui_image_params")):
        return _swarmui(swarm)
    if said.get("metadata_scheme") == "fooocus" or {"base_model", "guidance_scale"} <= said.keys():
        return _fooocus(said)
    return None


def _swarmui(said: dict[str, Any]) -> Parameters:
    loras, weights = (_listed(said.get(name)) for name in ("loras", "loraweights"))
    weights += ["1"] * (len(loras) - len(weights))
    others = [
        ("Model", said.get("model")),
        *(("LoRA", f"{name} at {weight}") for name, weight in zip(loras, weights, strict=False)),
        ("Steps", said.get("steps")),
        ("CFG scale", said.get("cfgscale")),
        ("Sampler", said.get("sampler")),
        ("Scheduler", said.get("scheduler")),
        ("Variation seed", said.get("variationseed")),
    ]
    prompt = said.get("prompt")
    return parameters(
        "SwarmUI",
        prompt=without_networks(prompt) if isinstance(prompt, str) else "",
        negative_prompt=said.get("negativeprompt"),
        others=others,
        seed=said.get("seed"),
        width=said.get("width"),
        height=said.get("height"),
    )


def _listed(names: object) -> list[str]:
    if isinstance(names, str):
        names = names.split(",", 50)
    return [str(name).strip() for name in names[:50]] if isinstance(names, list) else []


def _fooocus(said: dict[str, Any]) -> Parameters:
    size = RESOLUTION.match(str(said.get("resolution", ""))[:60])
    loras = [value for name, value in said.items() if name.startswith("lora_combined_")]
    others = [
        ("Model", said.get("base_model")),
        *(("LoRA", value) for value in loras),
        ("Steps", said.get("steps")),
        ("CFG scale", said.get("guidance_scale")),
        ("Sampler", said.get("sampler")),
        ("Scheduler", said.get("scheduler")),
        ("Styles", said.get("styles")),
    ]
    width, height = size.groups() if size else (None, None)
    return parameters(
        "Fooocus",
        prompt=said.get("prompt"),
        negative_prompt=said.get("negative_prompt"),
        seed=said.get("seed"),
        width=width,
        height=height,
        others=others,
    )
