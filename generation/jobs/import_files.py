"""The file of an import: measured, stored and read as a worker's upload is, then its rows are completed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import BinaryIO

from django.db import transaction

from generation.access import quotas
from generation.assets import file_deletions
from generation.assets.embeddings import work as embeddings
from generation.assets.search import index
from generation.catalog.submission import PROMPT_LENGTH
from generation.changes import revisions, writes
from generation.core import audit_log, connections
from generation.core.actors import Actor
from generation.core.errors import AlreadyImported, DomainError, ImportNotFound
from generation.core.graphemes import cut
from generation.core.limits import ERROR_CODE_LENGTH, ERROR_MESSAGE_LENGTH
from generation.core.text import is_visible, search_key
from generation.jobs.finish import ASSET_END, end
from generation.jobs.imports import imports_of
from generation.jobs.report import RESULT_FIELDS
from generation.media import storage
from generation.media.formats import BrokenMedia, Measured
from generation.media.measure import measure
from generation.media.parameters.found import Parameters
from generation.media.parameters.reading import read_parameters
from generation.models import Asset, AssetStatus, Job, JobStatus

IMPORTED_FIELDS = (*RESULT_FIELDS, "prompt", "search_text")
JOB_FIELDS = ("prompt", "negative_prompt", "seed", "width", "height", "error_code", "error_message")
MAX_SEED_KEPT = 2**63 - 1  # that a column holds


class UnusableFile(DomainError):
    """The bytes are no picture or video that is taken; the code says what is wrong with them."""

    def __init__(self, broken: BrokenMedia) -> None:
        super().__init__(broken.message)
        self.code = broken.code


class Duplicate(DomainError):
    """The owner has a result of the same bytes."""

    code = "duplicate"

    def __init__(self, known: Asset) -> None:
        where = "in your Library"
        if known.trashed_at:
            where = "in the trash; restore it there"
        elif not known.saved_at:
            where = "in the Workspace, to be saved"
        super().__init__(f"The same file is there already, {where}.")
        self.known = known


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was measured and stored."""

    sha256: str
    byte_size: int
    measured: Measured
    names: list[str]  # of the file, its thumbnail and its small one
    found: Parameters | None


def require_import(*, owner_id: int, import_id: uuid.UUID) -> Job:
    """The owner's import that this id names. Raises ImportNotFound."""
    if job := imports_of(owner_id).filter(pk=import_id).first():
        return job
    raise ImportNotFound


def receive_file(*, owner_id: int, actor: Actor, import_id: uuid.UUID, content: BinaryIO) -> Asset:
    """Complete an import with its file; the same bytes again answer with the same asset.

    `content` is seekable and capped. A refusal is kept with the rows, and another file may follow.

    Raises:
        ImportNotFound: none of the owner's.
        AlreadyImported: it has another file.
        Duplicate: the owner has the same bytes, whatever their name.
        UnusableFile: not a whole picture or video that browsers show, or not of the medium that was said.
        StorageFull: there is no room for it.
        TooManyDecodes, DecoderUnavailable: nothing was kept; send it again.
    """
    job = require_import(owner_id=owner_id, import_id=import_id)
    sha256, byte_size = storage.sha256_and_size(content)
    if job.status == JobStatus.COMPLETED:
        return _completed(job, sha256)
    try:
        _check_new(owner_id, sha256)
        quotas.check_storage(owner_id, more=byte_size)
        connections.give_back()
        measured = measure(content, media=job.media, caller=f"user:{owner_id}")
    except BrokenMedia as broken:
        refusal = UnusableFile(broken)
        _refuse(job, refusal, actor)
        raise refusal from None
    except Duplicate as duplicate:
        _refuse(job, duplicate, actor)
        raise
    found = read_parameters(content)
    stem = f"{job.pk}/{uuid.uuid4()}"
    names = storage.store(
        stem, content, measured.extension, measured.thumbnail, small_thumbnail=measured.small_thumbnail
    )
    try:
        return _complete(job, _File(sha256, byte_size, measured, names, found), actor)
    except DomainError:
        file_deletions.delete_unrecorded(names)
        raise


def _completed(job: Job, sha256: str) -> Asset:
    asset: Asset = job.assets.get()
    if asset.sha256 != sha256:
        raise AlreadyImported
    return asset


def _check_new(owner_id: int, sha256: str) -> None:
    """Raises Duplicate."""
    # By what the index says, without a parameter.
    same = Asset.objects.of(owner_id).with_bytes().filter(sha256=sha256)
    if known := next(iter(same[:1]), None):
        raise Duplicate(known)


@transaction.atomic
def _refuse(job: Job, refusal: DomainError, actor: Actor) -> None:
    """Keep with the rows why this file was not taken."""
    locked, assets = _locked(job)
    if locked.status == JobStatus.COMPLETED:
        return
    why = {
        "error_code": refusal.code[:ERROR_CODE_LENGTH],
        "error_message": cut(refusal.message, ERROR_MESSAGE_LENGTH),
    }
    for asset in assets:
        asset.error_code, asset.error_message = why["error_code"], why["error_message"]
    writes.write(locked, changes={**why}, assets=assets, fields=ASSET_END)
    audit_log.refused("import.refused", actor=actor, job=str(job.pk), code=refusal.code)


def _locked(job: Job) -> tuple[Job, list[Asset]]:
    """Raises ImportNotFound: it went meanwhile."""
    locked = writes.lock_owned(owner_id=job.owner_id, job_id=job.pk)
    if locked is None:
        raise ImportNotFound
    return locked, writes.lock_assets(locked)


@transaction.atomic
def _complete(job: Job, file: _File, actor: Actor) -> Asset:
    locked, [asset] = _locked(job)
    if locked.status == JobStatus.COMPLETED:
        raise AlreadyImported
    revisions.take(owner_id=job.owner_id, count=0)  # locks the counter: of two same files one is new
    _check_new(job.owner_id, file.sha256)
    quotas.check_storage(job.owner_id, more=file.byte_size)
    _fill(asset, locked, file)
    changes = {name: getattr(locked, name) for name in JOB_FIELDS}
    end(locked, [asset], status=JobStatus.COMPLETED, changed=[asset], fields=IMPORTED_FIELDS, **changes)
    index.write([asset])
    embeddings.want([asset.pk])
    audit_log.after_commit("asset.imported", actor=actor, asset=str(asset.pk), job=str(job.pk))
    return asset


def _fill(asset: Asset, job: Job, file: _File) -> None:
    measured, found = file.measured, file.found
    asset.status, asset.error_code, asset.error_message = AssetStatus.COMPLETED, "", ""
    asset.file, asset.thumbnail, asset.small_thumbnail = file.names
    asset.placeholder = measured.placeholder
    asset.content_type, asset.sha256, asset.byte_size = measured.content_type, file.sha256, file.byte_size
    asset.width, asset.height = measured.width, measured.height
    asset.duration, asset.frames = measured.duration, measured.frames
    asset.has_audio = measured.has_audio
    asset.completed_at = asset.saved_at = job.locked_at
    asset.metadata = job.metadata | ({"parameters": _kept(found)} if found else {})
    if found:
        asset.prompt = _prompt(found.prompt) or asset.prompt
        asset.search_text = search_key(asset.prompt)
        asset.seed = found.seed if found.seed is not None and found.seed <= MAX_SEED_KEPT else None
        job.negative_prompt = _prompt(found.negative_prompt)
    job.prompt, job.seed, job.width, job.height = asset.prompt, asset.seed, asset.width, asset.height
    job.error_code, job.error_message = "", ""
    asset.job = job


def _prompt(text: str) -> str:
    return cut(text, PROMPT_LENGTH) if is_visible(text) else ""


def _kept(found: Parameters) -> dict[str, object]:
    """What a file says beyond its prompts, which have columns, for the record."""
    kept: dict[str, object] = {"source": found.source, "has_prompt": bool(_prompt(found.prompt))}
    numbers = {"seed": found.seed, "width": found.width, "height": found.height}
    kept |= {name: number for name, number in numbers.items() if number is not None}
    return kept | {"others": [list(pair) for pair in found.others], "notes": list(found.notes)}


def parameters_of(asset: Asset) -> Parameters | None:
    """What was read from an imported asset's file; None if it said nothing."""
    kept = asset.metadata.get("parameters")
    if not asset.job.is_import or not isinstance(kept, dict):
        return None
    return Parameters(
        source=str(kept.get("source", "")),
        prompt=asset.prompt if kept.get("has_prompt") else "",
        negative_prompt=asset.job.negative_prompt,
        others=tuple((str(name), str(value)) for name, value in kept.get("others", ())),
        notes=tuple(map(str, kept.get("notes", ()))),
        seed=kept.get("seed"),
        width=kept.get("width"),
        height=kept.get("height"),
    )
