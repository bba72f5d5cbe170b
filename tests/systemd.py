"""What systemd says of a unit, where a machine has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

has_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")


def complaints(unit: Path, folder: Path, *, program: str, instance: str) -> str:
    """Of a copy in the folder whose program, which need not be there, is another one."""
    copy = folder / unit.name.replace("@", f"@{instance}")
    copy.write_text(unit.read_text().replace(program, "/bin/true"))
    command = ["systemd-analyze", "verify", str(copy)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()
