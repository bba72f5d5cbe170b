"""Bringing in files of the owner's own: each is a job of its own with one asset (decision 34).

Job and asset are written first. Both have failed, since their file has not arrived, until `import_files`
completes them: whatever breaks off in between leaves nothing open.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.utils import timezone

from generation.access import quotas
from generation.access.projects import chosen_project
from generation.catalog.job_types import IMPORT, IMPORTED, Media
from generation.changes import publisher, revisions
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import TooMany
from generation.core.graphemes import cut
from generation.core.text import CONTROL, plain_line, search_key
from generation.models import Asset, AssetStatus, Job, JobStatus, Project

MAX_FILES = 100  # of one call
FILE_NAME_LENGTH = 200
NOT_ARRIVED = ("not_arrived", "Its file has not arrived.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportInput:
    """A file that is to come: its name, its medium, and when it was last changed, where that is known."""

    name: str
    media: str
    modified: datetime | None = None

    @property
    def plain_name(self) -> str:
        return cut(plain_line(CONTROL.sub(" ", self.name)), FILE_NAME_LENGTH) or "file"

    @property
    def title(self) -> str:
        """What the asset is known by where the file has no prompt: its name without the ending."""
        stem = self.plain_name.rpartition(".")[0]
        return stem or self.plain_name


def imports_of(owner_id: int) -> QuerySet[Job]:
    return Job.objects.of(owner_id).filter(engine=IMPORT)


def begin_imports(
    *, owner_id: int, actor: Actor, files: Sequence[ImportInput], project_id: uuid.UUID | None = None
) -> list[Job]:
    """Write a job and an asset for each file, in one transaction; its file completes them.

    Raises:
        InvalidSubmission: the project is not the owner's.
        TooMany: more than MAX_FILES.
        StorageFull: there is no room for any.
    """
    if len(files) > MAX_FILES:
        raise TooMany(MAX_FILES)
    with transaction.atomic():
        revision = revisions.take(owner_id=owner_id, count=2 * len(files))
        project = chosen_project(
            owner_id, project_id
        )  # under the counter's lock: it is not deleted meanwhile
        quotas.check_storage(owner_id)
        jobs = [_job(owner_id, project, file, next(revision)) for file in files]
        Job.objects.bulk_create(jobs)
        assets = [_asset(job, next(revision)) for job in jobs]
        Asset.objects.bulk_create(assets)
        prefetch_related_objects(jobs, "assets")
        if assets:
            ids = [job.pk for job in jobs]
            publisher.changed(owner_id=owner_id, revision=assets[-1].revision, job_ids=ids)
            audit_log.after_commit("imports.begun", actor=actor, owner=owner_id, files=len(files))
    return jobs


def _job(owner_id: int, project: Project, file: ImportInput, revision: int) -> Job:
    metadata = {"file_name": file.plain_name}
    if file.modified:
        metadata["file_modified"] = file.modified.astimezone(UTC).isoformat()
    now = timezone.now()
    return Job(
        owner_id=owner_id,
        project=project,
        job_type=IMPORTED.name,
        engine=IMPORT,
        pool=IMPORTED.name,
        media=Media(file.media),
        prompt=file.title,
        quantity=1,
        width=0,
        height=0,
        parameters={},
        metadata=metadata,
        attempts_left=0,
        status=JobStatus.FAILED,
        error_code=NOT_ARRIVED[0],
        error_message=NOT_ARRIVED[1],
        finished_at=now,
        cleared_at=now,
        revision=revision,
    )


def _asset(job: Job, revision: int) -> Asset:
    asset = Asset(media=job.media, status=AssetStatus.FAILED, prompt=job.prompt, metadata=job.metadata)
    asset.job, asset.owner_id, asset.project_id = job, job.owner_id, job.project_id
    asset.error_code, asset.error_message = job.error_code, job.error_message
    asset.search_text, asset.revision = search_key(job.prompt), revision
    return asset
