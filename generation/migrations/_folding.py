"""Folds the text of old rows: the names of projects, and prompts for the search."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction

from generation.core.text import fold, search_key
from generation.migrations._asset_copy import Progress

CHUNK = 2000  # rows in one transaction: of the longest prompts 32 MB in memory
READ = "SELECT id, prompt FROM generation_asset WHERE search_text IS NULL {} ORDER BY id LIMIT %s"
UPDATE = (
    "UPDATE generation_asset SET search_text = given.column2 FROM (VALUES {}) AS given"
    " WHERE generation_asset.id = given.column1"
)
ROW = {"sqlite": "(%s, %s)", "postgresql": "(CAST(%s AS uuid), CAST(%s AS text))"}
# A name typed by a user has no such space, so that the way back finds the names that were numbered here.
NUMBERED = "{name}\xa0({number})"
WAS_NUMBERED = re.compile(r"(.+)\xa0\(\d+\)", re.DOTALL)


def fold_names(apps: Any, schema_editor: Any) -> None:
    """Fold each project's name. Where names of one owner fold to the same, the later ones are numbered."""
    projects = apps.get_model("generation", "Project").objects.using(schema_editor.connection.alias)
    for owned in _by_owner(projects):
        taken = {fold(project.name) for project in owned}
        seen: set[str] = set()
        for project in owned:
            if fold(project.name) in seen:
                project.name = _numbered(project.name, taken)
            project.folded_name = fold(project.name) or str(project.pk)  # invisible, from before
            seen.add(project.folded_name)
            taken.add(project.folded_name)
        projects.bulk_update(owned, ["name", "folded_name"], batch_size=200)


def give_names_back(apps: Any, schema_editor: Any) -> None:
    projects = apps.get_model("generation", "Project").objects.using(schema_editor.connection.alias)
    for owned in _by_owner(projects.filter(name__contains="\xa0(")):
        for project in owned:
            before = WAS_NUMBERED.fullmatch(project.name)
            if before and not projects.filter(owner_id=project.owner_id, name=before[1]).exists():
                projects.filter(pk=project.pk).update(name=before[1])


def _by_owner(projects: Any) -> Iterable[list[Any]]:
    for owner_id in list(projects.order_by().values_list("owner_id", flat=True).distinct()):
        yield list(projects.filter(owner_id=owner_id).order_by("-is_default", "created_at", "id"))


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while fold(NUMBERED.format(name=name, number=number)) in taken:
        number += 1
    numbered = NUMBERED.format(name=name, number=number)
    print(f"\n  A project “{name}” is “{numbered}” now: its owner has another of that name.", flush=True)
    return numbered


def fill_search_text(apps: Any, schema_editor: Any) -> None:
    """Fold what has no search text yet, in short transactions: where a run was stopped, the next one goes on."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM generation_asset WHERE search_text IS NULL")
        total = cursor.fetchone()[0]
    if not total:
        return
    print(f"\n  The prompts of {total:,} images and videos are folded for the search.", flush=True)
    progress = Progress(total)
    for rows in _chunks(connection):
        values = [value for pk, prompt in rows for value in (pk, search_key(prompt))]
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(UPDATE.format(", ".join([ROW[connection.vendor]] * len(rows))), values)
        progress.advance(len(rows))
    progress.say(f"{progress.done:,} rows are folded", "done")


def _chunks(connection: Any) -> Iterator[list[tuple[Any, str]]]:
    following: list[Any] = []
    while True:
        with connection.cursor() as cursor:
            cursor.execute(READ.format("AND id > %s" if following else ""), [*following, CHUNK])
            rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        following = [rows[-1][0]]
