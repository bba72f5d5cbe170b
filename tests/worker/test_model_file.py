"""The `[[models]]` of a worker's file: what each key means, and how mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ourvidz_worker.cli import _parser
from ourvidz_worker.configuration import Configuration, InvalidOption, load_configuration
from ourvidz_worker.engines.model_keys import ENGINE_KEYS, SETTINGS
from ourvidz_worker.engines.models import (
    ChoiceOffer,
    Lora,
    LoraOffer,
    ModelSettings,
    NumberOffer,
    body_of,
    settings_for,
)
from ourvidz_worker.model_file.entries import KEYS

README = Path(__file__).parents[2] / "worker" / "README.md"

FILM = """
[[models]]
name = "film-xl"
title = "Film XL"
engine = "sdxl"
weights = "film.safetensors"
vae = "vae"
loras = [
    {file = "loras/Film Grain.safetensors", title = "Film grain", weight = 0.8, trigger_words = ["grainy"]},
    {file = "loras/always.safetensors", name = "always-on", weight = 0.5},
]
job_types = ["sdxl_image_fast"]
set = {negative = "fog", clip_skip = 2, guidance = 1.5}
offer = {steps = [4, 12], guidance = [1, 3], scheduler = ["euler", "dpmpp_2m"], loras = ["film-grain"]}
sizes = {"1:1" = [1024, 1024], "16:9" = [1344, 768]}
licence = {name = "CreativeML", url = "https://example.org/licence"}
picture = "film.png"
default = true
precision = "float16"
style_adapter = "loras/always.safetensors"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the files that `FILM` names."""
    for name in ("film.safetensors", "film.png", "loras/Film Grain.safetensors", "loras/always.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "vae").mkdir()
    return tmp_path


def read(folder: Path, content: str, *flags: str) -> Configuration:
    (folder / "worker.toml").write_text(content, encoding="utf-8")
    flags = ("run", "--config", str(folder / "worker.toml"), *flags)
    return load_configuration(_parser().parse_args(flags), {})


def problem(folder: Path, content: str, *flags: str) -> str:
    """What the file's error says, without the file's own name."""
    with pytest.raises(InvalidOption) as refused:
        read(folder, content, *flags)
    text = str(refused.value)
    assert text.startswith(f"{folder / 'worker.toml'}")
    assert "\n" not in text
    return text.removeprefix(f"{folder / 'worker.toml'}").removeprefix(": ")


def test_an_entry_has_all_that_it_says(folder: Path) -> None:
    (model,) = read(folder, FILM).models
    grain = Lora(
        name="film-grain",
        file=str(folder / "loras/Film Grain.safetensors"),
        title="Film grain",
        weight=0.8,
        trigger_words=("grainy",),
    )
    assert model == ModelSettings(
        name="film-xl",
        title="Film XL",
        engine="sdxl",
        weights=str(folder / "film.safetensors"),
        vae=str(folder / "vae"),
        loras=(Lora(name="always-on", file=str(folder / "loras/always.safetensors"), weight=0.5),),
        job_types=("sdxl_image_fast",),
        fixed={"negative": "fog", "clip_skip": 2},
        offer={
            "steps": NumberOffer(lowest=4, highest=12, default=8, is_whole=True),
            "guidance": NumberOffer(lowest=1, highest=3, default=1.5, is_whole=False),
            "scheduler": ChoiceOffer(choices=("euler", "dpmpp_2m"), default="euler"),
            "loras": LoraOffer(choices=(grain,)),
        },
        sizes={"1:1": (1024, 1024), "16:9": (1344, 768)},
        licence_name="CreativeML",
        licence_url="https://example.org/licence",
        picture=str(folder / "film.png"),
        is_default=True,
        options={"precision": "float16", "style_adapter": str(folder / "loras/always.safetensors")},
    )


def test_it_is_sent_as_the_protocol_says(folder: Path) -> None:
    (model,) = read(folder, FILM).models
    assert body_of(model, ["sdxl_image_fast"], "0" * 64) == {
        "name": "film-xl",
        "title": "Film XL",
        "engine": "sdxl",
        "job_types": ["sdxl_image_fast"],
        "sizes": {"1:1": [1024, 1024], "16:9": [1344, 768]},
        "offer": {
            "steps": {"type": "integer", "minimum": 4, "maximum": 12, "default": 8},
            "guidance": {"type": "number", "minimum": 1.0, "maximum": 3.0, "default": 1.5},
            "scheduler": {"type": "choice", "choices": ["euler", "dpmpp_2m"], "default": "euler"},
            "loras": {
                "type": "loras",
                "choices": [
                    {
                        "name": "film-grain",
                        "title": "Film grain",
                        "minimum": -1.0,
                        "maximum": 2.0,
                        "default": 0.8,
                        "trigger_words": ["grainy"],
                    }
                ],
            },
        },
        "licence": {"name": "CreativeML", "url": "https://example.org/licence"},
        "digest": "0" * 64,
    }


def test_a_model_has_its_own_of_the_workers_options(folder: Path) -> None:
    config = read(folder, f'precision = "bfloat16"\nbatch = 2\n{FILM}')
    settings = settings_for(config.engine, config.models[0])
    assert (settings.engine, settings.model) == ("sdxl", str(folder / "film.safetensors"))
    assert (settings.precision, settings.batch) == ("float16", 2)
    assert settings.style_adapter == str(folder / "loras/always.safetensors")
    assert config.unused == ()


def test_a_byte_order_mark_is_no_error(folder: Path) -> None:
    assert read(folder, f"\ufeff{FILM}").models[0].name == "film-xl"


def test_model_stays_as_short_for_one_entry(folder: Path) -> None:
    config = read(folder, 'engine = "sdxl"\nmodel = "somebody/model"\n')
    assert config.models == (ModelSettings(engine="sdxl", weights="somebody/model", is_default=True),)
    assert settings_for(config.engine, config.models[0]) == config.engine


def test_weights_may_be_on_the_hub_at_a_revision(folder: Path) -> None:
    content = FILM.replace('"film.safetensors"', '"somebody/model@fe12"')
    assert read(folder, content).models[0].weights == "somebody/model@fe12"


@pytest.mark.parametrize(
    ("offer", "default"),
    [
        ("steps = {minimum = 4, maximum = 12, default = 5}", 5),
        ("steps = {minimum = 4, maximum = 12}", 8),
        ("steps = [4, 12]", 8),
        ("guidance = [1, 4]", 1.5),  # what `set` says
        ("guidance_rescale = [0, 1]", 0.5),
        ("steps = {choices = [4, 8, 12]}", 4),
        ("steps = {choices = [4, 8, 12], default = 8}", 8),
        ('scheduler = {choices = ["euler", "lcm"], default = "lcm"}', "lcm"),
    ],
)
def test_what_is_offered_has_a_default(folder: Path, offer: str, default: object) -> None:
    (model,) = read(folder, with_line("offer", f"offer = {{{offer}}}")).models
    (offered,) = model.offer.values()
    assert not isinstance(offered, LoraOffer)
    assert offered.default == default
    assert type(offered.default) is type(default)


def with_line(key: str, line: str) -> str:
    """`FILM` with this line in place of that of the key."""
    lines = FILM.splitlines()
    (number,) = [number for number, each in enumerate(lines) if each.startswith(f"{key} =")]
    last = number
    while lines[number].count("[") + lines[number].count("{") and key == "loras" and lines[last] != "]":
        last += 1
    return "\n".join([*lines[:number], line, *lines[last + 1 :]])


@pytest.mark.parametrize(
    ("key", "line", "sentence"),
    [
        ("name", "", "models[0]: name is missing"),
        ("name", 'name = "Film XL"', "models[0].name must be lower-case letters, digits"),
        ("name", f'name = "{"x" * 41}"', "models[0].name must be lower-case letters"),
        ("name", "name = 7", "models[0].name must be a text, not 7"),
        ("title", f'title = "{"x" * 121}"', "models[0].title has 121 characters; 120 are allowed"),
        ("title", 'title = "a\\u0007b"', "models[0].title holds characters that cannot be shown"),
        ("title", 'titel = "Film"', "models[0]: 'titel' is no key; did you mean title?"),
        ("engine", "", "models[0]: engine is missing; there are sketch, sdxl, wan, comfy"),
        ("engine", 'engine = "flux"', "models[0].engine must be one of sketch, sdxl, wan, comfy, not 'flux'"),
        ("weights", "", "models[0]: weights is missing"),
        ("weights", 'weights = "/nowhere/x.safetensors"', "models[0].weights: there is no /nowhere/x.saf"),
        (
            "weights",
            'weights = "models/x.safetensors"',
            "models[0].weights: there is no models/x.safetensors",
        ),
        ("weights", 'weights = ""', "models[0].weights: there is no "),
        ("vae", 'vae = "../nowhere"', "models[0].vae: there is no ../nowhere"),
        ("vae", 'image-model = "x"', "models[0]: 'image-model' is no key"),
        ("vae", 'style-adapter = "x"', "models[0]: style-adapter: say style_adapter"),
        ("style_adapter", 'style_adapter = "vae"', "models[0].style_adapter: vae is no .safetensors file"),
        ("loras", 'loras = "x"', "models[0].loras must be a list, not 'x'"),
        ("loras", "loras = [{weight = 1}]", "models[0].loras[0]: file is missing"),
        (
            "loras",
            'loras = [{file = "film.png"}]',
            "models[0].loras[0].file: film.png is no .safetensors file",
        ),
        ("loras", 'loras = [{file = "x.safetensors"}]', "models[0].loras[0].file: there is no x.safetensors"),
        (
            "loras",
            'loras = [{file = "film.safetensors", weigth = 1}]',
            "models[0].loras[0]: 'weigth' is no key; did you mean weight?",
        ),
        (
            "loras",
            f'loras = [{{file = "film.safetensors", weight = {"9" * 400}}}]',
            "models[0].loras[0].weight has 400 digits",
        ),
        ("set", f"set = {{clip_skip = {'9' * 400}}}", "models[0].set.clip_skip has 400 digits"),
        ("offer", f"offer = {{steps = [1, {'9' * 400}]}}", "models[0].offer.steps[1] has 400 digits"),
        (
            "loras",
            'loras = [{file = "film.safetensors", weight = 3}]',
            "models[0].loras[0].weight must be -1 to 2, not 3",
        ),
        (
            "loras",
            'loras = [{file = "film.safetensors"}, {file = "film.safetensors"}]',
            "models[0].loras[1]: there are two of the name film",
        ),
        (
            "loras",
            'loras = [{file = "film.safetensors", trigger_words = [1]}]',
            "models[0].loras[0].trigger_words[0] must be a text",
        ),
        ("job_types", "job_types = []", "models[0].job_types is empty"),
        (
            "job_types",
            'job_types = ["sdxl_image_fats"]',
            "models[0].job_types[0]: 'sdxl_image_fats' is no job type; did you mean sdxl_image_fast?",
        ),
        (
            "job_types",
            'job_types = ["video_fast"]',
            "models[0].job_types[0]: the engine sdxl does not do video_fast",
        ),
        ("set", "set = {step = 4}", "models[0].set: 'step' is no key; did you mean steps?"),
        ("set", "set = {clip-skip = 4}", "models[0].set: clip-skip: say clip_skip"),
        ("set", "set = {steps = 4.5}", "models[0].set.steps must be a whole number, not 4.5"),
        ("set", "set = {steps = true}", "models[0].set.steps must be a whole number, not True"),
        ("set", "set = {steps = 0}", "models[0].set.steps must be 1 to 200, not 0"),
        ("set", "set = {guidance = nan}", "models[0].set.guidance must be 0 to 30, not nan"),
        ("set", "set = {shift = 5}", "models[0].set: 'shift' is no key"),
        ("set", "set = {guidance = 5}", "models[0].offer.guidance: its default 5 is not 1 to 3"),
        ("offer", "offer = {negative = ['x']}", "models[0].offer: 'negative' is no key"),
        ("offer", "offer = {steps = [12, 4]}", "models[0].offer.steps must be [lowest, highest]"),
        ("offer", "offer = {steps = [4.5, 8]}", "models[0].offer.steps must be whole numbers"),
        ("offer", "offer = {steps = [0, 8]}", "models[0].offer.steps must be 1 to 200, not 0"),
        ("offer", "offer = {steps = [4]}", "models[0].offer.steps must be [lowest, highest], or {choices"),
        ("offer", 'offer = {steps = ["4", "8"]}', "models[0].offer.steps[0] must be a number, not '4'"),
        ("offer", "offer = {steps = 8}", "models[0].offer.steps must be [lowest, highest]"),
        (
            "offer",
            "offer = {steps = {minimum = 4, maximum = 8, default = 9}}",
            "models[0].offer.steps: its default 9 is not 4 to 8",
        ),
        (
            "offer",
            "offer = {guidance = {minimum = 1, maximum = 3, default = 2}}",
            "models[0].offer.guidance.default: there is one in set, too",
        ),
        ("offer", "offer = {scheduler = []}", "models[0].offer.scheduler must be a list of 1 to 64 choices"),
        ("offer", 'offer = {scheduler = ["a", "a"]}', "models[0].offer.scheduler has a choice twice"),
        (
            "offer",
            'offer = {scheduler = {choices = ["a"], default = "b"}}',
            "models[0].offer.scheduler.choices: its default 'b' is not one of them",
        ),
        (
            "offer",
            f'offer = {{scheduler = ["{"x" * 81}"]}}',
            "models[0].offer.scheduler[0] has 81 characters",
        ),
        ("offer", "offer = {loras = []}", "models[0].offer.loras names none"),
        (
            "offer",
            'offer = {loras = ["film-grian"]}',
            "models[0].offer.loras[0]: 'film-grian' is no LoRA of loras; did you mean film-grain?",
        ),
        ("sizes", 'sizes = {"square" = [8, 8]}', 'models[0].sizes."square" is no aspect ratio'),
        ("sizes", 'sizes = {"1:1" = [1024]}', 'models[0].sizes."1:1" must be [width, height] in pixels'),
        ("sizes", 'sizes = {"1:1" = [1000, 1023]}', 'models[0].sizes."1:1": 1023 is not 64 to 4096 px by st'),
        ("licence", 'license = "MIT"', "models[0]: 'license' is no key; did you mean licence?"),
        ("licence", 'licence = {url = "https://x.org"}', "models[0].licence: name is missing"),
        ("licence", 'licence = {name = "X", url = "javascript:1"}', "models[0].licence.url is no https://"),
        ("picture", 'picture = "nowhere.png"', "models[0].picture: there is no nowhere.png"),
        ("picture", 'picture = "vae"', "models[0].picture: "),
        ("default", 'default = "yes"', "models[0].default must be true or false, not 'yes'"),
        ("precision", 'precision = "half"', "models[0].precision must be one of auto, float32"),
        ("precision", "precision = [1]", "models[0].precision must be one value"),
        ("precision", "batch = 0", "models[0].batch must be a whole number from 1 to 24, not 0"),
        ("precision", 'url = "http://x"', "models[0]: 'url' is no key"),
    ],
)
def test_a_mistake_is_named_with_its_place(folder: Path, key: str, line: str, sentence: str) -> None:
    """Pitfall 51"""
    assert problem(folder, with_line(key, line)).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('image-model = "x"', "image-model: say image_model"),
        ('[models]\nname = "x"', "models is one table: write [[models]]"),
        ("models = []", "models has 0 entries; 1 to 64 are allowed"),
        ("models = [1]", "models[0] must be a table, not 1"),
        ('model = "somebody/model"' + FILM, "has [[models]]: name the weights of model in an entry"),
        (FILM + FILM, "models[1].name: there are two models of the name film-xl"),
        (
            '[[models]]\nname = "a"\nengine = "sketch"\nweights = "vae"',
            "models[0].weights: the engine sketch",
        ),
        (
            '[[models]]\nname = "a"\nengine = "sketch"\nloras = [{name = "smoke"}]',
            "models[0].loras[0].name must be one of film-grain, ink, canvas, glow, not 'smoke'",
        ),
        (
            '[[models]]\nname = "a"\nengine = "sketch"\nset = {palette = "blue"}',
            "models[0].set.palette must be one of natural, vivid, pastel, sepia, mono, not 'blue'",
        ),
        (
            '[[models]]\nname = "a"\nengine = "comfy"\nworkflow = "nowhere.json"',
            "models[0].workflow: there is no nowhere.json",
        ),
        (
            '[[models]]\nname = "a"\nengine = "comfy"\nbind = {prompt = 6}',
            "models[0].bind.prompt must be a text, not 6",
        ),
        (
            '[[models]]\nname = "a"\nengine = "comfy"\nbind = {cfg = "3.inputs.cfg"}\noffer = {steps = [4]}',
            "models[0].offer: 'steps' is no key; there are cfg, loras",
        ),
        (
            '[[models]]\nname = "a"\nengine = "comfy"\nbind = {x = "3.inputs.x"}\n'
            "offer = {x = {choices = [nan]}}",
            "models[0].offer.x.choices[0] is no number",
        ),
        (f"patience = {'9' * 5000}", "is not TOML: Exceeds the limit"),
        (f"server = {'[' * 3000}", "is not TOML: its lists are nested too deeply"),
    ],
)
def test_a_mistake_in_the_file_is_named(folder: Path, content: str, sentence: str) -> None:
    assert problem(folder, content).lstrip().startswith(sentence)


def test_weights_beside_the_models_are_refused_as_a_flag_too(folder: Path) -> None:
    assert "name the weights of model in an entry" in problem(folder, FILM, "--model", "x")


FLOW = """
[[models]]
name = "flow"
engine = "comfy"
url = "http://127.0.0.1:8188"
workflow = "flow.json"
job_types = ["sdxl_image_fast"]
sizes = {"1:1" = [512, 512]}
output = 3
offer = {steps = [4, 8], denoise = [0.1, 1.0], sampler = ["euler", "lcm"]}

[models.bind]
prompt = "3.inputs.text"
seed = "3.inputs.seed"
steps = "3.inputs.n"
denoise = "3.inputs.d"
sampler = "3.inputs.s"
"""


def flow(folder: Path) -> str:
    """An entry with the workflow that it names."""
    inputs = {"text": "", "n": 4, "d": 1.0, "s": "euler", "seed": 1}
    (folder / "flow.json").write_text(json.dumps({"3": {"class_type": "Sampler", "inputs": inputs}}))
    return FLOW


def test_what_a_workflow_binds_can_be_offered(folder: Path) -> None:
    (model,) = read(folder, flow(folder)).models
    assert model.offer == {
        "steps": NumberOffer(lowest=4, highest=8, default=6, is_whole=True),
        "denoise": NumberOffer(lowest=0.1, highest=1.0, default=0.55, is_whole=False),
        "sampler": ChoiceOffer(choices=("euler", "lcm"), default="euler"),
    }
    assert model.options["output"] == "3"


def test_a_workflow_with_a_negative_prompt_can_have_one_set(folder: Path) -> None:
    inputs = {"text": "", "avoid": "", "n": 4, "d": 1.0, "s": "euler", "seed": 1}
    content = f'{flow(folder)}negative_prompt = "3.inputs.avoid"\n'.replace(
        "offer = ", 'set = {negative = "fog"}\noffer = '
    )
    (folder / "flow.json").write_text(json.dumps({"3": {"class_type": "Sampler", "inputs": inputs}}))
    (model,) = read(folder, content).models
    assert model.fixed == {"negative": "fog"}


def test_paths_are_seen_from_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert read(folder, FILM).models[0].weights == str(folder / "film.safetensors")


def test_the_example_of_the_readme_is_read(folder: Path) -> None:
    """And each key and setting that an entry may have is in the readme's table."""
    text = README.read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    for name in ("film-xl.safetensors", "film-grain.safetensors", "fast.safetensors"):
        (folder / name).touch()
    (folder / "sdxl-vae-fp16-fix").mkdir()
    film, paper = read(folder, example).models
    assert [each.name for each in film.loras] == ["fast"]
    assert film.is_default
    assert not paper.is_default
    section = text.partition("## Several models")[2].partition("**Memory.**")[0]
    keys = {*KEYS, *SETTINGS, *(key for engine in ENGINE_KEYS.values() for key in engine)}
    assert not [key for key in keys - {"pace"} if f"`{key}`" not in section and f"\n{key} = " not in section]


def test_an_option_that_a_comfy_worker_uses_is_not_called_unused(folder: Path) -> None:
    content = f'server = "https://filed.example"\npatience = 60\nbatch = 2\n{flow(folder)}'
    assert read(folder, content).unused == ("--batch",)
