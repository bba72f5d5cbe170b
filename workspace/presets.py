"""Presets: the composer's fields saved under a name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT

from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import DomainError
from generation.core.text import fold, plain_name
from workspace.model_settings import values_of
from workspace.models import Preset
from workspace.references import Row, existing_rows

MAX_PRESETS = 100  # of one owner, more or less: two at once may both be the last
MAX_SHARED = 200  # that are listed
KEPT_DELETED = 20  # of one owner, which can come back
PROMPT_FIELDS = ("prompt", "one_per_line")
TEXT_FIELDS = (
    *("media", "quality", "quantity", "aspect", "negative_prompt", "seed", "engine", "project"),
    "model",
)
NO_CONTROLS = ("references", "settings")
SWITCHES = ("one_per_line", "enhance", "review")


class PresetNotFound(DomainError):
    """No such preset, or not the caller's."""

    code = "preset_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such preset.")


class BadPreset(DomainError):
    """Its name cannot be used or is taken, or the owner has too many."""

    code = "bad_preset"


@dataclass(frozen=True, slots=True)
class UsablePreset:
    """A preset as one reader can use it: with the reference images that are still there and the reader's."""

    preset: Preset
    rows: Sequence[Row]
    missing: int
    is_own: bool

    @property
    def initial(self) -> dict[str, Any]:
        """For the form."""
        return {**self.preset.fields, "references": list(self.rows)}

    @property
    def filling(self) -> dict[str, Any]:
        """For the page's script: what its `fillForm` takes."""
        values = {name: value for name, value in self.preset.fields.items() if name not in NO_CONTROLS}
        values |= values_of(values.get("model", ""), self.preset.fields.get("settings", {}))
        rows = [
            {"source": row.source, "type": row.type, "strength": row.strength, "thumbnail": row.thumbnail}
            for row in self.rows
        ]
        return {"values": {**values, "new_project": ""}, "references": rows}

    @property
    def filling_json(self) -> str:
        return json.dumps(self.filling)


def models_of_presets() -> QuerySet[Preset, str]:
    """The names of models that presets name, those deleted included, which can come back."""
    return Preset.objects.filter(fields__model__isnull=False).values_list(KT("fields__model"), flat=True)


def presets_for(owner_id: int) -> list[UsablePreset]:
    """The owner's own, by name, then what operators share; two queries at most."""
    mine, shared = _own(owner_id), Preset.objects.filter(is_shared=True, deleted_at=None)
    others = shared.filter(~Q(owner=owner_id) | Q(owner=None)).order_by("folded_name", "id")
    return _usable(owner_id, [*mine.order_by("folded_name", "id"), *others[:MAX_SHARED]])


def preset_for(owner_id: int, preset_id: uuid.UUID) -> UsablePreset | None:
    """One that this owner may use."""
    usable = Preset.objects.filter(Q(owner=owner_id) | Q(is_shared=True), pk=preset_id, deleted_at=None)
    return next(iter(_usable(owner_id, list(usable))), None)


def save_preset(
    *, owner_id: int, actor: Actor, name: str, fields: Mapping[str, Any]
) -> tuple[Preset, Preset | None]:
    """Save the fields under this name; the second is the one of that name that it replaced, for undo.

    Raises:
        BadPreset: the name cannot be used, or the owner has MAX_PRESETS.
    """
    name = _usable_name(name)
    preset = Preset(owner_id=owner_id, name=name, folded_name=fold(name), fields=dict(fields))
    try:
        with transaction.atomic():
            replaced = _own(owner_id).filter(folded_name=preset.folded_name).select_for_update().first()
            _delete(owner_id, [replaced.pk] if replaced else [])
            if _own(owner_id).count() >= MAX_PRESETS:
                raise BadPreset(f"You have {MAX_PRESETS} presets, and that is the most. Delete one first.")
            preset.save(force_insert=True)
            audit_log.after_commit("preset.saved", actor=actor, preset=str(preset.pk), owner=owner_id)
    except IntegrityError:
        raise BadPreset("Another tab has just saved one of that name. Try again.") from None
    return preset, replaced


def rename_preset(*, owner_id: int, actor: Actor, preset_id: uuid.UUID, name: str) -> str:
    """The name that it has now. Raises PresetNotFound, BadPreset."""
    name = _usable_name(name)
    try:
        with transaction.atomic():
            mine = _own(owner_id).filter(pk=preset_id)
            if not mine.update(name=name, folded_name=fold(name)):
                raise PresetNotFound
            audit_log.after_commit("preset.renamed", actor=actor, preset=str(preset_id), owner=owner_id)
    except IntegrityError:
        raise BadPreset("You already have a preset of that name.") from None
    return name


@transaction.atomic
def delete_preset(*, owner_id: int, actor: Actor, preset_id: uuid.UUID) -> str:
    """The name of what was deleted. Raises PresetNotFound."""
    name = own_preset(owner_id, preset_id).name
    _delete(owner_id, [preset_id])
    audit_log.after_commit("preset.deleted", actor=actor, preset=str(preset_id), owner=owner_id)
    return name


@transaction.atomic
def restore_preset(*, owner_id: int, actor: Actor, preset_id: uuid.UUID) -> str:
    """Undo of a deletion or of overwriting: what has the name now gives way. Raises PresetNotFound."""
    deleted = Preset.objects.filter(owner=owner_id, pk=preset_id, deleted_at__isnull=False)
    preset = deleted.select_for_update().first()
    if preset is None:
        raise PresetNotFound
    in_place = _own(owner_id).filter(folded_name=preset.folded_name)
    in_place.update(deleted_at=Now())
    deleted.update(deleted_at=None)
    audit_log.after_commit("preset.restored", actor=actor, preset=str(preset_id), owner=owner_id)
    return preset.name


def _own(owner_id: int) -> QuerySet[Preset]:
    return Preset.objects.filter(owner=owner_id, deleted_at=None)


def own_preset(owner_id: int, preset_id: uuid.UUID) -> Preset:
    """Raises PresetNotFound."""
    if preset := _own(owner_id).filter(pk=preset_id).first():
        return preset
    raise PresetNotFound


def _delete(owner_id: int, preset_ids: Sequence[uuid.UUID]) -> None:
    _own(owner_id).filter(pk__in=preset_ids).update(deleted_at=Now())
    deleted = Preset.objects.filter(owner=owner_id, deleted_at__isnull=False).order_by("-deleted_at", "-id")
    Preset.objects.filter(pk__in=list(deleted.values_list("pk", flat=True)[KEPT_DELETED:])).delete()


def _usable_name(name: str) -> str:
    try:
        return plain_name(name, "A preset's name")
    except ValueError as refused:
        raise BadPreset(str(refused)) from None


def _usable(owner_id: int, presets: Sequence[Preset]) -> list[UsablePreset]:
    rows_of = {preset.pk: preset.fields.get("references", []) for preset in presets}
    there = set(existing_rows(owner_id, [row for rows in rows_of.values() for row in rows]))
    usable = []
    for preset in presets:
        wanted = [Row(*row) for row in rows_of[preset.pk]]
        rows = [row for row in wanted if row in there]
        usable.append(UsablePreset(preset, rows, len(wanted) - len(rows), preset.owner_id == owner_id))
    return usable
