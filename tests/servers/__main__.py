"""`python -m tests.servers --postgres --redis --chromium -- COMMAND …` runs it among throw-away servers."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys

from tests.servers.chromium import ensure_chromium
from tests.servers.postgres import temporary_postgres
from tests.servers.valkey import temporary_redis


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__, allow_abbrev=False)
    for name in ("postgres", "redis", "chromium"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    with contextlib.ExitStack() as servers:
        environment = dict(os.environ)
        if given.postgres:
            environment["DATABASE_URL"] = servers.enter_context(temporary_postgres())
        if given.redis:
            environment["REDIS_URL"] = servers.enter_context(temporary_redis())
        if given.chromium:
            environment |= ensure_chromium()
        return subprocess.run(given.command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
