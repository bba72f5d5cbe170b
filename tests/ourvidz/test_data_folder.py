"""The data folder holds prompts, sessions and pictures: other accounts on the machine stay outside."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ourvidz.settings import kept_key

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "maker", [["-c", "import ourvidz.settings"], [str(REPO / "script" / "supervise.py"), "--check"]]
)
def test_whoever_makes_the_data_folder_keeps_it_private(maker: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), "PORT": "0"}
    subprocess.run([sys.executable, *maker], cwd=REPO, env=environment, check=True, umask=0o022)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_processes_that_start_at_once_agree_on_the_secret_key(tmp_path: Path) -> None:
    """Else the sign-in link that one of them prints is refused by the other. They race in threads here: a
    lock on an open file holds between those too.
    """
    for number in range(40):
        at_once = Barrier(4)

        def key(path: Path, at_once: Barrier = at_once) -> str:
            at_once.wait()
            return kept_key(path)

        path = tmp_path / str(number)
        with ThreadPoolExecutor(4) as pool:
            keys = set(pool.map(key, [path] * 4))
        assert keys == {path.read_text()}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
