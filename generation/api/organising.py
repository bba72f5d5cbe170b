"""Requests and responses of collections, tags, projects and bulk operations."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from generation.api.requests import Selection
from generation.assets.groupings import TAGS
from generation.core.limits import MAX_RATING, NAME_LENGTH, TITLE_LENGTH
from generation.http.fields import (
    PlainLineField,
    StrictBooleanField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
    TextChoicesField,
)
from generation.models import Action, BulkOperation, Collection, OperationStatus

NAMES = f"1 to {NAME_LENGTH} characters, once per owner; at most {TAGS.most:,}."


class GroupingBody(StrictSerializer):
    name = PlainLineField(allow_blank=True, help_text=NAMES)


class MergeBody(StrictSerializer):
    into = StrictUUIDField(help_text="What all of it goes into.")


class DeleteProjectBody(StrictSerializer):
    assets = serializers.ChoiceField(
        choices=["move", "trash"],
        help_text="What happens to its assets: into the default project alone, or to the trash as well.",
    )


class MoveAssetsBody(Selection):
    """Assets, and the project that they go into."""

    project = StrictUUIDField()


class TitleBody(StrictSerializer):
    title = PlainLineField(allow_blank=True, max_length=TITLE_LENGTH, help_text="Empty: none.")


class GroupingResponse(serializers.ModelSerializer[Any]):
    """A collection or a tag; an asset can be in at most 100 of each."""

    count = serializers.IntegerField(read_only=True, help_text="Of its assets in the Library.")

    class Meta:
        model = Collection
        fields = ["id", "name", "count", "created_at"]
        read_only_fields = fields


class GroupingPage(serializers.Serializer[Any]):
    items = GroupingResponse(many=True, help_text="Newest first.")
    next_cursor = serializers.CharField(help_text="Empty at the end.")


class OperationBody(StrictSerializer):
    """An action on all that match, and what it needs: `rating` for `rate`, and so on.

    Only what matches now is taken, not what is saved later.
    """

    action = serializers.ChoiceField(choices=[action.value for action in Action if action != Action.DISSOLVE])
    filter = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        default=dict,
        help_text="The fields by which the Library is listed, as text; left out: all of it."
        " `restore` and `delete` are about all of the trash, and take none.",
    )
    favourite = StrictBooleanField(default=True)
    rating = StrictIntegerField(default=0, min_value=0, max_value=MAX_RATING)
    tag = StrictUUIDField(default=None, allow_null=True)
    collection = StrictUUIDField(default=None, allow_null=True)
    project = StrictUUIDField(default=None, allow_null=True)


class OperationResponse(serializers.ModelSerializer[BulkOperation]):
    """A bulk operation. `changed` counts what the undo would put back."""

    action = TextChoicesField(Action, read_only=True)
    status = TextChoicesField(OperationStatus, read_only=True)

    class Meta:
        model = BulkOperation
        fields = [
            *("id", "action", "status", "total", "seen", "changed", "error_message"),
            *("created_at", "finished_at"),
        ]
        read_only_fields = fields


class OperationList(serializers.Serializer[Any]):
    operations = OperationResponse(many=True, help_text="Newest first.")
