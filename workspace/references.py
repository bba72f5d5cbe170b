"""The composer's reference images: form rows, each with a type and a strength."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.urls import reverse

from generation.assets import listing
from generation.catalog.job_types import FRAMES, LOOKS, JobType, ReferenceType
from generation.catalog.submission import ReferenceInput
from generation.models import Asset, AssetStatus, Job, JobReference, Reference

# As many as any job type can use.
MAX_REFERENCES = max(len(LOOKS), len(FRAMES))
NAMES = ("", "-type", "-strength")


@dataclass(frozen=True, slots=True)
class Row:
    """One reference image. `source` is `reference:ID`, or `image:ID` for an image of the owner's."""

    source: str
    type: str
    strength: str = ""

    @property
    def thumbnail(self) -> str:
        """The thumbnail's URL; empty for an invalid source."""
        kind, picture_id = _parsed(self.source)
        if picture_id is None:
            return ""
        if kind == "image":
            return reverse("media:thumbnail", args=["image", picture_id])
        return reverse("media:reference-thumbnail", args=[picture_id])

    @property
    def shown_strength(self) -> float:
        try:
            return min(1.0, max(0.0, float(self.strength)))
        except ValueError:
            return ReferenceType.STYLE.default_strength

    def to_input(self) -> ReferenceInput:
        """The submission's input; a frame has no strength. Raises ValidationError for an invalid row."""
        kind, picture_id = _parsed(self.source)
        if picture_id is None:
            raise forms.ValidationError("Choose the reference image again.")
        return ReferenceInput(type=self.type, strength=self._strength(), **{kind: picture_id})

    def _strength(self) -> float | None:
        if not self.strength or self.type in FRAMES:
            return None
        try:
            return float(self.strength)
        except ValueError:
            raise forms.ValidationError("A strength is a number from 0 to 1.") from None


def _parsed(source: str) -> tuple[str, uuid.UUID | None]:
    kind, _, text = source.partition(":")
    try:
        return kind, uuid.UUID(text) if kind in ("reference", "image") else None
    except ValueError:
        return kind, None


class ReferencesWidget(forms.Widget):
    """Reads `references-0`, `references-0-type`, `references-0-strength`, …; the template draws them."""

    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> list[Row]:
        rows = [Row(*(data.get(f"{name}-{n}{part}", "") for part in NAMES)) for n in range(MAX_REFERENCES)]
        return [row for row in rows if row.source and row.type]


class ReferencesField(forms.Field):
    widget = ReferencesWidget

    def to_python(self, rows: Sequence[Row] | None) -> list[ReferenceInput]:
        return [row.to_input() for row in rows or ()]


def rows_of(job: Job) -> list[Row]:
    """The job's references, as far as they still exist."""
    return _rows(job.sorted_references)


def _rows(used: Iterable[JobReference]) -> list[Row]:
    return [
        Row(f"reference:{each.reference_id}", each.type, str(each.strength))
        for each in used
        if each.reference_id
    ]


def existing_rows(owner_id: int, rows: Sequence[Sequence[str]]) -> list[Row]:
    """The remembered rows whose references still exist; one query if there are any rows."""
    found = {row: picture_id for row in (Row(*row) for row in rows) if (picture_id := _parsed(row.source)[1])}
    if not found:
        return []
    existing = set(Reference.objects.of(owner_id).filter(pk__in=found.values()).values_list("pk", flat=True))
    return [row for row, picture_id in found.items() if picture_id in existing]


def add_image(rows: Sequence[Row], *, owner_id: int, image_id: uuid.UUID, job_type: JobType) -> list[Row]:
    """The rows and one for this image of the owner's, with a reference type that is still free."""
    image = listing.find_asset(owner_id=owner_id, media="image", asset_id=image_id)
    source = f"image:{image_id}"
    others = [row for row in rows if row.source != source and row.type in job_type.references]
    if image is None or not _usable(image):
        return others
    free = [type_ for type_ in job_type.references if type_ not in {row.type for row in others}]
    if not free:
        free = [ReferenceType(others.pop().type)]
    return [*others, Row(source, free[0].value)]


def _usable(image: Asset) -> bool:
    return image.status == AssetStatus.COMPLETED and image.trashed_at is None
