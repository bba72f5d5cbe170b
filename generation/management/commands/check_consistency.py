from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from django.core.management.base import CommandParser

from generation.core import isolation
from generation.core.commands import StrictCommand
from generation.maintenance.consistency import FILES, ROWS, Check

SHOWN_IDS = 20


def _fix(fix: Callable[[Any], None], row: Any) -> int:
    fix(row)
    return 1


class Command(StrictCommand):
    help = (
        "Find inconsistencies: rows that disagree, rows without files, files without rows. "
        "Prints each kind with its number and ids, and changes nothing without --fix. "
        "Exits with 1 while anything is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="Fix rows whose right state is provable.")
        parser.add_argument(
            "--skip-files", action="store_true", help="Compare rows alone; looking at each file takes long."
        )

    def handle(self, *args: Any, fix: bool, skip_files: bool, **options: Any) -> None:
        checks = ROWS if skip_files else (*ROWS, *FILES)
        if sum([self._run(check, fix=fix) for check in checks]):
            sys.exit(1)

    def _run(self, check: Check, *, fix: bool) -> int:
        """Print what the check finds; returns how much is left."""
        found = list(check.find())
        self.stdout.write(f"{check.name}: {len(found)}" + (f" ({check.title})" if found else ""))
        for row in islice(found, SHOWN_IDS):
            self.stdout.write(f"  {row}")
        if len(found) > SHOWN_IDS:
            self.stdout.write(f"  and {len(found) - SHOWN_IDS} more")
        if not (found and fix):
            return len(found)
        if check.fix is None:
            self.stdout.write("  not fixed: the right state does not follow from the rows")
            return len(found)
        isolation.each(found, partial(_fix, check.fix))
        left = len(list(check.find()))
        self.stdout.write(f"  fixed {len(found) - left}, left {left}")
        return left
