"""Filling the tables by set-based SQL as the domain functions would, every constraint kept.

Of 2,001 owners one holds half of the jobs, the others share the rest evenly. Job types alternate; an SDXL job
has six images. Indexes and foreign keys are dropped while the rows go in, then made (and so checked) again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from generation.catalog.job_types import JOB_TYPES
from generation.changes import library_hours
from generation.changes.library_totals import counted
from generation.models import Asset, Attempt, Job, OwnerCounter, Project, Worker

OWNERS = 2001
WORKERS = 16
FILLED: tuple[type[models.Model], ...] = (Job, Asset, Attempt)
DAY_MS = 24 * 3600 * 1000
# Sorts before what is submitted later, as a UUIDv7 of that moment would.
ID = "(lpad(to_hex(r.born_ms), 12, '0') || '70008000' || lpad(to_hex({tail}), 12, '0'))::uuid"
BORN = "to_timestamp(r.born_ms / 1000.0)"

JOB = {
    "id": "r.job_id",
    "owner_id": "r.owner_id",
    "project_id": "r.project_id",
    "created_at": BORN,
    "job_type": "r.job_type",
    "engine": "r.engine",
    "media": "r.media",
    "prompt": "'a lighthouse above the sea, number ' || r.i",
    "quantity": "r.quantity",
    "aspect": "r.aspect",
    "width": "r.width",
    "height": "r.height",
    "parameters": "r.parameters",
    "pool": "r.job_type",
    "attempts_left": "3",
    "revision": "r.i * 10",
}
QUEUED_JOB = JOB | {
    "fair_tag": "sum(r.cost) OVER own - first_value(r.cost) OVER own",
    "status": "'queued'",
}
FINISHED_JOB = JOB | {
    "status": "'completed'",
    "fair_tag": "r.i",
    "lease_token": ID.format(tail="99"),
    "leased_by_id": "(SELECT id FROM generation_worker ORDER BY name LIMIT 1)",
    "attempt": "1",
    "attempts_left": "2",
    "started_at": BORN,
    "finished_at": BORN,
    "cleared_at": f"CASE WHEN r.i %% 10 > 0 THEN {BORN} END",
}
FINISHED_ATTEMPT = {
    "job_id": "r.job_id",
    "number": "1",
    "worker_id": "(SELECT id FROM generation_worker ORDER BY name LIMIT 1)",
    "lease_token": ID.format(tail="99"),
    "leased_at": BORN,
    "ended_at": BORN,
    "outcome": "'reported'",
    "accepted": "r.quantity",
}
ASSET = {
    "id": ID.format(tail="s.slot + 1"),
    "job_id": "r.job_id",
    "owner_id": "r.owner_id",
    "project_id": "r.project_id",
    "prompt": JOB["prompt"],
    "search_text": JOB["prompt"],
    "created_at": BORN,
    "media": "r.media",
    "image_index": "CASE WHEN r.engine = 'sdxl' THEN s.slot END",
    "seed": "r.i + s.slot",
    "revision": "r.i * 10 + s.slot + 1",
}
DELIVERED = {
    "status": "'completed'",
    "file": "r.job_id || '/' || s.slot || '.png'",
    "thumbnail": "r.job_id || '/' || s.slot || '.thumb.webp'",
    "content_type": "CASE WHEN r.media = 'video' THEN 'video/mp4' ELSE 'image/png' END",
    "duration": "CASE WHEN r.media = 'video' THEN 5.06 END",
    "frames": "CASE WHEN r.media = 'video' THEN 81 END",
    "sha256": "md5(r.i::text) || md5(s.slot::text)",
    "byte_size": "1500000",
    "width": "r.width",
    "height": "r.height",
    "completed_at": BORN,
    "saved_at": BORN,
}
SLOTS = "bench_row r CROSS JOIN LATERAL generate_series(0, r.quantity - 1) AS s (slot)"


def people() -> None:
    """The owners, each with a project and a counter, and the workers."""
    with connection.cursor() as cursor:
        source = f"generate_series(1, {OWNERS}) AS n"
        insert(cursor, User, source, username="'owner' || n", password="'!'")
        number = ID.format(tail="r.id").replace("r.born_ms", "1700000000000")
        names = {"name": "'General'", "folded_name": "'general'"}
        insert(cursor, Project, "auth_user r", id=number, owner_id="r.id", is_default="true", **names)
        insert(cursor, OwnerCounter, "auth_user r", owner_id="r.id", revision="20000000")
    for n in range(WORKERS):
        Worker.objects.create(name=f"worker{n:02}", engines=["sdxl", "wan"])


def queued(jobs: int) -> None:
    """`jobs` waiting jobs with their assets, their fair tags as submission decides them."""
    rows = "bench_row r WINDOW own AS (PARTITION BY r.owner_id, r.engine ORDER BY r.i)"
    with _rows(jobs, age_ms=DAY_MS, shift=0) as cursor:
        insert(cursor, Job, rows, **QUEUED_JOB)
        insert(cursor, Asset, SLOTS, **ASSET)


def finished(jobs: int) -> None:
    """`jobs` completed jobs with their assets in the Library and an attempt each."""
    with _rows(jobs, age_ms=30 * DAY_MS, shift=1) as cursor:
        insert(cursor, Job, "bench_row r", **FINISHED_JOB)
        insert(cursor, Attempt, "bench_row r", **FINISHED_ATTEMPT)
        insert(cursor, Asset, SLOTS, **(ASSET | DELIVERED))
    OwnerCounter.objects.update(**counted())
    library_hours.recount_all()


def insert(cursor: CursorWrapper, model: type[models.Model], source: str, /, **values: str) -> None:
    """INSERT … SELECT `values` (SQL by column) from `source`; other columns take the field's default."""
    columns: list[str] = []
    expressions: list[str] = []
    defaults: list[Any] = []
    for field in model._meta.concrete_fields:
        assert field.column
        if isinstance(field, models.AutoField) and field.column not in values:
            continue
        columns.append(field.column)
        expressions.append(values.get(field.column, "%s"))
        if field.column not in values:
            defaults.append(_default(field))
    into = f"INSERT INTO {model._meta.db_table} ({', '.join(columns)})"
    cursor.execute(f"{into} SELECT {', '.join(expressions)} FROM {source}", defaults)


def _default(field: models.Field[Any, Any]) -> object:
    if getattr(field, "auto_now_add", False) or field.column == "date_joined":
        return field.pre_save(field.model(), add=True)
    return field.get_db_prep_save(field.get_default(), connection)


@contextlib.contextmanager
def _rows(jobs: int, *, age_ms: int, shift: int) -> Iterator[CursorWrapper]:
    """`bench_row`: one row a job with its owner and job type; the tables are whole again at the end.

    `shift` gives the half of the jobs to another owner.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '256MB'; SET work_mem = '128MB'")
        _job_types(cursor)
        given = {"age_ms": age_ms, "shift": shift, "jobs": jobs}
        cursor.execute(f"CREATE TEMP TABLE bench_row AS {ROWS}", given)
        with without_indexes(cursor, FILLED):
            yield cursor
        cursor.execute("DROP TABLE bench_row")
        for model in FILLED:
            cursor.execute(f"VACUUM (ANALYZE) {model._meta.db_table}")
        cursor.execute("CHECKPOINT")


ROWS = f"""
    SELECT r.*, {ID.format(tail="0")} AS job_id
    FROM (
        SELECT n.i, owner.owner_id, owner.project_id, t.*,
               (extract(epoch FROM now()) * 1000)::bigint - %(age_ms)s + n.i AS born_ms
        FROM (
            SELECT i, i / 2 AS pair, CASE WHEN i %% 2 = 0 THEN 0 ELSE 1 + (i / 2) %% {OWNERS - 1} END AS owner
            FROM generate_series(0, %(jobs)s - 1) AS i
        ) n
        JOIN (
            SELECT row_number() OVER (ORDER BY owner_id) - 1 AS number, owner_id, id AS project_id
            FROM generation_project
        ) owner ON owner.number = (n.owner + %(shift)s) %% {OWNERS}
        JOIN bench_job_type t
            ON t.number = CASE WHEN n.owner = 0 THEN n.pair ELSE n.owner + n.pair / {OWNERS - 1} END
                %% {len(JOB_TYPES)}
    ) r
"""


def _job_types(cursor: CursorWrapper) -> None:
    cursor.execute("DROP TABLE IF EXISTS bench_job_type")
    cursor.execute(
        "CREATE TEMP TABLE bench_job_type (number int, job_type text, engine text, media text, quantity int,"
        " cost int, aspect text, width int, height int, parameters jsonb)"
    )
    for number, job_type in enumerate(JOB_TYPES.values()):
        quantity, aspect = max(job_type.quantities), job_type.default_aspect
        row: list[Any] = [number, job_type.name, str(job_type.engine), job_type.media.value, quantity]
        row += [job_type.estimate(quantity), aspect, *job_type.sizes[aspect]]
        row += [Jsonb(dict(job_type.parameters(aspect)))]
        cursor.execute(f"INSERT INTO bench_job_type VALUES ({', '.join(['%s'] * len(row))})", row)


@contextlib.contextmanager
def without_indexes(cursor: CursorWrapper, filled: Iterable[type[models.Model]]) -> Iterator[None]:
    """Plain indexes and foreign keys of the filled tables gone; made again, and so checked, at the end."""
    tables = [model._meta.db_table for model in filled]
    keys = _fetch(
        cursor,
        "SELECT conname, conrelid::regclass::text || '|' || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s)",
        tables,
    )
    indexes = _fetch(
        cursor,
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE NOT indisunique AND indrelid::regclass::text = ANY(%s)",
        tables,
    )
    for name, definition in keys.items():
        cursor.execute(f'ALTER TABLE {definition.partition("|")[0]} DROP CONSTRAINT "{name}"')
    for name in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for definition in indexes.values():
        cursor.execute(definition)
    for name, definition in keys.items():
        table, _, foreign_key = definition.partition("|")
        cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {foreign_key}')


def _fetch(cursor: CursorWrapper, query: str, tables: list[str]) -> Mapping[str, str]:
    cursor.execute(query, [tables])
    return dict(cursor.fetchall())
