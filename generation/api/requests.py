"""Request bodies and queries. Types are checked here, meaning in the domain."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from generation.assets.embeddings import model as embedding_model
from generation.assets.filters import ALIKE, FACETS, LEVELS, SHAPES, AssetFilter
from generation.catalog.job_types import JOB_TYPES, Media, ReferenceType
from generation.catalog.submission import (
    LONGEST_DEADLINE,
    MAX_SEED,
    PROMPT_LENGTH,
    ReferenceInput,
    Submission,
)
from generation.core.limits import MAX_RATING, NAME_LENGTH, SEARCH_LENGTH
from generation.core.zones import zone_named
from generation.http.fields import (
    MetadataField,
    PlainLineField,
    PlainTextField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
    TextChoicesField,
)
from generation.queue.reordering import Place

PAGE = 60
MAX_PAGE = 200
SLOTS = max(quantity for job_type in JOB_TYPES.values() for quantity in job_type.quantities)


SUBMISSIONS = [
    OpenApiExample(
        "Six images",
        value={"job_type": "sdxl_image_fast", "prompt": "a lighthouse at dusk, oil paint", "quantity": 6},
        request_only=True,
    ),
    OpenApiExample(
        "A video with a seed",
        value={"job_type": "video_fast", "prompt": "waves against a pier", "seed": 0, "aspect": "16:9"},
        request_only=True,
    ),
    OpenApiExample(
        "A video between two pictures",
        value={
            "job_type": "video_high",
            "prompt": "the tide comes in",
            "references": [
                {"type": "start_frame", "reference": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f21"},
                {"type": "end_frame", "image": "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f04"},
            ],
        },
        request_only=True,
    ),
    OpenApiExample(
        "With a model",
        value={
            "job_type": "sdxl_image_fast",
            "prompt": "a lighthouse at dusk",
            "model": "film-xl",
            "settings": {"steps": 6, "loras": [{"name": "film-grain", "weight": 0.8}]},
        },
        request_only=True,
    ),
]


class ReferenceBody(StrictSerializer):
    """A reference image: an uploaded `reference`, or an `image` of yours."""

    type = TextChoicesField(
        ReferenceType, help_text="Each at most once; `job-types` says what each job type can use."
    )
    strength = serializers.FloatField(
        default=None,
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="0 to 1; left out: 1 for frames, else 0.6.",
    )
    reference = StrictUUIDField(default=None, allow_null=True, help_text="As `PUT /references` answered.")
    image = StrictUUIDField(
        default=None, allow_null=True, help_text="Or an image of yours, not in the trash."
    )


class SubmissionBody(StrictSerializer):
    job_type = StrictCharField(help_text=f"One of: {', '.join(JOB_TYPES)}.")
    prompt = PlainTextField(allow_blank=True, help_text=f"1 to {PROMPT_LENGTH:,} characters.")
    negative_prompt = PlainTextField(
        default="", allow_blank=True, help_text="What the result should not show."
    )
    quantity = StrictIntegerField(
        default=None, allow_null=True, help_text="1, 3 or 6 for SDXL, 1 for WAN; left out: 1."
    )
    seed = StrictIntegerField(
        default=None,
        allow_null=True,
        help_text=f"0 to {MAX_SEED}; slot i gets seed + i, and 0 follows {MAX_SEED}."
        " Left out: the server chooses.",
    )
    aspect = StrictCharField(
        default="", allow_blank=True, help_text="As width:height; left out: the job type's own."
    )
    project = StrictUUIDField(default=None, allow_null=True, help_text="Left out: your default project.")
    review = StrictBooleanField(default=False, help_text="Results wait in the Workspace until you save them.")
    deadline_at = serializers.DateTimeField(
        default=None,
        allow_null=True,
        help_text=f"Cancelled if it still waits then, at most {LONGEST_DEADLINE.days} days ahead.",
    )
    references = serializers.ListField(
        child=ReferenceBody(),
        default=list,
        max_length=len(ReferenceType),
        help_text="Reference images.",
    )
    model = StrictCharField(
        default="", allow_blank=True, help_text="One of `GET /models`; left out: as the server is set up."
    )
    settings = MetadataField(
        default=dict,
        help_text="What the model offers, by name; LoRAs as"
        ' `"loras": [{"name": "film-grain", "weight": 0.8}]`. What is left out has its default.',
    )

    def to_submission(self) -> Submission:
        given: dict[str, Any] = dict(self.validated_data)
        references = [ReferenceInput(**asked) for asked in given.pop("references")]
        return Submission(
            project_id=given.pop("project"),
            deadline=given.pop("deadline_at"),
            references=references,
            **given,
        )


class RetryBody(StrictSerializer):
    """Nothing, or the slots to retry alone."""

    slots = serializers.ListField(
        child=StrictIntegerField(min_value=0),
        default=None,
        allow_null=True,
        min_length=1,
        max_length=SLOTS,
        help_text="The `image_index` of each, 0 where that is null; left out: all that did not complete.",
    )


class RunAgainBody(StrictSerializer):
    """Nothing, or that it is to be varied."""

    vary = StrictBooleanField(default=False, help_text="With new seeds; left out: with the seeds it had.")


class MoveJobBody(StrictSerializer):
    """A place, or another waiting job of yours."""

    to = TextChoicesField(
        Place, default=None, allow_null=True, help_text="Among those of yours that the same workers take."
    )
    before = StrictUUIDField(default=None, allow_null=True, help_text="Or the job to stand before.")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if (given["to"] is None) == (given["before"] is None):
            raise serializers.ValidationError({"to": "Name either a place or a job to stand before."})
        return given


class Paging(serializers.Serializer[object]):
    cursor = serializers.CharField(
        default="", allow_blank=True, help_text="`next_cursor` of the page before; left out: the first page."
    )
    limit = serializers.IntegerField(default=PAGE, min_value=1, max_value=MAX_PAGE)


class LibraryQuery(Paging):
    """The fields of the filter, as they stand in the addresses of the Library's pages."""

    q = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=SEARCH_LENGTH,
        help_text="Words to find in prompts, enhanced and negative prompts and titles, in any order."
        ' Also `"a phrase"`, `-without` and `begin*`. Case, accents and punctuation do not count.',
    )
    media = TextChoicesField(Media, default="", allow_blank=True, help_text="Only images or only videos.")
    project = serializers.UUIDField(default=None, allow_null=True, help_text="Only this project's.")
    job_type = serializers.CharField(
        default="", allow_blank=True, help_text=f"Only of this job type: {', '.join(JOB_TYPES)}."
    )
    model = serializers.CharField(default="", allow_blank=True, help_text="Only made with this model.")
    shape = serializers.CharField(default="", allow_blank=True, help_text=f"Only {', '.join(SHAPES)}.")
    rating = serializers.IntegerField(
        default=0, min_value=0, max_value=MAX_RATING, help_text="Only with as many stars or more."
    )
    favourite = serializers.BooleanField(default=False, help_text="Only favourites.")
    since = serializers.CharField(default="", allow_blank=True, help_text="Saved on this day or later.")
    until = serializers.CharField(default="", allow_blank=True, help_text="Saved on this day or earlier.")
    zone = serializers.CharField(
        default="", allow_blank=True, help_text="The time zone of those days, as `Europe/Paris`; UTC."
    )
    seed = serializers.CharField(default="", allow_blank=True, help_text="Only of this seed.")
    collection = serializers.UUIDField(default=None, allow_null=True, help_text="Only of this collection.")
    tag = serializers.UUIDField(default=None, allow_null=True, help_text="Only with this tag.")
    job = serializers.UUIDField(default=None, allow_null=True, help_text="Only of this job.")
    similar = serializers.UUIDField(
        default=None, allow_null=True, help_text="Only what looks like this asset, the most alike first."
    )
    meaning = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=SEARCH_LENGTH,
        help_text="Only what looks as these words say, the most alike first. 409 until a worker answered.",
    )
    alike = serializers.IntegerField(
        default=ALIKE,
        min_value=LEVELS[0],
        max_value=LEVELS[-1],
        help_text="How much, for `similar` and `meaning`: 0 for loosely, 100 for very much.",
    )
    stacks = serializers.BooleanField(
        default=False,
        help_text="Of each job only the best of what matches: highest rated, then favourite, then first.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        given = super().to_internal_value(data)
        asked = {name: _in_address(given.pop(name)) for name in [*(f.name for f in FACETS), "zone"]}
        only = AssetFilter.from_query(asked)
        self._refuse_what_was_passed_over(only, asked)
        return {"only": only, **given}

    def _refuse_what_was_passed_over(self, only: AssetFilter, asked: dict[str, str]) -> None:
        kept = {facet.name for facet in only.facets} | {"q", "alike", "rating"}  # bounded above
        errors = {name: ["Not a valid value."] for name, text in asked.items() if text and name not in kept}
        if zone_named(asked["zone"]):
            errors.pop("zone", None)
        if only.error:
            errors["q"] = [only.error]
        if only.is_by_content and embedding_model.current() is None:
            errors["similar" if only.similar_id else "meaning"] = ["This server has no embeddings."]
        if errors:
            raise serializers.ValidationError(errors)


def _in_address(value: Any) -> str:
    if value is None or value is False:
        return ""
    return "1" if value is True else str(value)


class ChangesQuery(serializers.Serializer[object]):
    after = serializers.IntegerField(
        default=0, min_value=0, max_value=2**63 - 1, help_text="The revision you have; 0 for everything."
    )
    epoch = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=40,
        help_text="As you got it with the revision: answered with 410 when the database was restored since.",
    )
    limit = serializers.IntegerField(default=MAX_PAGE, min_value=1, max_value=MAX_PAGE)


class FileQuery(serializers.Serializer[object]):
    download = serializers.BooleanField(default=False, help_text="1: as an attachment with a telling name.")


class Selection(StrictSerializer):
    """Assets to change; ids that are not yours are passed over.

    `images` and `videos` are the lists of earlier releases; all three count alike.
    """

    assets = serializers.ListField(child=StrictUUIDField(), default=list)
    images = serializers.ListField(child=StrictUUIDField(), default=list)
    videos = serializers.ListField(child=StrictUUIDField(), default=list)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        given = super().to_internal_value(data)
        ids: list[uuid.UUID] = [id_ for name in ("assets", "images", "videos") for id_ in given.pop(name)]
        return {"assets": list(dict.fromkeys(ids)), **given}


class RatingBody(Selection):
    """Assets, and the stars that they get."""

    rating = StrictIntegerField(min_value=0, max_value=MAX_RATING, help_text="1 to 5 stars; 0: none.")


class FavouriteBody(Selection):
    """Assets, and whether they are favourites."""

    favourite = StrictBooleanField()


class ProjectBody(StrictSerializer):
    name = PlainLineField(allow_blank=True, help_text=f"1 to {NAME_LENGTH} characters, once per owner.")
