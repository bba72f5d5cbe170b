"""Archives of assets: what is selected, and the ZIP files that it is divided into."""

from __future__ import annotations

import csv
import io
import json
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.http import QueryDict
from django.utils import timezone

from downloads.models import Archive, ArchivePart
from downloads.zip_stream import END_OF_DIRECTORY, MAX_BYTES, Member, member_size, zip_chunks, zip_size
from generation.assets import listing
from generation.assets.actions import check_count
from generation.assets.delivery import read_chunks
from generation.assets.download_names import download_name
from generation.assets.filters import AssetFilter
from generation.assets.parameters import parameters_of_each
from generation.core.errors import DomainError
from generation.core.keyset import cursor_of
from generation.models import Asset

KEPT_HOURS = 48
MAX_OF_OWNER = 20  # archives; a new one replaces the oldest
PART_FILES = 1000
PART_PARAMETER_BYTES = 8 * 1024 * 1024  # of both files together
PARTS_AT_ONCE = 10  # made in one request, each in about 0.2 s
JSON_NAME, CSV_NAME = "parameters.json", "parameters.csv"
LAST_ID = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSelection:
    """These assets of the Library; without ids all that match the filter, but those excluded."""

    asset_ids: Sequence[uuid.UUID] | None = None
    only: AssetFilter = listing.EVERYTHING
    excluded_ids: Sequence[uuid.UUID] = ()


class NothingSelected(DomainError):
    """None of the selected assets is in the Library."""

    code = "nothing_selected"

    def __init__(self) -> None:
        super().__init__("Nothing is selected.")


def create_archive(*, owner_id: int, selection: ArchiveSelection) -> Archive:
    """An archive with its first parts.

    Raises:
        NothingSelected, TooMany, NotAnswered
    """
    for asset_ids in (selection.asset_ids, selection.excluded_ids):
        check_count(asset_ids or ())
    selection.only.answered(owner_id)  # outside: what it raises would take back what it asks for
    return _create(owner_id, selection)


@transaction.atomic
def _create(owner_id: int, selection: ArchiveSelection) -> Archive:
    archive = Archive.objects.create(
        owner_id=owner_id,
        query=selection.only.to_query(),
        asset_ids=None if selection.asset_ids is None else _texts(selection.asset_ids),
        excluded_ids=_texts(selection.excluded_ids),
        cursor=cursor_of(timezone.now(), LAST_ID),  # what is saved later is not in it
    )
    archive = make_parts(archive)
    if not archive.parts.exists():
        raise NothingSelected
    mine = Archive.objects.filter(owner_id=owner_id).order_by("-pk")
    Archive.objects.filter(pk__in=list(mine.values_list("pk", flat=True)[MAX_OF_OWNER:])).delete()
    return archive


def _texts(asset_ids: Sequence[uuid.UUID]) -> list[str]:
    return [str(asset_id) for asset_id in asset_ids]


def find_archive(*, owner_id: int, archive_id: uuid.UUID) -> Archive | None:
    kept = Archive.objects.filter(created_at__gt=_oldest(), owner_id=owner_id)
    return kept.filter(pk=archive_id).first()


def find_part(*, owner_id: int, archive_id: uuid.UUID, number: int) -> ArchivePart | None:
    parts = ArchivePart.objects.filter(archive__owner_id=owner_id, archive__created_at__gt=_oldest())
    return parts.select_related("archive").filter(archive_id=archive_id, number=number).first()


def delete_old_archives(limit: int = 200) -> int:
    """Delete archives over KEPT_HOURS old; what they were made of stays."""
    old = Archive.objects.filter(created_at__lte=_oldest()).order_by("created_at")
    found = list(old.values_list("pk", flat=True)[:limit])
    Archive.objects.filter(pk__in=found).delete()
    return len(found)


def _oldest() -> datetime:
    return timezone.now() - timedelta(hours=KEPT_HOURS)


@transaction.atomic
def make_parts(archive: Archive) -> Archive:
    """Make up to PARTS_AT_ONCE further parts, behind those there are; twice at once makes each only once."""
    archive = Archive.objects.select_for_update().get(pk=archive.pk)
    number = archive.parts.count()
    for _ in range(PARTS_AT_ONCE):
        if archive.is_complete:
            break
        part, archive.cursor = _next_part(archive)
        archive.is_complete = not archive.cursor
        if part.count:
            number += 1
            part.number = number
            part.save(force_insert=True)
    archive.save(update_fields=["cursor", "is_complete"])
    return archive


def _selected(archive: Archive) -> listing.Listing:
    only = AssetFilter.from_query(QueryDict(archive.query))
    found = listing.saved(owner_id=archive.owner_id, only=only)
    assets = found.source.filter(saved_at__lte=archive.created_at)
    if archive.asset_ids is not None:
        assets = assets.filter(pk__in=archive.asset_ids)
    if archive.excluded_ids:
        assets = assets.exclude(pk__in=archive.excluded_ids)
    assets = assets.select_related("job", "project").prefetch_related("job__references")
    return replace(found, source=assets)


def _next_part(archive: Archive) -> tuple[ArchivePart, str]:
    """The part from the archive's cursor on, unsaved, and the cursor behind it, empty at the end."""
    pages = _selected(archive)
    page = pages.page(archive.cursor, PART_FILES)
    draft = _Draft()
    for asset, values in zip(page.assets, parameters_of_each(page.assets), strict=True):
        if not draft.add(asset, values):
            break
    behind = pages.cursor_after(draft.last) if len(page.assets) > draft.count else page.next_cursor
    return draft.part(archive), behind


class _Draft:
    """A part that grows until it is full. What is too large for any archive is left out."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str, int, str]] = []
        self.names: set[str] = set()
        self.parameters: list[dict[str, Any]] = []
        self.count = 0  # of assets that were looked at
        self.bytes = END_OF_DIRECTORY + PART_PARAMETER_BYTES
        self.parameter_bytes = 0
        self.last: Asset

    def add(self, asset: Asset, values: dict[str, Any]) -> bool:
        """Whether the asset has found room, or needs none."""
        size = asset.byte_size or 0
        parameter_bytes = 4 * len(json.dumps(values))  # indented, and once more as CSV
        name = self._free_name(download_name(asset))
        more = member_size(name, size)
        is_first = not self.files
        if not is_first and (
            self.bytes + more > MAX_BYTES or self.parameter_bytes + parameter_bytes > PART_PARAMETER_BYTES
        ):
            return False
        self.count += 1
        self.last = asset
        if self.bytes + more > MAX_BYTES:
            return True
        assert asset.completed_at is not None
        self.bytes += more
        self.parameter_bytes += parameter_bytes
        self.names.add(name.casefold())
        self.files.append((name, str(asset.file.name), size, asset.completed_at.isoformat()))
        self.parameters.append(values | {"file": name})
        return True

    def _free_name(self, wanted: str) -> str:
        """Unique in the archive, also where upper and lower case are the same."""
        stem, _, extension = wanted.rpartition(".")
        name, number = wanted, 1
        while name.casefold() in self.names:
            number += 1
            name = f"{stem} ({number}).{extension}"
        return name

    def part(self, archive: Archive) -> ArchivePart:
        as_json, as_csv = _as_json(self.parameters), _as_csv(self.parameters)
        sizes = [(name, size) for name, _, size, _ in self.files]
        sizes += [(JSON_NAME, len(as_json)), (CSV_NAME, len(as_csv))]
        return ArchivePart(
            archive=archive,
            files=self.files,
            count=len(self.files),
            parameters_json=zlib.compress(as_json),
            parameters_csv=zlib.compress(as_csv),
            byte_size=zip_size(sizes),
        )


def part_chunks(part: ArchivePart) -> Iterator[bytes]:
    """The bytes of the part's ZIP file, without a query.

    Raises:
        FileNotFoundError: a file was deleted for good meanwhile.
    """
    return zip_chunks(_members(part))


def _members(part: ArchivePart) -> Iterator[Member]:
    for name, stored, size, moment in part.files:
        yield Member(name, size, datetime.fromisoformat(moment), partial(_read, stored, size))
    for name, packed in ((JSON_NAME, part.parameters_json), (CSV_NAME, part.parameters_csv)):
        text = zlib.decompress(packed)
        yield Member(name, len(text), part.archive.created_at, partial(iter, (text,)))


def _read(stored: str, size: int) -> Iterator[bytes]:
    with default_storage.open(stored, "rb") as source:
        yield from read_chunks(source, 0, size)


def _as_json(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=1).encode() + b"\n"


def _as_csv(rows: list[dict[str, Any]]) -> bytes:
    """One line each, nested values as JSON; a byte order mark tells spreadsheets that it is UTF-8."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["id"])
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(value: Any) -> Any:
    """What a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
