"""The old pattern: a placeholder row a job, images INSERTed when the worker reports, linked afterwards.

Written as platforms of this kind are: a hosted table API where each write is a request (and a transaction) of
its own, row triggers that notify browsers, a callback function that is called once. The numbers are those of
docs/benchmarks.md: each names the failure that a line reproduces. Unkindness is left out: no worker dies, no
upload is missing from the array (4), links are made long before the 60 seconds are over.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from bench.databases import connect
from bench.stream import IMAGES, Fate, Outcome, Step, batches

SCHEMA = """
    CREATE TABLE old_job (
        id uuid PRIMARY KEY, owner int NOT NULL, prompt text NOT NULL, quantity int NOT NULL,
        status text NOT NULL DEFAULT 'queued', created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE TABLE old_image (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), job_id uuid REFERENCES old_job, owner int NOT NULL,
        prompt text NOT NULL, status text NOT NULL, url text, seed bigint,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX ON old_image (job_id);
    CREATE INDEX ON old_image (owner, created_at);
    CREATE SEQUENCE old_event;
    CREATE FUNCTION old_notify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval('old_event');
        PERFORM pg_notify('owner_' || NEW.owner, TG_TABLE_NAME || ' ' || TG_OP || ' ' || NEW.id);
        RETURN NEW;
    END $$;
    CREATE TRIGGER tell AFTER INSERT OR UPDATE ON old_job FOR EACH ROW EXECUTE FUNCTION old_notify();
    CREATE TRIGGER tell AFTER INSERT OR UPDATE ON old_image FOR EACH ROW EXECUTE FUNCTION old_notify();
"""


class Placeholders:
    """Plays a stream on tables of its own."""

    def __init__(self, database: str) -> None:
        self.connection = connect(database)
        self.connection.execute(SCHEMA, prepare=False)
        self.queries = 0
        # Which job each placeholder was made for; the old tables do not know.
        self.made_for: dict[uuid.UUID, uuid.UUID] = {}

    def play(self, stream: Sequence[Step]) -> Outcome:
        for batch in batches(stream):
            submitted = [(self.submit(step), step) for step in batch]
            for job_id, step in submitted:
                self.work(job_id, step)
        outcome = self.outcome(stream)
        self.connection.close()
        return outcome

    def run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        self.queries += 1
        cursor = self.connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []

    def submit(self, step: Step) -> uuid.UUID:
        """A job, then its placeholder, in two transactions (3): one row for all its images (1)."""
        job_id, placeholder = uuid.uuid4(), uuid.uuid4()
        job = "INSERT INTO old_job (id, owner, prompt, quantity) VALUES (%s, %s, %s, %s)"
        self.run(job, job_id, step.owner, step.prompt, IMAGES)
        image = "INSERT INTO old_image (id, owner, prompt, status) VALUES (%s, %s, %s, 'queued')"
        self.run(image, placeholder, step.owner, step.prompt)
        self.made_for[placeholder] = job_id
        return job_id

    def work(self, job_id: uuid.UUID, step: Step) -> None:
        """The worker takes the job (out of Redis: no statement), says so, and reports once (14)."""
        self.run("UPDATE old_job SET status = 'processing' WHERE id = %s", job_id)
        if step.fate is Fate.LOST:
            return
        if step.fate is Fate.TWICE_AT_ONCE:  # its twin has read the status before either wrote it (15)
            twins = [self.has_ended(job_id) for _ in range(2)]
            for ended in twins:
                if not ended:
                    self.complete(job_id, step)
            return
        for _ in range(2 if step.fate is Fate.TWICE_AFTER else 1):
            if not self.has_ended(job_id):  # a repetition is skipped by the job's status alone (5)
                self.complete(job_id, step)

    def has_ended(self, job_id: uuid.UUID) -> bool:
        [(status,)] = self.run("SELECT status FROM old_job WHERE id = %s", job_id)
        return bool(status == "completed")

    def complete(self, job_id: uuid.UUID, step: Step) -> None:
        self.run("UPDATE old_job SET status = 'completed' WHERE id = %s", job_id)  # before its images (5)
        for position in range(1, IMAGES):  # by their place in the array (4)
            self.insert(job_id, step, position)
        if not self.link(job_id, step):
            self.insert(job_id, step, 0)

    def insert(self, job_id: uuid.UUID, step: Step, position: int) -> None:
        self.run(
            "INSERT INTO old_image (job_id, owner, prompt, status, url, seed)"
            " VALUES (%s, %s, %s, 'completed', %s, %s)",
            job_id,
            step.owner,
            step.prompt,
            f"{job_id}/{position}.png",
            position,
        )

    def link(self, job_id: uuid.UUID, step: Step) -> bool:
        """The placeholder becomes the first image, found by owner, prompt and the last 60 seconds (2).

        False when there is none: a twin has used it, or another job took it for its own.
        """
        linked = self.run(
            "UPDATE old_image SET job_id = %s, status = 'completed', url = %s, seed = 0 WHERE id = ("
            " SELECT id FROM old_image WHERE owner = %s AND prompt = %s AND status = 'queued'"
            " AND created_at > clock_timestamp() - interval '60 s' ORDER BY created_at DESC LIMIT 1)"
            " RETURNING id",
            job_id,
            f"{job_id}/0.png",
            step.owner,
            step.prompt,
        )
        return bool(linked)

    def outcome(self, stream: Sequence[Step]) -> Outcome:
        queries, self.queries = self.queries, 0
        distinct = self.count("count(DISTINCT url) FROM old_image WHERE status = 'completed'")
        placed = self.run("SELECT id, job_id FROM old_image WHERE job_id IS NOT NULL")
        return Outcome(
            jobs=len(stream),
            expected=len(stream) * IMAGES,
            lost=sum(step.fate is Fate.LOST for step in stream),
            doubled=sum(step.fate in (Fate.TWICE_AFTER, Fate.TWICE_AT_ONCE) for step in stream),
            events=self.count("last_value FROM old_event"),
            queries=queries,
            upload_queries=0,  # files go to the bucket, the table is not told
            placeholders_left=self.count("count(*) FROM old_image WHERE status = 'queued'"),
            orphans=self.count("count(*) FROM old_image WHERE job_id IS NULL AND status = 'completed'"),
            linked_to_another_job=sum(
                self.made_for.get(placeholder, job) != job for placeholder, job in placed
            ),
            duplicates=self.count("count(*) FROM old_image WHERE status = 'completed'") - distinct,
            missing=len(stream) * IMAGES - distinct,
            unfinished=self.count("count(*) FROM old_job WHERE status <> 'completed'"),
        )

    def count(self, what: str) -> int:
        [(number,)] = self.run(f"SELECT {what}")
        return int(number)
