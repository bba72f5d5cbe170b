"""What embedders call: work to do, the thumbnails to look at, and the vectors that they made."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.core.validators import RegexValidator
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from generation.assets.delivery import THUMBNAIL_TYPE, media_response
from generation.assets.embeddings import model, work
from generation.core.limits import EMBEDDING_MODEL_LENGTH, ERROR_MESSAGE_LENGTH, SEARCH_LENGTH
from generation.http.fields import StrictCharField, StrictIntegerField, StrictSerializer, StrictUUIDField
from generation.http.openapi import file_responses, problems
from generation.http.views import body_of
from generation.worker_api.authentication import worker_of
from generation.worker_api.payloads import MAX_WAIT_SECONDS
from generation.worker_api.views import WorkerView

MAX_ITEMS = 32
MAX_DIMENSIONS = 2_000
VECTOR_LENGTH = MAX_DIMENSIONS * 4 * 4 // 3 + 4  # of base64


def in_order(cosines: Sequence[float]) -> None:
    if list(cosines) != sorted(set(cosines)):
        raise serializers.ValidationError("The first is the smaller one.")


class Cosines(serializers.ListField):
    """[loose, strict], each −1 to 1."""

    child = serializers.FloatField(min_value=-1, max_value=1)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=2, max_length=2, validators=[in_order], **kwargs)


class Thresholds(StrictSerializer):
    """Cosines from which on two are loosely alike, and very much."""

    image = Cosines(help_text="Of two images.")
    text = Cosines(help_text="Of a text and an image.")


class EmbeddingModelField(StrictSerializer):
    name = StrictCharField(
        max_length=EMBEDDING_MODEL_LENGTH,
        validators=[RegexValidator(r"\A[A-Za-z0-9._/@-]+\Z")],
        help_text="Another one for other weights.",
    )
    dimensions = StrictIntegerField(min_value=16, max_value=MAX_DIMENSIONS)
    thresholds = Thresholds()


class EmbeddingsLeaseRequest(StrictSerializer):
    model = EmbeddingModelField()
    limit = StrictIntegerField(default=16, min_value=1, max_value=MAX_ITEMS, help_text="Of what is leased.")
    wait_s = serializers.FloatField(
        default=0, min_value=0, max_value=MAX_WAIT_SECONDS, help_text="How long to wait for something."
    )


class ImageToEmbed(serializers.Serializer[Any]):
    asset_id = serializers.UUIDField()
    url = serializers.CharField(help_text="Its thumbnail, on this server, with the worker's token.")


class TextToEmbed(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    text = serializers.CharField(max_length=SEARCH_LENGTH)


class EmbeddingsLease(serializers.Serializer[Any]):
    images = ImageToEmbed(many=True)
    texts = TextToEmbed(many=True, help_text="They come first: somebody waits for them.")
    lease_seconds = serializers.IntegerField()


class MadeVector(StrictSerializer):
    """A vector, or why there is none."""

    vector = StrictCharField(
        default="", allow_blank=True, max_length=VECTOR_LENGTH, help_text="Base64 of little-endian float32."
    )
    error = StrictCharField(default="", allow_blank=True, max_length=ERROR_MESSAGE_LENGTH)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if bool(attrs["vector"]) == bool(attrs["error"]):
            raise serializers.ValidationError("Either a vector or an error.")
        return attrs


class ImageVector(MadeVector):
    asset_id = StrictUUIDField(source="id")


class TextVector(MadeVector):
    id = StrictUUIDField()


class Embeddings(StrictSerializer):
    model = StrictCharField(max_length=EMBEDDING_MODEL_LENGTH)
    images = serializers.ListField(child=ImageVector(), default=list, max_length=MAX_ITEMS)
    texts = serializers.ListField(child=TextVector(), default=list, max_length=MAX_ITEMS)


class RejectedVector(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    code = serializers.ChoiceField(["unknown", "bad_vector"])
    message = serializers.CharField()


class EmbeddingsReceipt(serializers.Serializer[Any]):
    accepted = serializers.ListField(child=serializers.UUIDField())
    duplicate = serializers.ListField(child=serializers.UUIDField())
    rejected = RejectedVector(many=True)


class EmbeddingsLeaseView(WorkerView):
    @extend_schema(
        operation_id="worker_lease_embeddings",
        summary="Get something to embed",
        tags=["worker"],
        request=EmbeddingsLeaseRequest,
        responses={
            200: EmbeddingsLease,
            204: OpenApiResponse(description="Nothing to do within wait_s."),
            **problems(403, 404, 409, 413, 422),
        },
    )
    def post(self, request: Request) -> Response:
        """Texts or images of results to make vectors of, for the installation's one model.

        404 `no_embeddings_here`: nobody wants any. 409 `other_embedding_model`. 403 `embedding_not_allowed`.
        """
        worker, body = worker_of(request), body_of(request, EmbeddingsLeaseRequest)
        work.require_embedder(worker)
        model.adopt(**body["model"])
        leased = work.lease(worker=worker, limit=body["limit"])
        if not leased:
            return Response(status=status.HTTP_204_NO_CONTENT)
        address = "worker_api:embeddings-image"
        images = [{"asset_id": pk, "url": reverse(address, args=[pk])} for pk in leased.images]
        lease = {"images": images, "texts": leased.texts, "lease_seconds": leased.seconds}
        return Response(EmbeddingsLease(lease).data)


class EmbeddingsImageView(WorkerView):
    @extend_schema(
        operation_id="worker_embeddings_image",
        summary="Get a thumbnail to embed",
        tags=["worker"],
        responses=file_responses(THUMBNAIL_TYPE) | problems(403, 404, 422, 429),
    )
    def get(self, request: Request, asset_id: uuid.UUID) -> HttpResponseBase:
        """The thumbnail of a result, or of a video's first picture. 404 unless leased to you just now."""
        work.require_embedder(worker_of(request))
        asset = work.leased_image(worker=worker_of(request), asset_id=asset_id)
        if asset is None:
            raise NotFound("You are not asked to embed this.")
        response = media_response(request._request, asset, thumbnail=True, download=False)
        response.headers["Cache-Control"] = "private, no-store"
        return response


class EmbeddingsView(WorkerView):
    @extend_schema(
        operation_id="worker_embeddings",
        summary="Deliver embeddings",
        tags=["worker"],
        request=Embeddings,
        responses={200: EmbeddingsReceipt, **problems(403, 404, 409, 413, 422)},
    )
    def post(self, request: Request) -> Response:
        """Keep the vectors of what you leased. Safe to repeat; one that is wrong does not stop the others."""
        worker, body = worker_of(request), body_of(request, Embeddings)
        work.require_embedder(worker)
        kept = work.accept(worker=worker, name=body["model"], images=body["images"], texts=body["texts"])
        return Response(EmbeddingsReceipt(kept).data)
