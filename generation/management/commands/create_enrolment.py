from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError

from generation.access.enrolments import MAX_DAYS, MAX_TOKEN_HOURS, MAX_USES, create_enrolment
from generation.core.actors import SYSTEM
from generation.core.commands import StrictCommand
from generation.core.limits import NAME_LENGTH
from generation.core.text import plain_name
from generation.management.commands.create_worker import engines_of
from generation.models import Enrolment


class Command(StrictCommand):
    help = (
        "Print a token with which machines make themselves workers, each with a token of its own that ends. "
        "It is shown this once; only its SHA-256 is kept."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "name", help=f"its workers are called so, with a number; up to {NAME_LENGTH} characters"
        )
        parser.add_argument("--engines", type=engines_of, required=True, help="for example sdxl,wan")
        parser.add_argument("--uses", type=int, default=1, help="how many machines may enrol (1)")
        parser.add_argument("--days", type=int, default=7, help="for how long they may (7)")
        parser.add_argument(
            "--token-hours", type=int, default=24, help="how long a worker's token lives unless renewed (24)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = plain_name(options["name"], "An enrolment's name")
        except ValueError as refused:
            raise CommandError(str(refused)) from None
        for option, most in {"uses": MAX_USES, "days": MAX_DAYS, "token_hours": MAX_TOKEN_HOURS}.items():
            if not 1 <= options[option] <= most:
                raise CommandError(f"--{option.replace('_', '-')} is 1 to {most}.")
        if Enrolment.objects.filter(name=name).exists():
            raise CommandError(f"There is an enrolment “{name}” already; take another name.")
        raw = create_enrolment(
            actor=SYSTEM,
            name=name,
            engines=options["engines"],
            max_uses=options["uses"],
            days=options["days"],
            token_hours=options["token_hours"],
        )
        self.stdout.write(raw)
