"""The data folder holds prompts, sessions and pictures: other accounts on the machine stay outside."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ourvidz.settings import kept_key
from tests.factories import make_reference, make_user

pytestmark = pytest.mark.any_database

FOLDERS = ("accounts", "bench", "generation", "library", "ourvidz", "script", "tests", "worker", "workspace")
REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "maker", [["-c", "import ourvidz.settings"], [str(REPO / "script" / "supervise.py"), "--check"]]
)
def test_whoever_makes_the_data_folder_keeps_it_private(maker: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), "PORT": "0"}
    subprocess.run([sys.executable, *maker], cwd=REPO, env=environment, check=True, umask=0o022)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "starter", [["-c", "import ourvidz.settings"], [str(REPO / "script" / "supervise.py"), "--check"]]
)
def test_an_open_data_folder_is_put_right_with_a_line(starter: list[str], tmp_path: Path) -> None:
    """As an earlier release, a restored backup or an unpacked archive leaves it."""
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    (data / "media" / "job").mkdir(parents=True)
    opened = [data, data / "logs", data / "media"]
    for name in ("secret_key", "logs/web.log", "logs/web.log.1", "server.lock"):
        opened.append(data / name)
        opened[-1].touch()
    if starter[0] == "-c":
        opened += [data / "db.sqlite3", data / "db.sqlite3-wal"]
        opened[-2].touch()
        opened[-1].touch()
    for path in opened:
        path.chmod(0o777 if path.is_dir() else 0o666)
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), "PORT": "0"}
    done = subprocess.run(
        [sys.executable, *starter], cwd=REPO, env=environment, check=True, capture_output=True, text=True
    )
    assert [path for path in opened if path.stat().st_mode & 0o077] == []
    assert f"OurVidz: {data} was open to other accounts (777); now it is not (700)\n" in done.stderr
    assert done.stderr.count("\n") == len(opened)
    assert (data / "media" / "job").stat().st_mode & 0o077, "the media are not walked"


@pytest.mark.parametrize(
    "name", ["my #1 data", "my #2 data", "who?", "100%41", 'it\'s "it"', "ü 東", "a;b&c=d"]
)
def test_the_database_lies_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    """Pitfall 44: all that begin with `my ` shared one file beside them, which others could read."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / name)}
    command = [sys.executable, "manage.py", "showmigrations", "sessions"]
    subprocess.run(command, cwd=REPO, env=environment, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert stat.S_IMODE((tmp_path / name / "db.sqlite3").stat().st_mode) == 0o600


def test_nothing_pastes_a_path_into_a_url() -> None:
    """Pitfall 44"""
    pasted = re.compile(r"""(?:sqlite|file|unix):/*\{""")
    sources = [path for folder in FOLDERS for path in (REPO / folder).rglob("*") if path.is_file()]
    texts = {path: path.read_text(errors="replace") for path in sources if path.suffix in {"", ".py"}}
    found = {str(path.relative_to(REPO)) for path, text in texts.items() if pasted.search(text)}
    assert found == {"tests/databases.py"}


REFUSED = """
import os, sys
from pathlib import Path
from ourvidz.private_files import NotPrivate, make_private
if not os.geteuid():
    os.setuid(65534)
try:
    make_private([Path(sys.argv[1])])
except NotPrivate as error:
    print(error)
"""


def test_rights_that_cannot_be_taken_refuse_the_start() -> None:
    """A folder of somebody else's: of this test's for another account, or of the system's for this one."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        folder = "/usr" if os.geteuid() else made
        command = [sys.executable, "-c", REFUSED, folder]
        done = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True)
    assert f"{folder} is open to other accounts (755) and that cannot be changed" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.django_db
def test_stored_files_are_private_whatever_the_umask() -> None:
    before = os.umask(0)
    try:
        reference = make_reference(make_user())
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(reference.file.path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(reference.thumbnail.path).stat().st_mode) == 0o600


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
