"""Every setting at, under and over its range, and as nonsense: what may not be stops every start in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ourvidz.declarations import SETTINGS
from ourvidz.environment import (
    Boolean,
    Checked,
    CheckedList,
    Decimal,
    Integer,
    InvalidSetting,
    Setting,
    Values,
    read,
    resolve,
)
from tests.ourvidz.settings_tables import DOCUMENT, with_tables

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = [setting for setting in SETTINGS if isinstance(setting, Integer)]
NO_NUMBERS = ("many", "1,000", "1_000", "0x10", "1e3", "nan", "inf", "--1", "٣", "9" * 5000)
# What is no value of each setting that is neither a number nor true or false.
NONSENSE = {
    "HOST": ("http://studio.example", "studio.example:80", "1.2.3", "a b", "-"),
    "DATABASE_URL": (
        "mysql://h/n", "studio", "postgres://h:port/n", "sqlite:///", "sqlite:////d/my #1/db.sqlite3",
        "sqlite:////d/who?/db.sqlite3",
    ),
    "REDIS_URL": ("localhost:6379", "http://h", "redis://", "redis://h:port", "unix://", "unix:///my #1"),
    "LOG_LEVEL": ("LOUD", "info", "10"),
    "ALLOWED_HOSTS": ("https://studio.example", "studio.example:443", "*.example", "::1", ",", "a b"),
    "CSRF_TRUSTED_ORIGINS": ("studio.example", "https://studio.example/", "ftp://studio.example", "https://"),
    "URL_PREFIX": ("/studio", "studio", "https://studio.example/", "//"),
    "TIME_ZONE": ("Mars/Olympus", "../etc/passwd", "Europe", "+01:00"),
}  # fmt: skip
VALID = {
    "HOST": ("localhost", "::", "fe80::1", "studio.example", "web_1"),
    "DATABASE_URL": (
        "postgres://u:p%23@h:5432/n?sslmode=require", "postgresql:///n", "sqlite:///db.sqlite3",
        "sqlite:////d/my%20%231/db.sqlite3", "sqlite:////d/with space/db.sqlite3", "sqlite://:memory:",
    ),
    "REDIS_URL": ("redis://h", "rediss://u:p@h:6379/1", "unix:///run/my%20%231/socket"),
    "LOG_LEVEL": ("DEBUG", "CRITICAL"),
    "ALLOWED_HOSTS": ("a", "a,.b.example,[::1]", "*", "192.0.2.2"),
    "CSRF_TRUSTED_ORIGINS": ("https://a", "https://a:8443, http://*.b.example"),
    "URL_PREFIX": ("/",),
    "TIME_ZONE": ("UTC", "Europe/Berlin"),
}  # fmt: skip


def ends(setting: Integer, values: Values) -> tuple[float, float]:
    return resolve(setting.low, values), resolve(setting.high, values)


def refusals() -> Iterator[tuple[Setting, str]]:
    """Each setting with each text that it must refuse."""
    defaults = read(SETTINGS, {})
    for setting in SETTINGS:
        if isinstance(setting, Integer):
            low, high = ends(setting, defaults)
            step = 0.0005 if isinstance(setting, Decimal) else 1
            texts = [f"{low - step}", f"{high + step}", f"-{high}", f"{10**29}", *NO_NUMBERS]
            texts += [] if isinstance(setting, Decimal) else ["1.5", f"{high}.0"]
        elif isinstance(setting, Boolean):
            texts = ["maybe", "2", "truefalse"]
        else:
            texts = list(NONSENSE.get(setting.name, ()))
        yield from ((setting, text) for text in texts)


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_a_number_may_be_at_both_ends_of_its_range(setting: Integer) -> None:
    for end in ends(setting, read(SETTINGS, {})):
        values = read(SETTINGS, {setting.name: f" {end} "})
        assert values[setting.name] == end
        assert type(values[setting.name]) is (float if isinstance(setting, Decimal) else int)


@pytest.mark.parametrize(
    ("setting", "text"),
    list(refusals()),
    ids=lambda value: value[:12] if isinstance(value, str) else value.name,
)
def test_what_is_out_of_range_or_nonsense_is_refused_in_a_sentence(setting: Setting, text: str) -> None:
    """Pitfall 44"""
    with pytest.raises(InvalidSetting) as refused:
        read(SETTINGS, {setting.name: text})
    sentence = str(refused.value)
    assert sentence.startswith(setting.name if setting.is_secret else f"{setting.name}={text[:60]}")
    assert " is not " in sentence
    assert ": change it, or leave it out" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 400
    if isinstance(setting, Integer):
        low, high = ends(setting, read(SETTINGS, {}))
        assert f"from {low}" in sentence
        assert f" to {high}" in sentence


def test_every_setting_has_what_it_refuses_here() -> None:
    """Those that take any text are few, and named: what cannot be used is noticed where it is used."""
    tried = {setting.name for setting, _ in refusals()}
    assert {setting.name for setting in SETTINGS} - tried == {
        *("DATA_DIR", "VENV", "PYTHON", "SECRET_KEY"),
        *("SIGNING_CERTIFICATE", "SIGNING_KEY"),  # test_signing_settings
    }
    assert (
        {setting.name for setting in SETTINGS if isinstance(setting, Checked)} == set(NONSENSE) == set(VALID)
    )


@pytest.mark.parametrize("name", VALID)
def test_what_is_right_is_taken(name: str) -> None:
    [setting] = [setting for setting in SETTINGS if setting.name == name]
    for text in VALID[name]:
        value = read(SETTINGS, {name: text})[name]
        assert value == (
            [item.strip() for item in text.split(",")] if isinstance(setting, CheckedList) else text
        )


@pytest.mark.parametrize(("text", "value"), [("1", True), ("TRUE", True), ("no", False), ("", False)])
def test_true_and_false_have_more_words(text: str, value: bool) -> None:
    assert read(SETTINGS, {"HTTPS": text})["HTTPS"] is value


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"DATABASE_URL": "postgres://h/n"},
        {"DATABASE_URL": "postgres://h/n", "DATABASE_POOL": "1"},
        {"LEASE_SECONDS": "2", "SESSION_DAYS": "1", "MAX_REQUESTS": "1"},
        {"MAX_UPLOAD_BYTES": str(1024**4), "UPLOAD_BYTES_PER_CALLER": str(1024**5)},
    ],
    ids=str,
)
def test_a_default_that_follows_from_another_setting_is_in_its_range(given: dict[str, str]) -> None:
    values = read(SETTINGS, given)
    assert [s.name for s in NUMBERS if not ends(s, values)[0] <= values[s.name] <= ends(s, values)[1]] == []


def test_a_name_after_a_comma_and_a_space_is_a_name() -> None:
    """It was taken with its space, so that its visitors got 400 without a word."""
    assert read(SETTINGS, {"ALLOWED_HOSTS": "a, b ,c,"})["ALLOWED_HOSTS"] == ["a", "b", "c"]


def test_a_secret_stays_out_of_the_sentence() -> None:
    with pytest.raises(InvalidSetting) as refused:
        read(SETTINGS, {"DATABASE_URL": "mysql://user:hunter2@host/name"})
    assert "hunter2" not in str(refused.value)


def test_an_odd_value_stays_on_one_line() -> None:
    with pytest.raises(
        InvalidSetting, match=r"^PORT='1\\n\\x1b\[2J' is not a whole number from 0 to 65535: "
    ):
        read(SETTINGS, {"PORT": "1\n\x1b[2J"})


def test_the_handbook_says_what_is_declared() -> None:
    """`python -m tests.ourvidz.settings_tables` writes the tables anew."""
    text = DOCUMENT.read_text()
    assert with_tables(text) == text


def started(command: list[str], data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), **settings}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("url", "name", "options"),
    [
        ("postgres://u:p%23@h:5432/n?sslmode=require", "n", {"sslmode", "pool", "prepare_threshold"}),
        ("sqlite:////d/my%20%231/db.sqlite3", "/d/my #1/db.sqlite3", {"transaction_mode", "timeout"}),
        ("sqlite:////d/with space/db.sqlite3", "/d/with space/db.sqlite3", {"transaction_mode", "timeout"}),
        ("sqlite:///file:db.sqlite3", f"{ROOT}/file:db.sqlite3", {"transaction_mode", "timeout"}),
    ],
)
def test_a_database_is_what_its_url_says(url: str, name: str, options: set[str], tmp_path: Path) -> None:
    """Pitfall 44: what followed the ? was dropped, `sslmode=require` too."""
    show = "import json; from ourvidz import settings as s; print(json.dumps(s.DATABASES['default']))"
    done = started([sys.executable, "-c", show], tmp_path, DATABASE_URL=url)
    database = json.loads(done.stdout)
    assert database["NAME"] == name
    assert options <= set(database["OPTIONS"])


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (
            {"HTTPS": "true", "ALLOWED_HOSTS": "localhost,*,.b.example,192.0.2.2,[::1],a.example"},
            "https://a.example",
        ),
        ({"HTTPS": "true"}, ""),
        ({"ALLOWED_HOSTS": "a.example"}, ""),  # its scheme and port are known to nobody
    ],
)
def test_the_sites_address_is_known_behind_https_by_its_name(
    given: dict[str, str], address: str, tmp_path: Path
) -> None:
    show = "from ourvidz import settings as s; print(s.SITE_ADDRESS)"
    assert started([sys.executable, "-c", show], tmp_path, **given).stdout.strip() == address


STARTS = [
    [sys.executable, "manage.py", "check"],
    [sys.executable, "manage.py", "migrate"],
    [sys.executable, "manage.py", "maintain", "--once"],
    [sys.executable, "manage.py", "serve"],
    [sys.executable, "manage.py", "no_such_command"],
    [sys.executable, "-m", "daphne", "ourvidz.asgi:application"],
    [sys.executable, "-S", "script/supervise.py", "--check"],
    ["script/server"],
]


@pytest.mark.parametrize("command", STARTS, ids=lambda command: " ".join(command[-2:]))
def test_no_start_goes_on_with_it(command: list[str], tmp_path: Path) -> None:
    """Pitfall 44: with 0 attempts every lease call failed, with -1 days the chores emptied the trash."""
    for given, allowed in (
        ({"MAX_ATTEMPTS": "0"}, "MAX_ATTEMPTS=0 is not a whole number from 1 to 100"),
        ({"TRASH_DAYS": "-1"}, "TRASH_DAYS=-1 is not a whole number from 0 to 36500"),
    ):
        refused = started(command, tmp_path / "data", **given)
        assert refused.returncode == 1
        [line] = refused.stderr.splitlines()
        assert line.startswith(f"OurVidz: {allowed}: change it, or leave it out for ")
        assert not (tmp_path / "data").exists()


def test_commands_run_with_every_number_at_either_end_of_its_range(tmp_path: Path) -> None:
    """Pitfall 44: at an end that was allowed, the chores failed with dates that there are not."""
    for end in (0, 1):  # on one database, as migrating takes most of the time
        given: dict[str, str] = {}
        for setting in NUMBERS:
            given[setting.name] = str(ends(setting, read(SETTINGS, given))[end])
        for command in (["check"], ["prepare", "--workers", "1"], ["maintain", "--once"]):
            done = started([sys.executable, "manage.py", *command], tmp_path, **given)
            assert done.returncode == 0, (end, done.stderr)
