"""What the views of the Workspace share: a POST by the owner, and the answer to a refusal."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from generation.core.errors import DomainError, JobNotFound
from workspace.presets import PresetNotFound
from workspace.responses import refused

P = ParamSpec("P")


class OwnersRequest(HttpRequest):
    """A request behind `login_required`, for the type checker."""

    user: User


def action(view: Callable[Concatenate[OwnersRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """A POST of a signed-in owner; what is not theirs does not exist."""

    @wraps(view)
    def checked(request: OwnersRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (JobNotFound, PresetNotFound) as missing:
            raise Http404 from missing
        except DomainError as refusal:
            return refused(request, refusal.message)

    return never_cache(login_required(require_POST(checked)))
