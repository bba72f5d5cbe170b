from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from generation.assets.embeddings import model, work
from generation.assets.embeddings.model import Busy, NoEmbeddings
from generation.core.commands import StrictCommand
from generation.models import Embedding

DONE = {
    "enable": "Results are embedded from now on, as soon as a worker embeds: docs/operations.md.",
    "disable": "There are no embeddings any more.",
}


class Command(StrictCommand):
    help = "Find results by content: similar ones, and by what they show. Needs PostgreSQL with pgvector."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action",
            choices=["enable", "disable", "retry", "status"],
            help="enable: embed all results; disable: delete every vector, also to take another model; retry:"
            " what embedders gave up",
        )

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            if action == "enable":
                model.enable()
            elif action == "disable":
                model.disable()
            elif action == "retry":
                self.stdout.write(f"{work.retry():,} are asked for again.")
        except (Busy, NoEmbeddings) as refused:
            raise CommandError(refused.message) from None
        self.stdout.write(DONE.get(action) or _status())


def _status() -> str:
    found = model.current()
    if found is None:
        return "There are no embeddings."
    missing = Embedding.objects.filter(vector=None)
    made, given_up = Embedding.objects.exclude(vector=None).count(), missing.filter(work.GIVEN_UP).count()
    counts = f"{made:,} made, {missing.count() - given_up:,} not yet, {given_up:,} given up"
    older = ", and older results are still to be asked for" if found.below else ""
    return f"{found.name or 'No embedder has called yet'}: {counts}{older}."
