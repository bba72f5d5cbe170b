from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import connection

from accounts.first_account import ensure_owner, needs_link
from accounts.sign_in_links import sign_in_path
from generation.access.tokens import issue_worker_token, worker_of
from generation.catalog.job_types import Engine
from generation.core.actors import SYSTEM
from generation.core.commands import StrictCommand
from generation.models import Worker
from ourvidz.checks import signing_key_is_private
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
        for warning in signing_key_is_private():
            self.stdout.write(f"{warning.msg} {warning.hint}")
        call_command("migrate", verbosity=0, skip_checks=True)
        owner = ensure_owner()
        bundled = [_bundled_worker(number + 1) for number in range(workers)]
        answer = {
            "sign_in_path": sign_in_path(owner) if needs_link() else "",
            "worker_tokens": bundled_tokens(bundled, settings.DATA_DIR / "bundled_workers.json"),
            "disabled_workers": [number for number, worker in enumerate(bundled, 1) if not worker.enabled],
        }
        self.stdout.write(json.dumps(answer))


def bundled_tokens(workers: Sequence[Worker], kept: Path) -> list[str]:
    """A live token of each worker: from the last start if possible, else a new one.

    A worker whose token stays finds in its spool what the one before it was making when it was killed.
    """
    before = _read(kept)
    tokens = [_live_token(worker, before.get(worker.name, "")) for worker in workers]
    after = before | {worker.name: token for worker, token in zip(workers, tokens, strict=True)}
    if after != before:
        # Else what was there before would keep its rights.
        written = kept.with_suffix(".part")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(after, file)
        written.replace(kept)
    return tokens


def _read(kept: Path) -> dict[str, str]:
    """By worker; {} where there is none, or one that a power cut left."""
    try:
        found = json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(token) for name, token in found.items()} if isinstance(found, dict) else {}


def _live_token(worker: Worker, token: str) -> str:
    is_live = bool(token) and worker_of(token) == worker
    return token if is_live else issue_worker_token(worker=worker, actor=SYSTEM)


def _bundled_worker(number: int) -> Worker:
    """It draws sketches: a fallback, so that it makes nothing in the place of a machine with a GPU."""
    worker, _ = Worker.objects.get_or_create(
        name=f"bundled-{number}", defaults={"engines": list(Engine.values), "fallback": True}
    )
    return worker
