"""SQLite's files and their URLs, whatever characters stand in the path."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{quote(str(file.absolute()))}"


def sqlite_file(url: str) -> Path:
    return Path(unquote(urlsplit(url).path.removeprefix("/")))
