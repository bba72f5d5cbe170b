"""The models of a lease call: each as its worker describes it, strictly checked."""

from __future__ import annotations

import re
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from generation.catalog.advertised_offers import InvalidOffer, parse_offer
from generation.catalog.job_types import JOB_TYPES
from generation.catalog.models import MODEL_NAME
from generation.core.limits import LICENCE_LENGTH, MODEL_LENGTH, MODEL_TITLE_LENGTH, URL_LENGTH
from generation.http.fields import MetadataField, PlainLineField, StrictCharField, StrictSerializer

MAX_MODELS = 64
MAX_SIZES = 16
# px. A result of more than 64 million pixels is not taken anyway.
MIN_SIDE, MAX_SIDE = 16, 8192
ASPECT = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}")
DIGEST = re.compile(r"[0-9a-f]{64}")
URL = re.compile(r"https?://[^\s\x00-\x1f\x7f<>\"']+")
ENGINE_LENGTH = 40


def like(pattern: re.Pattern[str]) -> RegexValidator:
    """The whole text."""
    return RegexValidator(rf"\A(?:{pattern.pattern})\Z", "This is not in the form that it must have.")


class OfferField(MetadataField):
    """What users may choose, by the name of the setting."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        offer = super().to_internal_value(data)
        try:
            parse_offer(offer)
        except InvalidOffer as refused:
            raise serializers.ValidationError(
                {refused.path: [refused.message]} if refused.path else refused.message
            ) from None
        return offer


class SizesField(serializers.DictField):
    """[width, height] in px by aspect ratio."""

    def to_internal_value(self, data: Any) -> dict[str, list[int]]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if len(data) > MAX_SIZES:
            raise serializers.ValidationError(f"At most {MAX_SIZES} sizes.")
        errors = {
            str(aspect)[:40]: [problem]
            for aspect, size in data.items()
            if (problem := _problem(aspect, size))
        }
        if errors:
            raise serializers.ValidationError(errors)
        return data


def _problem(aspect: str, size: object) -> str:
    if not ASPECT.fullmatch(aspect):
        return "An aspect ratio is two whole numbers, as 16:9."
    sides = size if isinstance(size, list) and len(size) == 2 else [None]
    if all(type(side) is int and MIN_SIDE <= side <= MAX_SIDE for side in sides):
        return ""
    return f"A size is [width, height], each from {MIN_SIDE} to {MAX_SIDE} px."


class Licence(StrictSerializer):
    name = PlainLineField(allow_blank=True, max_length=LICENCE_LENGTH)
    url = StrictCharField(
        allow_blank=True, max_length=URL_LENGTH, validators=[like(URL)], help_text="http or https."
    )


class AdvertisedModel(StrictSerializer):
    """A model that the worker has. A pool names it behind an @, as `sdxl_image_fast+style@film-xl`."""

    name = StrictCharField(
        max_length=MODEL_LENGTH, validators=[like(MODEL_NAME)], help_text="Of a-z, 0-9, dot, _ and -."
    )
    title = PlainLineField(max_length=MODEL_TITLE_LENGTH)
    engine = PlainLineField(max_length=ENGINE_LENGTH, help_text="What it is run with; shown to the operator.")
    job_types = serializers.ListField(
        child=serializers.ChoiceField(choices=list(JOB_TYPES)),
        max_length=len(JOB_TYPES),
        help_text="What it makes. Empty: as the pools with it say.",
    )
    sizes = SizesField(
        default=dict, help_text="[width, height] in px by aspect ratio; empty: the job type's."
    )
    offer = OfferField(default=dict, help_text="What users may choose, by name: docs/worker-protocol.md.")
    licence = Licence(default={"name": "", "url": ""})
    digest = StrictCharField(
        default="",
        allow_blank=True,
        max_length=64,
        validators=[like(DIGEST)],
        help_text="SHA-256 of what it is made of, in hex.",
    )


class AdvertisedModels(serializers.ListField):
    """All models of a worker, each name once."""

    child = AdvertisedModel()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_MODELS, **kwargs)

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        models = super().to_internal_value(data)
        if len({model["name"] for model in models}) < len(models):
            raise serializers.ValidationError("Each name can be used once.")
        return models
