"""A real Chromium for the browser tests: the one that is there, else one from the distribution."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "chromium"
ROOT = CACHE / "root"
BROWSER_STARTER = CACHE / "chromium"
NODE_STARTER = CACHE / "node"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


class NoChromiumError(Exception):
    """Says in one line what to install."""


class LaunchOptions(TypedDict):
    """What playwright's `launch()` is given."""

    executable_path: str
    args: list[str]
    chromium_sandbox: bool


def launch_options() -> LaunchOptions:
    """Raises `NoChromiumError`. Without the sandbox: root has none, and the pages are our own."""
    return {"executable_path": find_chromium(), "args": list(FLAGS), "chromium_sandbox": False}


def find_chromium() -> str:
    """$CHROMIUM, the one that `ensure_chromium` made, one on the PATH. Installs nothing."""
    if found := _find():
        return found
    message = "no Chromium here: run script/test, which installs one, or name one in CHROMIUM="
    raise NoChromiumError(message)


def ensure_chromium() -> dict[str, str]:
    """The environment for browser tests, after installing what they lack.

    As root or with sudo the packages are installed, as anybody else they are unpacked into .cache/.
    """
    if missing := _missing_packages():
        print(f"Installing {', '.join(missing)} for the browser tests (once)", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        log = CACHE / "install.log"
        log.write_text("")
        if shutil.which("apt-get") is None:
            message = f"the browser tests need {', '.join(missing)}, and there is no apt-get here"
            raise NoChromiumError(message)
        if (prefix := _root_prefix()) is not None:
            _run([*prefix, "apt-get", "update"], log)
            _run([*prefix, "apt-get", "install", "--yes", "--no-install-recommends", *missing], log)
        else:
            _unpack(missing, log)
    node = {"PLAYWRIGHT_NODEJS_PATH": str(NODE_STARTER)} if NODE_STARTER.exists() else {}
    return {"CHROMIUM": find_chromium(), **node}


def _find() -> str | None:
    if named := os.environ.get("CHROMIUM"):
        return named
    if BROWSER_STARTER.exists():
        return str(BROWSER_STARTER)
    return next(filter(None, map(shutil.which, NAMES)), None)


def _missing_packages() -> list[str]:
    missing = []
    if _find() is None:
        missing.append("chromium")
    if sys.platform == "linux" and not any(_fonts()):
        missing.append("fonts-dejavu-core")  # without any, every letter is a box; this one has symbols too
    if sys.platform == "linux" and not _node_runs():
        missing.append("libatomic1")  # what playwright's own node needs and a bare system lacks
    return missing


def _fonts() -> Iterator[Path]:
    for folder in (*FONT_FOLDERS, f"{ROOT}/usr/share/fonts"):
        yield from Path(folder).expanduser().glob("**/*.[to]tf")


def _node() -> Path:
    playwright = importlib.util.find_spec("playwright")
    if playwright is None or playwright.origin is None:
        message = "playwright is not installed: script/bootstrap --dev does that"
        raise NoChromiumError(message)
    return Path(playwright.origin).parent / "driver" / "node"


def _node_runs() -> bool:
    node = NODE_STARTER if NODE_STARTER.exists() else _node()
    return subprocess.run([node, "--version"], capture_output=True, check=False).returncode == 0


def _root_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def _run(command: list[str], log: Path) -> None:
    with log.open("a") as output:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode:
        message = f"Chromium could not be installed (see {log}): install it, or name one in CHROMIUM="
        raise NoChromiumError(message)


def _unpack(packages: list[str], log: Path) -> None:
    """The packages and all they need that this system lacks, from its own package sources."""
    state = CACHE / "apt"
    for folder in (state / "lists/partial", state / "archives/partial", ROOT):
        folder.mkdir(parents=True, exist_ok=True)
    apt = [
        "apt-get",
        *("-o", f"Dir::State::lists={state / 'lists'}"),
        *("-o", f"Dir::Cache={state}"),
        *("-o", f"Dir::Cache::archives={state / 'archives'}"),
        *("-o", "Debug::NoLocking=1"),
        *("-o", "APT::Sandbox::User="),
    ]
    _run([*apt, "update"], log)
    _run([*apt, "install", "--yes", "--download-only", "--no-install-recommends", *packages], log)
    for package in sorted((state / "archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(ROOT)], log)
    shutil.rmtree(state)
    _write_starters()


def _write_starters() -> None:
    fonts = ROOT / "fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>/usr/share/fonts</dir><dir>{ROOT}/usr/share/fonts</dir>"
        f"<cachedir>{CACHE}/fontconfig</cachedir>"
        "<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>"
        "</fontconfig>\n"
    )
    unpacked = ROOT / "usr/lib/chromium/chromium"
    browser = str(unpacked) if unpacked.exists() else find_chromium()
    _write_starter(BROWSER_STARTER, f'export FONTCONFIG_FILE="{fonts}"', f'"{browser}" --no-sandbox')
    _write_starter(NODE_STARTER, "", f'"{_node()}"')


def _write_starter(path: Path, setting: str, command: str) -> None:
    libraries = {str(found.parent) for found in ROOT.glob("usr/lib/*-linux-*/**/*.so*")}
    libraries |= {str(found.parent) for found in ROOT.glob("lib/*-linux-*/**/*.so*")}
    new = path.with_suffix(".new")
    new.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH="{":".join(sorted(libraries))}"\n{setting}\nexec {command} "$@"\n'
    )
    new.chmod(0o755)
    new.replace(path)
