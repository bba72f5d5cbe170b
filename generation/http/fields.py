"""Serializer fields without type coercion, and a serializer that rejects unknown fields."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from django.db.models import TextChoices
from rest_framework import serializers

from generation.catalog.job_types import JOB_TYPES
from generation.core.limits import METADATA_BYTES
from generation.core.text import control_error, plain_line, plain_text

A_DAY_SECONDS = 86_400
# Far below what Python's JSON decoder can take, which depends on the depth of the call stack.
METADATA_DEPTH = 32


class StrictSerializer(serializers.Serializer[Any]):
    """Rejects unknown fields by name instead of ignoring them."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := [str(name) for name in data if name not in self.fields]):
            message = ["There is no such field."]
            raise serializers.ValidationError(dict.fromkeys([name[:80] for name in unknown[:20]], message))
        return super().to_internal_value(data)


class StrictCharField(serializers.CharField):
    """A JSON string, kept as it is; NUL and lone surrogates are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class PlainTextField(StrictCharField):
    """Text from people, with plain ends of lines and spaces; a control character is refused by its place."""

    def to_internal_value(self, data: Any) -> str:
        text = self.plain(super().to_internal_value(data))
        if error := control_error(text):
            raise serializers.ValidationError(error, code="control_character")
        return text

    def plain(self, text: str) -> str:
        return plain_text(text)


class PlainLineField(PlainTextField):
    """One line of such text, with single spaces."""

    def plain(self, text: str) -> str:
        return plain_line(text)


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer; not true, not 3.0, not "3"."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    """JSON true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input="That")
        return data


class TextChoicesField(serializers.ChoiceField):
    """A member of a TextChoices; the schema names the enum by its class."""

    def __init__(self, choices: type[TextChoices], **kwargs: Any) -> None:
        self.enum_name = choices.__name__
        super().__init__(choices.choices, **kwargs)


class StrictUUIDField(serializers.UUIDField):
    """A UUID as text."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value="That")
        return super().to_internal_value(data)


class SecondsByJobTypeField(serializers.DictField):
    """A JSON object from job types to seconds: numbers above 0, at most a day."""

    child = serializers.FloatField()

    default_error_messages = {
        "unknown": "There is no such job type.",
        "not_seconds": "This must be a number of seconds, above 0 and at most 86400.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty=False, **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, float]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if not data:
            self.fail("empty")
        problems = {str(name)[:80]: self._problem(name, value) for name, value in data.items()}
        if wrong := {name: [problem] for name, problem in problems.items() if problem}:
            raise serializers.ValidationError(wrong)
        return {name: float(value) for name, value in data.items()}

    def _problem(self, name: str, value: object) -> str:
        if name not in JOB_TYPES:
            return str(self.error_messages["unknown"])
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(self.error_messages["not_seconds"])
        return "" if 0 < value <= A_DAY_SECONDS else str(self.error_messages["not_seconds"])


class MetadataField(serializers.JSONField):
    """A JSON object that any database can store, of at most 32 KiB: no NUL, lone surrogate or infinity."""

    default_error_messages = {
        "not_object": "This must be an object.",
        "too_large": f"At most {METADATA_BYTES // 1024} KiB.",
        "too_deep": f"At most {METADATA_DEPTH} levels deep.",
        "unkept": "NUL, lone surrogates and infinite numbers cannot be kept.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_object")
        if not _is_shallow(data):
            self.fail("too_deep")
        if not _is_storable(data):
            self.fail("unkept")
        if len(json.dumps(data, ensure_ascii=False).encode()) > METADATA_BYTES:
            self.fail("too_large")
        return data


def _is_shallow(data: object) -> bool:
    level: list[object] = [data]
    for _ in range(METADATA_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
    return not level


def _children(data: object) -> Iterable[object]:
    match data:
        case dict():
            return data.values()
        case list():
            return data
    return ()


def _is_storable(data: object) -> bool:
    stack = [data]
    while stack:
        match stack.pop():
            case dict() as inner:
                stack += [*inner.keys(), *inner.values()]
            case list() as inner:
                stack += inner
            case str() as text if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
                return False
            case float() as number if not math.isfinite(number):
                return False
    return True
