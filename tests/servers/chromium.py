"""A real Chromium for the browser tests: the one that is there, else one from the distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core")  # the page's symbols need a font that has them
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
    """Raises `NoChromiumError`. Without the sandbox as root, where Chromium has none."""
    return {"executable_path": find_chromium(), "args": list(FLAGS), "chromium_sandbox": False}


def find_chromium() -> str:
    """$CHROMIUM, one on the PATH, one unpacked earlier. Installs nothing."""
    if named := os.environ.get("CHROMIUM"):
        return named
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if (unpacked := CACHE / "chromium").exists():
        return str(unpacked)
    message = "no Chromium here: run script/test, which installs one, or name one in CHROMIUM="
    raise NoChromiumError(message)


def ensure_chromium() -> str:
    """The same, and where there is none: installed as root or by sudo, else unpacked into .cache/."""
    try:
        found = find_chromium()
        _ensure_font()
    except NoChromiumError:
        log = _log()
        if shutil.which("apt-get") is None:
            message = "no Chromium here, and no apt-get to install it: install it, or name one in CHROMIUM="
            raise NoChromiumError(message) from None
        print("Installing Chromium for the browser tests (once)", flush=True)
        if (prefix := _root_prefix()) is not None:
            _install(prefix, log, *PACKAGES)
        else:
            _unpack(log)
        return find_chromium()
    else:
        return found


def _ensure_font() -> None:
    """A Chromium without any font draws every letter as a box."""
    unpacked = CACHE / "root"
    if sys.platform != "linux" or unpacked.exists() or any(_fonts()):
        return
    if shutil.which("apt-get") and (prefix := _root_prefix()) is not None:
        print("Installing a font for the browser tests (once)", flush=True)
        _install(prefix, _log(), "fonts-dejavu-core")
        return
    message = "there is a Chromium but no font: install one, for example fonts-dejavu-core"
    raise NoChromiumError(message)


def _fonts() -> Iterator[Path]:
    for folder in ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts"):
        yield from Path(folder).expanduser().glob("**/*.[to]tf")


def _log() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / "install.log"
    log.write_text("")
    return log


def _root_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def _run(command: list[str], log: Path, *, cwd: Path | None = None) -> str:
    with log.open("a") as output:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            check=False,
        )
        output.write(done.stdout)
    if done.returncode:
        message = f"Chromium could not be installed (see {log}): name one in CHROMIUM="
        raise NoChromiumError(message)
    return done.stdout


def _install(prefix: list[str], log: Path, *packages: str) -> None:
    _run([*prefix, "apt-get", "update"], log)
    _run([*prefix, "apt-get", "install", "--yes", "--no-install-recommends", *packages], log)


def _unpack(log: Path) -> None:
    """As a normal user: the packages that this system lacks, from its own sources, into a folder of ours."""
    state, root = CACHE / "apt", CACHE / "root"
    for folder in (state / "lists/partial", state / "archives/partial", root):
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
    _run([*apt, "install", "--yes", "--download-only", "--no-install-recommends", *PACKAGES], log)
    for package in sorted((state / "archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(root)], log)
    shutil.rmtree(state)
    _write_starter(root)


def _write_starter(root: Path) -> None:
    (root / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>/usr/share/fonts</dir><dir>{root}/usr/share/fonts</dir>"
        f"<cachedir>{CACHE}/fontconfig</cachedir>"
        "<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>"
        "</fontconfig>\n"
    )
    libraries = sorted({str(path.parent) for path in root.glob("**/*.so*") if "chromium" not in path.parts})
    starter = CACHE / "chromium.new"
    starter.write_text(
        "#!/bin/sh\n"
        f'export LD_LIBRARY_PATH="{":".join(libraries)}" FONTCONFIG_FILE="{root}/fonts.conf"\n'
        f'exec "{root}/usr/lib/chromium/chromium" --no-sandbox "$@"\n'
    )
    starter.chmod(0o755)
    starter.replace(CACHE / "chromium")
