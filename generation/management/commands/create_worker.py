from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError

from generation.access.tokens import issue_worker_token
from generation.catalog.job_types import Engine
from generation.core.actors import SYSTEM
from generation.core.commands import StrictCommand
from generation.core.limits import NAME_LENGTH
from generation.core.text import plain_name
from generation.models import Worker

MAX_DAYS = 3650


def engines_of(text: str) -> list[str]:
    """`sdxl,wan` as a list; refuses others."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or any(name not in Engine.values for name in names):
        raise argparse.ArgumentTypeError(f"name one or more of {', '.join(Engine.values)}, by commas")
    return sorted(set(names))


class Command(StrictCommand):
    help = "Register a worker and print its token. It is shown this once; only its SHA-256 is kept."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help=f"a name of its own, up to {NAME_LENGTH} characters")
        parser.add_argument("--engines", type=engines_of, help="all that it may serve: for example sdxl,wan")
        parser.add_argument(
            "--embeds",
            action=argparse.BooleanOptionalAction,
            help="whether it may see every result's thumbnail, to embed it (default: not)",
        )
        parser.add_argument(
            "--replace-token",
            action="store_true",
            help="for a worker that exists: a new token beside its newest one; what --engines, --embeds or "
            "--no-embeds says replaces what it may do, and what is not said stays",
        )
        parser.add_argument(
            "--days", type=int, help="how long the token lives (default: until it is revoked)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = plain_name(options["name"], "A worker's name")
        except ValueError as refused:
            raise CommandError(str(refused)) from None
        if options["days"] is not None and not 1 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days is 1 to {MAX_DAYS}.")
        worker = Worker.objects.filter(name=name).first()
        if worker and not options["replace_token"]:
            raise CommandError(f"There is a worker “{name}” already; --replace-token gives it a new token.")
        named = {key: options[key] for key in ("engines", "embeds") if options[key] is not None}
        rights = {"engines": worker.engines, "embeds": worker.embeds} if worker else {}
        if not any((rights | named).values()):
            raise CommandError("Name the engines that it may serve, or --embeds, or both.")
        if worker:
            Worker.objects.filter(pk=worker.pk).update(**named)
        else:
            worker = Worker.objects.create(name=name, **named)
        self.stdout.write(issue_worker_token(worker=worker, actor=SYSTEM, days=options["days"]))
