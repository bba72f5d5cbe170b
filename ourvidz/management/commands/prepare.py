from __future__ import annotations

import json
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import connection

from accounts.first_account import ensure_owner, needs_link
from accounts.sign_in_links import sign_in_path
from generation.access.tokens import issue_worker_token
from generation.catalog.job_types import Engine
from generation.core.actors import SYSTEM
from generation.core.commands import StrictCommand
from generation.models import Worker
from ourvidz.database_copy import state


class Command(StrictCommand):
    help = (
        "Migrate, make the first account; the last line is JSON: a sign-in link while nobody has a password, "
        "and workers' tokens."
    )

    # Checked by script/test; each start would pay for it.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workers", type=int, default=1, help="How many bundled workers get a token.")

    def handle(self, *args: Any, workers: int, **options: Any) -> None:
        state.require_whole(connection)
        call_command("migrate", verbosity=0, skip_checks=True)
        owner = ensure_owner()
        bundled = [_bundled_worker(number + 1) for number in range(workers)]
        answer = {
            "sign_in_path": sign_in_path(owner) if needs_link() else "",
            "worker_tokens": [issue_worker_token(worker=worker, actor=SYSTEM) for worker in bundled],
            "disabled_workers": [number for number, worker in enumerate(bundled, 1) if not worker.enabled],
        }
        self.stdout.write(json.dumps(answer))


def _bundled_worker(number: int) -> Worker:
    worker, _ = Worker.objects.get_or_create(
        name=f"bundled-{number}", defaults={"engines": list(Engine.values)}
    )
    return worker
