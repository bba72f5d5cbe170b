"""The answer to unknown addresses."""

from __future__ import annotations

from typing import Any, NoReturn

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from generation.http.views import ApiView


class NotFoundView(ApiView):
    """Unknown addresses under the API answer with a problem object too."""

    permission_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotFound("There is no such address.")
