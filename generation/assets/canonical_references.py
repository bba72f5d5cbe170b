"""The one canonical picture of a reference image, which page, thumbnail and workers all use.

See docs/decisions/0019-one-canonical-reference.md.
"""

from __future__ import annotations

from typing import BinaryIO, cast

from django.db import transaction

from generation.assets import file_deletions
from generation.core import connections
from generation.core.clock import Now
from generation.core.errors import DomainError
from generation.core.ids import new_id
from generation.media import storage
from generation.media.formats import EXTENSIONS, BrokenMedia
from generation.media.measure import canonical_image
from generation.models import Reference

MAX_CANONICAL_BYTES = 64 * 1024 * 1024  # as much as every released worker reads
# The columns that describe the canonical picture.
CANONICAL = ("file", "thumbnail", "content_type", "byte_size", "width", "height", "canonical_sha256")


class UnusableReference(DomainError):
    """The bytes are no image that can be kept."""

    code = "unusable_picture"


def make_canonical(picture: Reference, content: BinaryIO, *, max_side: int | None) -> None:
    """Store the canonical picture in `content` under new names, and describe it in the unsaved `picture`."""
    caller = f"user:{picture.owner_id}"
    connections.give_back()
    try:
        with canonical_image(content, caller=caller, max_side=max_side, max_bytes=MAX_CANONICAL_BYTES) as (
            measured,
            file,
        ):
            picture.canonical_sha256, picture.byte_size = storage.sha256_and_size(file)
            picture.content_type = measured.content_type
            picture.width, picture.height = measured.width, measured.height
            store(picture, file, measured.thumbnail)
    except BrokenMedia as broken:
        raise UnusableReference(broken.message) from None


def canonical(reference: Reference) -> Reference | None:
    """The reference, made canonical at its first use where it is a copy of an image, or an older version's.

    Till then its file has all that its maker wrote into it, which is no worker's business.
    """
    if reference.canonical_sha256:
        return reference
    made = Reference(owner_id=reference.owner_id)
    try:
        with reference.file.open() as content:
            make_canonical(made, cast("BinaryIO", content), max_side=None)
    except FileNotFoundError:
        return reference  # its delivery says so
    with transaction.atomic():
        row = Reference.objects.filter(pk=reference.pk)
        if row.filter(canonical_sha256="").update(**{name: getattr(made, name) for name in CANONICAL}):
            file_deletions.delete_after_commit(storage.file_names(reference))
        else:  # another worker's fetch was first, or it was removed meanwhile
            file_deletions.delete_after_commit(storage.file_names(made))
    return row.first()


def store(picture: Reference, content: BinaryIO, thumbnail: bytes) -> None:
    """Store the files under new names, and name them in the unsaved `picture`."""
    picture.id = new_id()
    picture.used_at = Now()
    stem = f"{storage.references_folder(picture.owner_id)}/{picture.id}"
    extension = EXTENSIONS[picture.content_type]
    picture.file, picture.thumbnail = storage.store(stem, content, extension, thumbnail)
