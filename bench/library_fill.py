"""Filling a Library: one owner's results among those of others, every table as the domain functions leave it.

A job has six images of one prompt; each tenth is of any job type, in another project. Words are as frequent
as in a language; some are planted: `light` in half of the prompts, `golden hour` in a thirtieth, `heliotrope`
in a few of all, and `winter` in the oldest third alone.
"""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models, transaction

from bench.fill import without_indexes
from generation.assets.search.match import stored, trait
from generation.assets.search.tokens import document
from generation.catalog.job_types import JOB_TYPES, JobType
from generation.changes import library_hours
from generation.changes.library_totals import counted
from generation.models import Asset, Job, OwnerCounter, Project, SearchEntry

OTHERS = 10  # owners, who have as much as a fifth of the owner's together
YEARS = timedelta(days=730)
RARE = 25  # results with the rare word
CHUNK = 20_000
BLOCK = 10_000  # results that are made in Python; more of them are copies


@dataclass(frozen=True, slots=True)
class Library:
    """Whose it is, with the project that has a tenth."""

    owner: User
    small_project: Project
    assets: int


Values = dict[str, Any]
Rows = tuple[Values, list[Values], list[Values]]


def fill(owner: User, assets: int) -> Library:
    """`assets` of the owner's, and a fifth of that of others'."""
    source = random.Random(assets)  # the same words each time
    others = [User.objects.create(username=f"other{n}", password="!") for n in range(OTHERS)]
    projects = {user.pk: _projects(user) for user in (owner, *others)}
    block = assets if connection.vendor == "sqlite" else min(assets, BLOCK)
    rows = _rows(owner, others, projects, block, source)
    with _unhindered():
        while chunk := list(islice(rows, CHUNK // 6)):
            _write(Job, [job for job, _, _ in chunk])
            _write(Asset, [asset for _, assets, _ in chunk for asset in assets])
            _write(SearchEntry, [entry for _, _, entries in chunk for entry in entries])
        if assets > block:
            _multiply(assets // block)
    OwnerCounter.objects.bulk_create([OwnerCounter(owner_id=pk, revision=10 * assets) for pk in projects])
    OwnerCounter.objects.update(**counted())
    library_hours.recount(owner.pk)
    _settle()
    return Library(owner, projects[owner.pk][1], assets)


def _projects(user: User) -> list[Project]:
    make = Project.objects.create
    names = ("General", "Sea")
    return [make(owner=user, name=n, folded_name=n.lower(), is_default=n == "General") for n in names]


def _rows(
    owner: User, others: list[User], projects: Mapping[int, list[Project]], assets: int, source: random.Random
) -> Iterator[Rows]:
    vocabulary = [_word(source) for _ in range(3000)]
    weights = [1 / (rank + 5) for rank in range(len(vocabulary))]
    types = list(JOB_TYPES.values())
    total, made, number = assets * 6 // 5, 0, 0
    while made < total:
        user = source.choice(others) if number % 6 == 5 else owner
        job_type = types[number % len(types)] if number % 10 == 0 else JOB_TYPES["sdxl_image_fast"]
        words = source.choices(vocabulary, weights, k=source.randint(8, 30))
        age = made / total
        words += (
            ["light"] * (number % 2) + ["golden", "hour"] * (number % 30 == 7) + ["winter"] * (age < 1 / 3)
        )
        words += ["heliotrope"] * (number % max(1, total // 6 // RARE * 6) == 3)
        moment = datetime.now(UTC) - YEARS * (1 - age)
        rows = _job(
            user, projects[user.pk][number % 10 == 0], job_type, " ".join(words), moment, number, source
        )
        yield rows
        made, number = made + len(rows[1]), number + 1


def _word(source: random.Random) -> str:
    return "".join(
        source.choice("bdfgklmnprstvz") + source.choice("aeiou") for _ in range(source.randint(2, 4))
    )


def _job(
    user: User,
    project: Project,
    job_type: JobType,
    prompt: str,
    moment: datetime,
    number: int,
    source: random.Random,
) -> Rows:
    quantity = max(job_type.quantities)
    job_id, ids = _id(moment, number, 0), [_id(moment, number, slot + 1) for slot in range(quantity)]
    aspect = source.choice(list(job_type.sizes))
    width, height = job_type.sizes[aspect]
    same = {"owner": user.pk, "project": project.pk, "media": str(job_type.media), "created_at": moment}
    same |= {"prompt": prompt, "width": width, "height": height, "status": "completed"}
    job = same | {
        **{"id": job_id, "job_type": job_type.name, "engine": str(job_type.engine), "quantity": quantity},
        **{
            "aspect": aspect,
            "parameters": {},
            "pool": job_type.name,
            "fair_tag": number,
            "cleared_at": moment,
        },
        **{"lease_token": job_id, "started_at": moment, "finished_at": moment, "revision": number},
    }
    if job_type.media == "video":
        same |= {"duration": 5.06, "frames": 81}
    same |= {
        "job": job_id,
        "search_text": prompt,
        "completed_at": moment,
        "saved_at": moment,
        "byte_size": 1_500_000,
    }
    same |= {"content_type": "video/mp4" if job_type.media == "video" else "image/png", "sha256": "0" * 64}
    shape = "square" if width == height else "landscape" if width > height else "portrait"
    words = document(["", prompt, "", ""])
    assets, entries = [], []
    for slot, asset_id in enumerate(ids):
        seed = source.randrange(2**32)
        assets.append(
            same
            | {
                **{"id": asset_id, "image_index": slot if job_type.engine == "sdxl" else None, "seed": seed},
                **{"file": f"{job_id}/{slot}.png", "thumbnail": f"{job_id}/{slot}.webp", "revision": number},
                **{"rating": source.choice([0] * 19 + [4]), "favourite": source.random() < 0.02},
            }
        )
        traits = [trait("type", job_type.name), trait("shape", shape), trait("seed", seed)]
        tokens = stored(user.pk, words, traits, connection.vendor)
        entries.append({"asset": asset_id, "tokens": tokens, "saved_at": moment})
    return job, assets, entries


def _id(moment: datetime, number: int, slot: int) -> uuid.UUID:
    """Sorts as a UUIDv7 of that moment would."""
    born = int(moment.timestamp() * 1000)
    return uuid.UUID(f"{born:012x}70008000{number:08x}{slot:04x}")


def _write(model: type[models.Model], rows: Iterable[Values]) -> None:
    """COPY where there is one; what is not named takes the field's default."""
    fields = [
        field for field in model._meta.concrete_fields if field.attname != "id" or model is not SearchEntry
    ]
    defaults = [field.get_default() for field in fields]
    columns = ", ".join(str(field.column) for field in fields)

    def prepared(row: Values) -> list[Any]:
        values = (row.get(f.name, default) for f, default in zip(fields, defaults, strict=True))
        return [f.get_db_prep_save(value, connection) for f, value in zip(fields, values, strict=True)]

    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            places = ", ".join(["%s"] * len(fields))
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({places})", list(map(prepared, rows))
            )
            return
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(prepared(row))


def _multiply(times: int) -> None:
    """Each row so many times in PostgreSQL: later by a part of the time until the next, else the same."""
    again = f"generate_series(1, {times - 1}) AS copy"
    ids = "(substr({0}::text, 1, 14) || '7' || lpad(to_hex(copy), 3, '0') || substr({0}::text, 19))::uuid"
    moments = ("created_at", "started_at", "finished_at", "cleared_at", "completed_at", "saved_at")
    later = f"{{}} + copy * interval '{YEARS.total_seconds() / (BLOCK / 6) / times:.3f} seconds'"
    own = {"id": ids.format("id"), "lease_token": ids.format("id"), "asset_id": ids.format("asset_id")}
    own |= {"job_id": ids.format("job_id"), **{name: later.format(name) for name in moments}}
    with connection.cursor() as cursor:
        for model in (Job, Asset, SearchEntry):
            table = model._meta.db_table
            numbered = model is SearchEntry  # by the database
            fields = [field for field in model._meta.concrete_fields if not (numbered and field.primary_key)]
            columns = [str(field.column) for field in fields]
            values = ", ".join(own.get(column, column) for column in columns)
            into = f"INSERT INTO {table} ({', '.join(columns)})"
            cursor.execute(f"{into} SELECT {values} FROM {table}, {again}")


@contextlib.contextmanager
def _unhindered() -> Iterator[None]:
    """Without indexes and foreign keys, which are made again at the end."""
    if connection.vendor == "sqlite":
        with transaction.atomic():
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        with without_indexes(cursor, (Job, Asset, SearchEntry)):
            yield


def _settle() -> None:
    """As PostgreSQL does by itself; nobody keeps statistics on SQLite (decision 57)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
