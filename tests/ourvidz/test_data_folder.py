"""The data folder holds prompts, sessions and pictures: other accounts on the machine stay outside."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "maker", [["-c", "import ourvidz.settings"], [str(REPO / "script" / "supervise.py"), "--check"]]
)
def test_whoever_makes_the_data_folder_keeps_it_private(maker: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), "PORT": "0"}
    subprocess.run([sys.executable, *maker], cwd=REPO, env=environment, check=True, umask=0o022)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
