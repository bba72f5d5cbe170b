"""Numbers of the environment: one outside its range stops the start with a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from ourvidz.environment import decimal, integer

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("value", ["1", "64"])
def test_the_ends_of_a_range_are_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("THREADS", value)
    assert integer("THREADS", 4, 1, 64) == int(value)


@pytest.mark.parametrize("value", ["0", "65", "-1"])
def test_what_lies_outside_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Pitfall 44"""
    monkeypatch.setenv("THREADS", value)
    with pytest.raises(ImproperlyConfigured, match=r"^THREADS is from 1 to 64$"):
        integer("THREADS", 4, 1, 64)


@pytest.mark.parametrize("value", ["0", "-0.5", "101"])
def test_a_rate_is_a_number_too(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RATE", value)
    with pytest.raises(ImproperlyConfigured, match=r"^RATE is from 0\.001 to 100$"):
        decimal("RATE", 20, 0.001, 100)


def test_a_default_that_does_not_fit_another_setting_is_refused_too() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^BYTES is from 100 on$"):
        integer("BYTES", 10, 100)


def test_every_number_among_the_settings_has_a_range() -> None:
    """Pitfall 44"""
    assert re.findall(r"env\.(?:int|float)\(.*", (ROOT / "ourvidz" / "settings.py").read_text()) == []


def test_no_start_empties_the_trash_for_a_sign_too_many(tmp_path: Path) -> None:
    """Pitfall 44: with -1 days the first chores deleted what was discarded just now."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "TRASH_DAYS": "-1"}
    command = [sys.executable, "-c", "from ourvidz import settings"]
    started = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert started.returncode == 1
    assert started.stderr.endswith("ImproperlyConfigured: TRASH_DAYS is from 0 to 36500\n")
