"""Configuration from flags, environment and file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ourvidz_worker.cli import _parser
from ourvidz_worker.configuration import Configuration, InvalidOption, load_configuration
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.option_values import boolean
from ourvidz_worker.options import OPTIONS, Option


def configured(*flags: str, **environment: str) -> Configuration:
    return load_configuration(_parser().parse_args(["run", *flags]), environment)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "worker.toml"
    path.write_text('server = "https://filed.example"\nengine = "wan"\nbatch = 3\nvae_tiling = true\n')
    return path


def test_a_flag_beats_the_environment_which_beats_the_file(file: Path) -> None:
    surroundings = {"OURVIDZ_WORKER_CONFIG": str(file), "OURVIDZ_WORKER_BATCH": "2"}
    assert configured(**surroundings).server == "https://filed.example"
    assert configured(**surroundings).engine.batch == 2
    assert configured("--batch", "1", **surroundings).engine.batch == 1


def test_a_file_is_named_by_flag_too(file: Path) -> None:
    engine = configured("--config", str(file)).engine
    assert (engine.engine, engine.batch, engine.vae_tiling) == ("wan", 3, True)


def test_by_default_it_sketches_and_downloads_nothing() -> None:
    assert configured().engine == EngineSettings()
    assert not configured().engine.allow_download


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("sever = 'x'", "'sever' is no key; did you mean server?"),
        ("batch = 'many'", "batch must be a whole number from 1 to 24, not 'many'"),
        (
            "device = 'gpu'",
            "device must be auto, cpu, mps, cuda, or cuda:N for one GPU of several, not 'gpu'",
        ),
        ("batch = [1]", "batch must be one value"),
        ("batch =", "is not TOML"),
    ],
)
def test_nonsense_in_a_file_is_named(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "worker.toml"
    path.write_text(content)
    with pytest.raises(InvalidOption) as refused:
        configured("--config", str(path))
    assert sentence in str(refused.value)
    assert str(path) in str(refused.value)


NUMBERS = [
    ("patience", "0", "3600"),
    ("stuck_after", "0", "3600"),
    ("pace", "0", "3600"),
    ("exit_when_idle", "0", "604800"),
    ("batch", "1", "24"),
    ("health_port", "1", "65535"),
]
NO_NUMBERS = ("many", "1_0", "nan", "inf", "٣", "9" * 5000, "--1")


def test_every_option_with_a_range_is_tried() -> None:
    free = {option.name for option in OPTIONS if option.parse is str}
    chosen = {option.name for option in OPTIONS if "one_of" in option.parse.__qualname__}
    chosen |= {"device", "thresholds"}  # in a form of their own: test_rented, test_embed_command
    switches = {option.name for option in OPTIONS if option.parse is boolean}
    assert {option.name for option in OPTIONS} - free - chosen - switches == {name for name, *_ in NUMBERS}


@pytest.mark.parametrize(("name", "low", "high"), NUMBERS)
def test_a_number_is_taken_at_the_ends_of_its_range_and_not_beyond(name: str, low: str, high: str) -> None:
    """Pitfall 44"""
    variable = f"OURVIDZ_WORKER_{name.upper()}"
    for text in (low, high):
        configured(**{variable: text})
    for text in (str(int(low) - 1), str(int(high) + 1), *NO_NUMBERS):
        with pytest.raises(InvalidOption, match=f"^{variable} must be "):
            configured(**{variable: text})


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if option.parse is not str], ids=lambda option: option.name
)
def test_nonsense_of_an_option_is_named(option: Option) -> None:
    """Pitfall 44"""
    with pytest.raises(InvalidOption, match=f"^{option.variable} must be "):
        configured(**{option.variable: "nonsense"})


def test_nonsense_in_the_environment_is_named() -> None:
    with pytest.raises(
        InvalidOption, match="OURVIDZ_WORKER_OFFLOAD must be one of none, model, group, sequential"
    ):
        configured(OURVIDZ_WORKER_OFFLOAD="some")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidOption, match=r"/nowhere\.toml cannot be read: No such file"):
        configured("--config", "/nowhere.toml")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("9100", ("127.0.0.1", 9100)),
        ("gpu.lan:9100", ("gpu.lan", 9100)),
        ("[::1]:9100", ("::1", 9100)),
    ],
)
def test_health_is_served_on_the_configured_address(text: str, where: tuple[str, int]) -> None:
    assert configured("--health-port", text).health == where


def test_options_of_another_engine_are_unused(file: Path) -> None:
    assert configured("--config", str(file)).unused == ("--batch",)
    assert configured("--pace", "1", "--device", "cpu").unused == ("--device",)
    assert configured("--engine", "sdxl", "--device", "cpu", "--batch", "2").unused == ()


def test_every_option_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "worker" / "README.md").read_text()
    missing = [option.flag for option in OPTIONS if f"`{option.flag}" not in readme]
    assert not missing
    assert not [option.variable for option in OPTIONS if f"`{option.variable}`" not in readme]


def test_a_gpu_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ourvidz_worker.engines.GPU_PACKAGES", ("a_package_that_is_not_there",))
    with pytest.raises(EngineUnusable, match=r"pip install '\./worker\[gpu\]'") as refused:
        create_engine(EngineSettings(engine="sdxl", model="x"))
    assert "a_package_that_is_not_there" in str(refused.value)


def test_the_token_stays_out_of_what_is_printed() -> None:
    assert "ovw_secret" not in repr(configured("--token", "ovw_secret"))
