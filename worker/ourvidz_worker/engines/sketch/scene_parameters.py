"""The light and the colours of a scene: presets, chosen by the words of the prompt and varied by the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ourvidz_worker.engines.sketch.arrays import Rng
from ourvidz_worker.engines.sketch.colour import Lch


@dataclass(frozen=True, slots=True)
class SceneParameters:
    """`sun_height`: 0 at the horizon, 1 at the top of the sky; `night`, `cloud`, `mist`, `snow`: 0..1."""

    name: str
    zenith: Lch
    middle: Lch
    horizon: Lch
    sun: Lch
    shade: Lch
    leaf: Lch
    rock: Lch
    accent: Lch
    sun_height: float
    night: float = 0.0
    cloud: float = 0.5
    mist: float = 0.5
    snow: float = 0.35


_GRASS, _STONE = Lch(0.50, 0.075, 128), Lch(0.55, 0.028, 62)

PRESETS = {
    "sunset": SceneParameters(
        "sunset",
        Lch(0.42, 0.095, 275),
        Lch(0.66, 0.115, 25),
        Lch(0.84, 0.125, 68),
        Lch(0.93, 0.12, 78),
        Lch(0.40, 0.075, 295),
        Lch(0.44, 0.06, 95),
        Lch(0.50, 0.05, 40),
        Lch(0.68, 0.17, 38),
        0.16,
        cloud=0.6,
    ),
    "dawn": SceneParameters(
        "dawn",
        Lch(0.60, 0.075, 250),
        Lch(0.79, 0.062, 320),
        Lch(0.90, 0.070, 55),
        Lch(0.95, 0.07, 70),
        Lch(0.55, 0.055, 275),
        Lch(0.52, 0.055, 140),
        Lch(0.58, 0.03, 20),
        Lch(0.76, 0.11, 5),
        0.22,
        mist=0.85,
    ),
    "day": SceneParameters(
        "day",
        Lch(0.52, 0.115, 250),
        Lch(0.70, 0.085, 240),
        Lch(0.88, 0.035, 225),
        Lch(0.98, 0.035, 95),
        Lch(0.47, 0.065, 255),
        Lch(0.54, 0.10, 132),
        Lch(0.60, 0.03, 70),
        Lch(0.66, 0.15, 245),
        0.72,
        mist=0.35,
    ),
    "dusk": SceneParameters(
        "dusk",
        Lch(0.27, 0.075, 277),
        Lch(0.45, 0.095, 300),
        Lch(0.70, 0.120, 20),
        Lch(0.88, 0.10, 45),
        Lch(0.26, 0.065, 285),
        Lch(0.33, 0.04, 170),
        Lch(0.38, 0.035, 300),
        Lch(0.66, 0.17, 350),
        0.06,
        night=0.45,
        cloud=0.45,
    ),
    "night": SceneParameters(
        "night",
        Lch(0.17, 0.055, 270),
        Lch(0.27, 0.068, 262),
        Lch(0.43, 0.070, 245),
        Lch(0.92, 0.03, 90),
        Lch(0.16, 0.045, 268),
        Lch(0.24, 0.035, 190),
        Lch(0.29, 0.025, 260),
        Lch(0.70, 0.12, 235),
        0.62,
        night=1.0,
        cloud=0.35,
    ),
    "winter": SceneParameters(
        "winter",
        Lch(0.52, 0.075, 252),
        Lch(0.72, 0.050, 250),
        Lch(0.89, 0.050, 45),
        Lch(0.97, 0.045, 80),
        Lch(0.55, 0.060, 255),
        Lch(0.48, 0.03, 190),
        Lch(0.56, 0.02, 260),
        Lch(0.74, 0.08, 240),
        0.22,
        mist=0.4,
        snow=1.0,
    ),
    "autumn": SceneParameters(
        "autumn",
        Lch(0.58, 0.055, 240),
        Lch(0.77, 0.050, 80),
        Lch(0.90, 0.070, 80),
        Lch(0.95, 0.09, 82),
        Lch(0.43, 0.045, 30),
        Lch(0.60, 0.135, 55),
        Lch(0.53, 0.04, 50),
        Lch(0.64, 0.17, 45),
        0.26,
        mist=0.65,
        snow=0.12,
    ),
    "storm": SceneParameters(
        "storm",
        Lch(0.34, 0.028, 250),
        Lch(0.50, 0.030, 235),
        Lch(0.72, 0.035, 200),
        Lch(0.90, 0.05, 90),
        Lch(0.30, 0.03, 245),
        Lch(0.42, 0.055, 145),
        Lch(0.44, 0.02, 240),
        Lch(0.62, 0.07, 200),
        0.45,
        cloud=0.95,
        mist=0.9,
    ),
}

_PRESET_WORDS = {
    "sunset": "sunset evening golden gold warm fire orange abendrot glowing amber hour",
    "dawn": "dawn sunrise morning pastel soft dreamy pink misty gentle",
    "day": "day sunny summer noon midday bright clear blue spring",
    "dusk": "dusk twilight blue-hour purple violet magenta cyberpunk synthwave neon",
    "night": "night midnight moon moonlight moonlit stars starry dark nocturnal milky aurora",
    "winter": "winter snow snowy ice icy frost frozen cold arctic glacier christmas",
    "autumn": "autumn fall october harvest golden-leaves maple rust",
    "storm": "storm stormy rain rainy thunder overcast moody fog foggy dramatic grey gray gloomy",
}

_HUES = {
    "red": 25,
    "crimson": 20,
    "scarlet": 30,
    "orange": 55,
    "amber": 75,
    "gold": 85,
    "golden": 80,
    "yellow": 100,
    "lime": 125,
    "green": 145,
    "emerald": 160,
    "teal": 190,
    "turquoise": 195,
    "cyan": 210,
    "blue": 255,
    "indigo": 275,
    "purple": 305,
    "violet": 295,
    "lavender": 300,
    "magenta": 335,
    "pink": 355,
    "rose": 5,
}

LIGHT_WORDS = frozenset(" ".join(_PRESET_WORDS.values()).split()) | frozenset(_HUES)

_DEFAULT_PRESETS = ("sunset", "dawn", "day", "dusk", "autumn", "sunset", "dawn")


def choose_scene_parameters(
    words: frozenset[str], rng: Rng, default_presets: tuple[str, ...] = _DEFAULT_PRESETS
) -> SceneParameters:
    """The preset that matches most words; if none does, one of `default_presets`, chosen by the seed."""
    preset = default_presets[int(rng.integers(len(default_presets)))]
    if len(default_presets) == 1:
        return _tint(_vary(PRESETS[preset], rng), words)
    scores = {name: len(words & set(preset_words.split())) for name, preset_words in _PRESET_WORDS.items()}
    best = max(scores, key=lambda name: scores[name])
    parameters = PRESETS[best if scores[best] else preset]
    if "snow" in words or "snowy" in words:
        parameters = replace(parameters, snow=1.0)
    return _tint(_vary(parameters, rng), words)


def _vary(parameters: SceneParameters, rng: Rng) -> SceneParameters:
    """Varies the parameters a little for every seed; all hues turn together, which keeps their harmony."""
    turn = float(rng.normal(0, 7))
    return replace(
        parameters,
        zenith=parameters.zenith.turned(turn).scaled(
            float(rng.uniform(0.92, 1.06)), float(rng.uniform(0.85, 1.2))
        ),
        middle=parameters.middle.turned(turn * 1.3).scaled(1.0, float(rng.uniform(0.85, 1.2))),
        horizon=parameters.horizon.turned(turn * 0.7).scaled(1.0, float(rng.uniform(0.85, 1.15))),
        leaf=parameters.leaf.turned(turn * 2),
        accent=parameters.accent.turned(turn * 2.5),
        sun_height=parameters.sun_height * float(rng.uniform(0.7, 1.25)),
        cloud=min(1.0, parameters.cloud * float(rng.uniform(0.6, 1.4))),
    )


def _tint(parameters: SceneParameters, words: frozenset[str]) -> SceneParameters:
    """Shifts the colours towards those that the prompt names."""
    named = [hue for word, hue in _HUES.items() if word in words]
    if not named:
        return parameters
    hue, last_hue = named[0], named[-1]
    return replace(
        parameters,
        zenith=parameters.zenith.towards(last_hue, 0.45).scaled(chroma=1.15),
        middle=parameters.middle.towards(hue, 0.6).scaled(chroma=1.15),
        horizon=parameters.horizon.towards(hue, 0.3),
        accent=parameters.accent._replace(hue=float(hue)).scaled(chroma=1.15),
        leaf=parameters.leaf.towards(last_hue, 0.25),
    )
