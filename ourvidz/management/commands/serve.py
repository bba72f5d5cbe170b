from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection

from generation.core.commands import StrictCommand
from ourvidz.database_copy import state
from ourvidz.server import serve


class Command(StrictCommand):
    help = "Serve pages, REST, the worker protocol and sockets with daphne, until stopped."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        state.require_whole(connection)
        connection.close()
        if not serve(host=host, port=port):
            message = f"{host}:{port} cannot be listened on; is it in use?"
            raise CommandError(message)
