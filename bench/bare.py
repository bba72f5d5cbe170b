"""The floor: what the domain functions write, by hand, with psycopg's prepared statements.

Each function is one transaction with the same row changes as its namesake in the domain, found by the same
indexes. It leaves out what the domain does around that: reaping and promoting, choosing among pools, reading
the job's slots for the worker's answer, checks, log lines and hints.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import models
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from generation.core.ids import new_id
from generation.models import Asset, Job, Upload
from generation.queue.claim import pick
from generation.queue.fairness import ADVANCE

Row = Mapping[str, Any]
Template = tuple[Row, Sequence[Row]]

PROBE = """SELECT id, owner_id, attempt FROM generation_job
    WHERE pool = %s AND status = 'queued' AND retry_at IS NULL AND held_at IS NULL
    ORDER BY priority DESC, fair_tag, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
COUNT_UP = (
    "UPDATE generation_ownercounter SET revision = revision + %s WHERE owner_id = %s RETURNING revision"
)
TAKE = """UPDATE generation_job SET status = 'processing', lease_token = %s, leased_by_id = %s, revision = %s,
    lease_expires_at = now() + interval '1 hour', attempt = attempt + 1, attempts_left = attempts_left - 1,
    started_at = coalesce(started_at, now()), progress = 0, stage = '' WHERE id = %s"""
ATTEMPT = """INSERT INTO generation_attempt
    (job_id, number, worker_id, lease_token, leased_at, outcome, accepted, rejected, error_message)
    VALUES (%s, %s, %s, %s, now(), 'running', 0, 0, '')"""

ACTIVE = """SELECT count(*) FROM (SELECT FROM generation_job
    WHERE owner_id = %s AND status IN ('queued', 'processing') LIMIT 1000)"""
START_TAG = """SELECT greatest(
    (SELECT fair_tag + %s FROM generation_job WHERE owner_id = %s AND engine = 'sdxl' AND status = 'queued'
        ORDER BY fair_tag DESC LIMIT 1),
    (SELECT fair_tag FROM generation_job WHERE engine = 'sdxl' AND status = 'queued' AND held_at IS NULL
        ORDER BY fair_tag LIMIT 1), 0) AS fair_tag"""

HELD = "SELECT * FROM generation_job WHERE id = %s AND lease_token = %s FOR UPDATE"
OPEN_SLOTS = """(
    SELECT CAST(JSON_AGG(JSON_BUILD_ARRAY(id, image_index, seed)) AS TEXT)
    FROM generation_asset WHERE job_id = %s AND status = 'queued'
) AS open_slots_json"""
ASSETS = "SELECT * FROM generation_asset WHERE job_id = %s ORDER BY id FOR UPDATE"
UPLOADS = "SELECT * FROM generation_upload WHERE id = ANY(%s) FOR UPDATE"
FILL = """UPDATE generation_asset i SET status = 'completed', file = u.file, thumbnail = u.thumbnail,
    content_type = u.content_type, sha256 = u.sha256, byte_size = u.byte_size, width = u.width,
    height = u.height, metadata = '{}', completed_at = now(), saved_at = now(), revision = %s + u.slot
    FROM generation_upload u WHERE u.id = ANY(%s) AND i.job_id = %s AND i.image_index = u.slot"""
END = """UPDATE generation_job SET status = 'completed', lease_expires_at = NULL, finished_at = now(),
    metadata = '{}', revision = %s WHERE id = %s"""
END_ATTEMPT = """UPDATE generation_attempt SET ended_at = now(), outcome = 'reported', accepted = %s
    WHERE job_id = %s AND ended_at IS NULL"""
SPEED = """INSERT INTO generation_workerspeed (worker_id, job_type, model, seconds, samples)
    VALUES (%s, %s, '', 1, 1) ON CONFLICT (worker_id, job_type, model)
    DO UPDATE SET seconds = 1, samples = generation_workerspeed.samples + 1"""
ACCEPTED = "UPDATE generation_upload SET accepted_at = now() WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Lease:
    job_id: uuid.UUID
    owner_id: int
    token: uuid.UUID


class Bare:
    """The four operations on one connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.cursor = connection.cursor(row_factory=dict_row)
        self.connection = connection

    def one(self, query: str, *values: object) -> Row:
        row = self.cursor.execute(query, values).fetchone()
        assert row is not None, query
        return row

    def claim(self, worker_id: uuid.UUID, pool: str) -> Lease:
        """Lock the head, count up, hold the job, note the attempt: four statements."""
        token = uuid.uuid4()
        with self.connection.transaction():
            head = self.one(PROBE, pool)
            revision = self.one(COUNT_UP, 1, head["owner_id"])["revision"]
            self.cursor.execute(TAKE, (token, worker_id, revision, head["id"]))
            self.cursor.execute(ATTEMPT, (head["id"], head["attempt"] + 1, worker_id, token))
        return Lease(head["id"], head["owner_id"], token)

    def claim_in_full(self, worker_id: uuid.UUID, pools: Sequence[str]) -> Lease:
        """Every statement that `lease` sends, by hand: the best of the pools and the slots as well."""
        token = uuid.uuid4()
        with self.connection.transaction():
            head = self.one(pick(len(pools)), *pools, worker_id, worker_id)
            revision = self.one(COUNT_UP, 1, head["owner_id"])["revision"]
            job = self.one(
                f"{TAKE} RETURNING *, {OPEN_SLOTS}", token, worker_id, revision, head["id"], head["id"]
            )
            self.cursor.execute(ATTEMPT, (job["id"], job["attempt"], worker_id, token))
            if head["moves_clock"]:
                clocks = [value for pool in sorted(pools) for value in (pool, job["fair_tag"])]
                self.cursor.execute(ADVANCE.format(clocks=", ".join(["(%s, %s)"] * len(pools))), clocks)
        return Lease(job["id"], job["owner_id"], token)

    def template(self, job_id: uuid.UUID) -> Template:
        """A job's row with its images' rows, for `submit` to write again."""
        job = self.one("SELECT * FROM generation_job WHERE id = %s", job_id)
        return job, self.cursor.execute(ASSETS, (job_id,)).fetchall()

    def submit(self, owner_id: int, project_id: uuid.UUID, template: Template, cost: int) -> None:
        """Count up, count the active, probe the start tag, insert job and images: five statements."""
        job, images = template
        mine = {"owner_id": owner_id, "project_id": project_id}
        job_id = new_id()
        with self.connection.transaction():
            revision = self.one(COUNT_UP, 1 + len(images), owner_id)["revision"]
            self.one(ACTIVE, owner_id)
            tag = self.one(START_TAG, cost, owner_id)["fair_tag"]
            stamped = {"id": job_id, "fair_tag": tag, "revision": revision - len(images)}
            self._insert(Job, [{**job, **mine, **stamped}])
            rows = [
                {**image, **mine, "id": new_id(), "job_id": job_id, "revision": revision - n}
                for n, image in enumerate(images)
            ]
            self._insert(Asset, rows)

    def _insert(self, model: type[models.Model], rows: Sequence[Row]) -> None:
        columns = list(rows[0])
        one = f"({', '.join(['%s'] * len(columns))})"
        values = [Jsonb(v) if isinstance(v, dict) else v for row in rows for v in row.values()]
        into = f"{model._meta.db_table} ({', '.join(columns)})"
        self.cursor.execute(f"INSERT INTO {into} VALUES {', '.join([one] * len(rows))}", values)

    def report(self, lease: Lease, worker_id: uuid.UUID, uploads: Sequence[Upload]) -> None:
        """Lock job, images, uploads; count up; fill; end job and attempt; note speed: nine statements."""
        ids = [upload.pk for upload in uploads]
        with self.connection.transaction():
            job = self.one(HELD, lease.job_id, lease.token)
            images = self.cursor.execute(ASSETS, (lease.job_id,)).fetchall()
            self.cursor.execute(UPLOADS, (ids,)).fetchall()
            revision = self.one(COUNT_UP, len(images) + 1, lease.owner_id)["revision"]
            self.cursor.execute(FILL, (revision - len(images), ids, lease.job_id))
            self.cursor.execute(END, (revision, lease.job_id))
            self.cursor.execute(END_ATTEMPT, (len(ids), lease.job_id))
            self.cursor.execute(SPEED, (worker_id, job["job_type"]))
            self.cursor.execute(ACCEPTED, (ids,))

    def finish(self, lease: Lease, worker_id: uuid.UUID) -> None:
        """The end of a job whose images are filled: lock, count up, end, note the speed: six statements."""
        with self.connection.transaction():
            job = self.one(HELD, lease.job_id, lease.token)
            self.cursor.execute(ASSETS, (lease.job_id,)).fetchall()
            revision = self.one(COUNT_UP, 1, lease.owner_id)["revision"]
            self.cursor.execute(END, (revision, lease.job_id))
            self.cursor.execute(END_ATTEMPT, (6, lease.job_id))
            self.cursor.execute(SPEED, (worker_id, job["job_type"]))
