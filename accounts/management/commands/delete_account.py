from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from accounts.deletion import delete_account
from generation.access.usernames import user_named
from generation.core.actors import SYSTEM
from generation.core.commands import StrictCommand
from generation.core.text import fold
from generation.jobs.owner_deletion import owner_totals

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TELL_SECONDS = 5.0


class Command(StrictCommand):
    help = (
        "Delete an account with its jobs, images, videos, references, projects, tokens and files, for good. "
        "The user is signed out at once; a run that was stopped half-way is taken up by the next one."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--yes", action="store_true", help="do not ask first")

    def handle(self, *args: Any, username: str, yes: bool, **options: Any) -> None:
        user = user_named(username)
        if user is None:
            raise CommandError(f"There is no user “{username}”.")
        self._tell(user)
        username = user.get_username()
        if not yes and not _agreed(username):
            raise CommandError("Nothing was deleted.")
        told = time.monotonic()
        for _ in delete_account(user, actor=SYSTEM):
            if time.monotonic() > told + TELL_SECONDS:
                self._tell(user)
                told = time.monotonic()
        self.stdout.write(f"“{username}” is deleted.")

    def _tell(self, user: User) -> None:
        held = ", ".join(f"{number:,} {what}" for what, number in asdict(owner_totals(user.pk)).items())
        self.stdout.write(f"“{user.get_username()}” has {held}.")
        self.stdout.flush()


def _agreed(username: str) -> bool:
    try:
        return fold(input("Type the user name to delete all of it for good: ")) == fold(username)
    except EOFError:
        return False
