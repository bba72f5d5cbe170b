"""The checks of static/js: what they install, and that they bite."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PLANTED = {
    "tsc": {
        "property.js": 'export const it = document.body;\nit.colour = "red";\n',
        "null.js": 'export const it = document.querySelector("a").href;\n',
        "parameter.js": "export const twice = (number) => 2 * number;\n",
        "message.js": "/** @param {Change} change */\nexport const at = ({ when }) => when;\n",
    },
    "biome ci static/js": {
        "comparison.js": "export const isSame = Number() == 2;\n",
        "debugger.js": "debugger;\n",
        "style.js": "export const name = 'x'\n",
    },
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the tools read, and the tools as they are installed here."""
    environment = {**os.environ, "VENV": sys.prefix}
    subprocess.run([REPO / "script" / "js", "--install"], env=environment, check=True)
    for name in ("script/js", "package.json", "package-lock.json", ".npmrc", "tsconfig.json", "biome.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(REPO / name, tmp_path / name)
    shutil.copytree(REPO / "static", tmp_path / "static")
    (tmp_path / "node_modules").symlink_to(REPO / "node_modules")
    return tmp_path


@pytest.mark.parametrize("tool", PLANTED)
def test_each_planted_error_is_caught(checkout: Path, tool: str) -> None:
    for name, text in PLANTED[tool].items():
        (checkout / "static" / "js" / name).write_text(text)
    environment = {**os.environ, "VENV": sys.prefix}
    command = [str(checkout / "script" / "js"), *tool.split()]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert [name for name in PLANTED[tool] if f"static/js/{name}" not in output] == []


def test_the_lock_file_names_hashes_and_no_registry() -> None:
    packages = json.loads((REPO / "package-lock.json").read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert installed
    for name, package in installed.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
