from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.utils import Error

from generation.core.commands import StrictCommand
from ourvidz.database_copy.move import move

GO_ON = "What was copied stays; the same command goes on from there."


class Command(StrictCommand):
    help = (
        "Copy every table of the database in use to an empty one, for example from SQLite to PostgreSQL, and "
        "compare each row. Stop the web processes and the chores first. Files are not touched. The same "
        "command goes on with a run that was stopped or killed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--database-url",
            required=True,
            help="the target: postgres://user:password@host/name, or sqlite:////path; the password may be in "
            "PGPASSWORD instead",
        )
        parser.add_argument(
            "--start-over", action="store_true", help="empty a half-done copy of this command, and copy again"
        )

    def handle(self, *args: Any, database_url: str, start_over: bool, **options: Any) -> None:
        try:
            move(database_url, start_over=start_over, say=self._say)
        except Error as error:
            raise CommandError(f"A database failed: {str(error).strip()}. {GO_ON}") from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {GO_ON}") from None
        self._say("All rows are there. Set DATABASE_URL to the target; keep the old one until you are sure.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
