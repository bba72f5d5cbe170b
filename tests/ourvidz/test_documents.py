"""What the documents must name, and what is named must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ourvidz.declarations import SETTINGS
from ourvidz_worker.configuration import CONFIG_VARIABLE
from ourvidz_worker.options import OPTIONS

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "accounts", "bench", "docs", "downloads", "generation", "library", "ourvidz", "packaging", "script",
    "sharing", "static", "templates", "tests", "worker", "workspace",
)  # fmt: skip
READ = re.compile(
    r'\b(?:given|values)\["([A-Z_]+)"|\$\{([A-Z_]+):-|\benviron(?:\.get\(|\.pop\(|\[)"([A-Z_]+)"'
)
# Of the shell, pip and uv; and the moment at which script/server began.
FOREIGN = {
    *("HOME", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"),
    *("UV_DEFAULT_INDEX", "OURVIDZ_STARTED"),
}
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
DOCUMENT = re.compile(r"(?<![\w/.-])(?:docs/[\w./-]*\w|(?:[\w-]+/)*[\w-]+\.md)\b/?")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
DESIGN = re.compile(r"\bdesign \d", re.IGNORECASE)


def sources() -> Iterator[Path]:
    """The text that we wrote: neither vendored nor generated."""
    yield from ROOT.glob("*.md")
    yield ROOT / "pyproject.toml"
    for folder in OURS:
        for path in (ROOT / folder).rglob("*"):
            text = path.suffix in {".py", ".md", ".js", ".css", ".html", ".toml", ".service", ""}
            if text and path.is_file() and not {"vendor", "build", "__pycache__"} & set(path.parts):
                yield path


def settings_read() -> set[str]:
    files = [ROOT / "ourvidz" / "settings.py", *(ROOT / "ourvidz" / "declarations").glob("*.py")]
    files += [script for script in (ROOT / "script").iterdir() if script.is_file()]
    names = {name for file in files for found in READ.findall(file.read_text()) for name in found if name}
    return names - FOREIGN


def test_what_is_read_is_declared_and_the_reverse() -> None:
    """The declarations are what docs/settings.md has its tables from."""
    declared = {setting.name for setting in SETTINGS}
    assert {"PORT", "HOST", "WORKERS", "VENV", "DATABASE_URL", "TRASH_DAYS"} <= settings_read()
    assert settings_read() - declared == set(), "read, but not declared"
    # It is there to be refused in words: docs/decisions/0022-settings-are-declared.md
    assert declared - settings_read() == {"URL_PREFIX"}, "declared, but read nowhere"


def test_every_option_of_the_worker_is_in_its_readme() -> None:
    told = (ROOT / "worker" / "README.md").read_text()
    assert f"`{CONFIG_VARIABLE}`" in told
    for option in OPTIONS:
        assert f"`{option.variable}`" in told
        assert f"`{option.flag}" in told


@pytest.mark.parametrize("document", [path for path in sources() if path.suffix == ".md"], ids=str)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    dead = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert dead == []


def test_nothing_cites_a_document_that_is_not_here() -> None:
    dead = []
    for path in sources():
        text = path.read_text()
        places = (ROOT, ROOT / "docs", path.parent)
        cited = {name for name in DOCUMENT.findall(text) if not any((at / name).exists() for at in places)}
        cited |= set(DESIGN.findall(text))
        dead += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(cited)]
    assert dead == []


def test_every_test_that_is_to_hold_a_threat_exists() -> None:
    named = NAMED_TEST.findall((ROOT / "docs" / "security.md").read_text())
    assert len(named) > 50
    missing = []
    for path, name in named:
        file = ROOT / path
        if not file.is_file() or not re.search(rf"^ *(async )?def {name}\(", file.read_text(), re.MULTILINE):
            missing.append(f"{path}::{name}")
    assert missing == []
