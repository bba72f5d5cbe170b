"""The models that the caller may use."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from generation.access.models import picture_of, usable_models
from generation.api.model_responses import ModelList
from generation.http.openapi import file_responses, problems
from generation.http.views import ApiView, owner_of
from generation.models import Scope
from generation.queue.snapshot import Snapshot


class Models(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="models_list",
        summary="List models",
        tags=["account"],
        responses={200: ModelList, **problems()},
    )
    def get(self, request: Request) -> Response:
        """What you can name as `model` in a submission, by name: what it makes and what can be chosen."""
        models = usable_models(owner_of(request).pk)
        online = Snapshot().served_models if models else frozenset()
        return Response(ModelList({"models": models}, context={"online": online}).data)


class ModelPicture(ApiView):
    required_scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        operation_id="models_picture",
        summary="Get a model's picture",
        tags=["files"],
        responses=file_responses("image/webp") | problems(404),
    )
    def get(self, request: Request, name: str) -> HttpResponse:
        """An example of what it makes, chosen by the operator: a small WebP."""
        picture = picture_of(owner_of(request).pk, name)
        headers = {
            "Cache-Control": "private, max-age=300",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return HttpResponse(picture, content_type="image/webp", headers=headers)
