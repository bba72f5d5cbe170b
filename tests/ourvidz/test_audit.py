"""What the audit of the locked versions takes for a vulnerability, and what for no answer."""

from __future__ import annotations

import sys

import pytest

from tests import audit

pytestmark = pytest.mark.any_database

KNOWN = {"name": "django", "version": "5.2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.2.1"]}]}
SOUND = {"name": "pillow", "version": "12.0", "vulns": []}
UNKNOWN = {"name": "av", "skip_reason": "not found"}


def test_a_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    found = audit.python_findings({"dependencies": [KNOWN, SOUND, UNKNOWN]})
    assert found == ["django 5.2: PYSEC-1, mended in 5.2.1"]
    assert audit.npm_findings({"vulnerabilities": {"typescript": {"severity": "high"}}}) == [
        "typescript: high"
    ]


def test_no_vulnerability_is_not_the_same_as_no_answer() -> None:
    assert audit.python_findings({"dependencies": [SOUND]}) == []
    assert audit.python_findings({"dependencies": [UNKNOWN]}) is None
    assert audit.npm_findings({"vulnerabilities": {}}) == []
    assert audit.npm_findings({"error": {"code": "ENOTFOUND"}}) is None


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "print('<html>')", "raise SystemExit(1)"])
def test_a_source_that_is_away_or_talks_nonsense_is_no_answer(code: str) -> None:
    assert audit.json_of([sys.executable, "-c", code], 2) is None


def test_it_says_what_was_left_out_and_fails_for_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert not audit.audited("Python", lambda: None)
    assert audit.audited("JavaScript", lambda: ["typescript: high"])
    assert capsys.readouterr().out.splitlines() == [
        f"Python: {audit.LEFT_OUT}",
        "JavaScript: 1 known vulnerabilities",
        "  typescript: high",
    ]
