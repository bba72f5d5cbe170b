from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from accounts.sign_in_links import sign_in_path
from generation.access.usernames import user_named
from generation.core.commands import StrictCommand


class Command(StrictCommand):
    help = (
        f"Print a link that signs a user in once, within {settings.SIGN_IN_LINK_MINUTES} minutes: its path "
        "alone, unless HTTPS and ALLOWED_HOSTS say where the site is. It replaces an older one."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("user", help="whom it signs in")

    def handle(self, *args: Any, **options: Any) -> None:
        user = user_named(options["user"])
        if user is None or not user.is_active:
            raise CommandError(f"There is no active user “{options['user']}”.")
        self.stdout.write(f"{settings.SITE_ADDRESS}{sign_in_path(user)}")
