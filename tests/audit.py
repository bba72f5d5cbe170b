"""Asks advisory sources about every locked version; `script/test` starts it.

Fails for a known vulnerability. Where no source answers, it says that the audit was left out: a test must run
without a network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
PROBE_S = 20  # for one package: whether anybody answers
AUDIT_S = 180
LEFT_OUT = "left out: no advisory source answered"


def main() -> int:
    found = [audited(name, audit) for name, audit in (("Python", audit_python), ("JavaScript", audit_npm))]
    return 1 if any(found) else 0


def audited(name: str, audit: Callable[[], list[str] | None]) -> bool:
    """Whether there are vulnerabilities; says which, or that nobody could tell."""
    vulnerabilities = audit()
    print(
        f"{name}: {LEFT_OUT if vulnerabilities is None else f'{len(vulnerabilities)} known vulnerabilities'}"
    )
    for line in vulnerabilities or []:
        print(f"  {line}")
    return bool(vulnerabilities)


def audit_python() -> list[str] | None:
    """Of requirements-dev.txt, which holds requirements.txt; None when nobody answers."""
    locked = (REPO / "requirements-dev.txt").read_text()
    django = locked[locked.index("\ndjango==") :].split("\n# ", 1)[0].split("\n    # via", 1)[0]
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text(django + "\n")
        if pip_audit(probe, PROBE_S) is None:
            return None
    return pip_audit(REPO / "requirements-dev.txt", AUDIT_S)


def pip_audit(requirements: Path, seconds: int) -> list[str] | None:
    words = (
        "--requirement",
        str(requirements),
        "--disable-pip",
        "--no-deps",
        "--format",
        "json",
        "--timeout",
        "5",
    )
    answer = json_of([sys.executable, "-m", "pip_audit", "--progress-spinner", "off", *words], seconds)
    return None if answer is None else python_findings(answer)


def python_findings(answer: dict[str, Any]) -> list[str] | None:
    """None when the source knew none of the packages: then it is none."""
    known = [each for each in answer["dependencies"] if "skip_reason" not in each]
    if not known:
        return None
    return [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions'])}"
        for each in known
        for found in each["vulns"]
    ]


def audit_npm() -> list[str] | None:
    """Of package-lock.json; None when the registry gives no advisories."""
    answer = json_of([str(REPO / "script" / "js"), "npm", "audit", "--json"], PROBE_S)
    return None if answer is None else npm_findings(answer)


def npm_findings(answer: dict[str, Any]) -> list[str] | None:
    if "vulnerabilities" not in answer:
        return None
    return [f"{name}: {found['severity']}" for name, found in answer["vulnerabilities"].items()]


def json_of(command: list[str], seconds: int) -> dict[str, Any] | None:
    """The JSON that a command prints, whatever its status; None without any in time."""
    try:
        done = subprocess.run(
            command,
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return dict(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError, OSError):
        return None


if __name__ == "__main__":
    sys.exit(main())
