"""The command line: a throw-away PostgreSQL, Django on it, the benchmarks that were named."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import django

from tests.servers import temporary_postgres
from tests.servers.process import ServerDidNotStartError

SIZES = (0, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (0, 400)
NAMES = ("queue", "legacy", "overhead", "live", "siege", "estimates", "pages", "library", "marking")
# They have a server with a database of its own, or need none.
OWN_DATABASE = {"overhead", "live", "siege", "pages", "library", "marking"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    sizes: tuple[int, ...]
    quick: bool
    explain: bool
    attacks: Sequence[str] = ()
    seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="+", choices=NAMES)
    parser.add_argument("--sizes", help=f"backlogs, by commas; {','.join(map(str, SIZES))}")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument(
        "--explain", action="store_true", help="print the plan of the claim at the largest size"
    )
    parser.add_argument("--attacks", default="", help="of the siege, by commas; all of them")
    parser.add_argument("--seconds", type=float, default=0, help="that each attack of the siege takes; 15")
    given = parser.parse_args()
    sizes: tuple[int, ...] = QUICK_SIZES if given.quick else SIZES
    if given.sizes:
        sizes = tuple(sorted({0, *map(int, given.sizes.split(","))}))
    options = Options(
        sizes=sizes,
        quick=given.quick,
        explain=given.explain,
        attacks=[name for name in given.attacks.split(",") if name],
        seconds=given.seconds,
    )
    try:
        with temporary_postgres() as url, tempfile.TemporaryDirectory(prefix="ourvidz-bench-") as data:
            set_up(url, Path(data))
            if set(given.names) - OWN_DATABASE:
                prepare_base()
            for name in given.names:
                importlib.import_module(f"bench.{name}").run(options)
    except ServerDidNotStartError as error:
        sys.stderr.write(f"script/bench: set-up failed: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def set_up(url: str, data: Path) -> None:
    """Django on the server at `url`; logs are written as always, to nowhere."""
    for name in ("REDIS_URL", "DEBUG", "LOG_LEVEL"):
        os.environ.pop(name, None)
    os.environ |= {
        "DATABASE_URL": url,
        "DATA_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "ourvidz.settings",
        "SECRET_KEY": "only for a database that lives for minutes",
        "LEASE_SECONDS": "3600",  # nothing expires while it is measured
        "MAX_ACTIVE_JOBS": "1000",  # at a million jobs an ordinary owner has 250
    }
    django.setup()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(Path(os.devnull).open("w"))  # noqa: SIM115 - open to the end


def prepare_base() -> None:
    """The database that the benchmarks copy theirs from. Its modules need Django set up."""
    databases, fill, hint_loop = (
        importlib.import_module(f"bench.{name}") for name in ("databases", "fill", "hint_loop")
    )
    hint_loop.serve()
    databases.migrate_base()
    fill.people()


if __name__ == "__main__":
    sys.exit(main())
