from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generation.lifecycle.lease import promote, reap

PAUSE_SECONDS = 5.0


class Command(BaseCommand):
    help = "Do the chores that the queue needs when no worker calls: end expired leases, promote delayed retries."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="One round instead of a loop.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        while True:
            done = {"reaped": reap(), "promoted": promote()}
            if once:
                self.stdout.write(str(done))
                return
            time.sleep(PAUSE_SECONDS)
