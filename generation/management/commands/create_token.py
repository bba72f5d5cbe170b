from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from generation.access.tokens import TooManyTokens, issue_personal_token
from generation.access.usernames import user_named
from generation.core.actors import SYSTEM
from generation.core.commands import StrictCommand
from generation.core.text import plain_name
from generation.models import Scope


class Command(StrictCommand):
    help = "Print a personal API token. It is shown this once; only its SHA-256 is kept."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("user", help="who the token acts for")
        parser.add_argument("--name", default="script", help="what the token is for (default: script)")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="what it may do; may be given several times (default: all)",
        )
        parser.add_argument(
            "--days", type=int, help=f"how long it lives, at most TOKEN_DAYS (default: {settings.TOKEN_DAYS})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        try:
            name = plain_name(options["name"], "--name")
        except ValueError as refused:
            raise CommandError(str(refused)) from None
        if days is not None and not 1 <= days <= settings.TOKEN_DAYS:
            raise CommandError(f"--days is 1 to {settings.TOKEN_DAYS}.")
        owner = user_named(options["user"])
        if owner is None or not owner.is_active:
            raise CommandError(f"There is no active user “{options['user']}”.")
        scopes = options["scope"] or Scope.values
        try:
            raw = issue_personal_token(owner_id=owner.pk, actor=SYSTEM, name=name, scopes=scopes, days=days)
        except TooManyTokens as too_many:
            raise CommandError(too_many.message) from None
        self.stdout.write(raw)
