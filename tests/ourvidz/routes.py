"""Every address of the site: whom it answers, by which methods, and what where the objects are another's.

`ROUTES` is keyed by the pattern as the resolver spells it; `test_every_route` fails on one that is missing.
Names in braces in a body stand for ids of the owner whose objects the address names.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Statuses = int | tuple[int, ...]
OPTIONS = (200, 204, 405)
# Where a view reads nothing of the request it may answer any method alike, or refuse it.
ALIKE = (200, 405)


class Audience(enum.Enum):
    """Whose credentials an address takes."""

    ANYBODY = enum.auto()
    SCHEMA = enum.auto()  # anybody's, but a wrong token is said to be wrong
    FILE = enum.auto()  # the owner's session; for everybody else there is nothing
    PAGE = enum.auto()
    API = enum.auto()
    WORKER = enum.auto()
    OPERATOR = enum.auto()


# What callers without those credentials are answered, whatever the method.
REFUSALS = {Audience.PAGE: 302, Audience.API: 401, Audience.WORKER: 401, Audience.OPERATOR: 302}


@dataclass(frozen=True, slots=True)
class Route:
    """`answers`: what a stranger with the right credentials gets, by method; 405 where one is not named."""

    audience: Audience
    answers: Mapping[str, Statuses]
    body: Mapping[str, Any] = field(default_factory=dict)
    changes_by: str = "manage"  # the scope that a token needs for what is no reading
    without_session: Mapping[str, int] = field(default_factory=dict)  # by method, where it differs

    def scope(self, method: str) -> str:
        return "read" if method in {"GET", "HEAD"} else self.changes_by

    def answer(self, method: str) -> tuple[int, ...]:
        usual = OPTIONS if method == "OPTIONS" else 405
        found = self.answers.get("GET" if method == "HEAD" else method, self.answers.get("*", usual))
        return found if isinstance(found, tuple) else (found,)


def anybody(body: Mapping[str, Any] | None = None, /, **answers: Statuses) -> Route:
    return Route(Audience.ANYBODY, answers, body or {})


def page(body: Mapping[str, Any] | None = None, /, **answers: Statuses) -> Route:
    return Route(Audience.PAGE, answers, body or {})


def api(body: Mapping[str, Any] | None = None, /, **answers: Statuses) -> Route:
    return Route(Audience.API, answers, body or {})


def submitting(body: Mapping[str, Any] | None = None, /, **answers: Statuses) -> Route:
    return Route(Audience.API, answers, body or {}, changes_by="submit")


def worker(body: Mapping[str, Any] | None = None, /, **answers: Statuses) -> Route:
    return Route(Audience.WORKER, answers, body or {})


FILE = Route(Audience.FILE, {"GET": 404})
SCHEMA = Route(Audience.SCHEMA, {"GET": 200, "POST": (405, 415)})
OPERATOR = Route(Audience.OPERATOR, {"*": 302})

ASSETS = {"assets": ["{asset_id}", "{video_id}"]}
# The lease token of a job that another worker holds.
STOLEN_LEASE = {"lease_token": "{lease_token}"}
STOLEN_SUBMISSION = {
    "job_type": "sdxl_image_fast",
    "prompt": "somebody else's picture",
    "project": "{project_id}",
    "references": [{"type": "style", "reference": "{reference_id}"}],
}
CALLBACK = STOLEN_LEASE | {"job_id": "{leased_job_id}", "status": "completed", "assets": []}

ROUTES: dict[str, Route] = {
    "healthz": Route(Audience.ANYBODY, {"GET": 200, "*": ALIKE}),
    "favicon.ico": Route(Audience.ANYBODY, {"GET": 302, "*": (302, 405)}),
    "api/schema/": SCHEMA,
    "api/docs/": SCHEMA,
    # Accounts
    "sign-in/": anybody(
        GET=(200, 302), POST=(200, 302), PUT=(200, 302, 405), **{"*": (302, 405)}, OPTIONS=(200, 302)
    ),
    "sign-in/once/<path:token>/": anybody(GET=410, POST=410),
    "sign-out/": anybody(POST=302),
    "account/": page(GET=200, **{"*": ALIKE}),
    "account/confirm": page(GET=302, POST=422),  # a fresh sign-in is not asked again
    "account/sessions/end-others": page(POST=302),
    "account/sessions/<uuid:session_id>/end": page(POST=404),
    "account/password": page(POST=422),
    "account/tokens": page(POST=422),
    "account/tokens/<uuid:token_id>/revoke": page(POST=404),
    # The Workspace and the Library
    "": page(GET=200),
    # Without a redirect, which would lose what was typed.
    "workspace/submit": Route(
        Audience.PAGE, {"POST": 422}, without_session=dict.fromkeys(METHODS, 405) | {"POST": 403}
    ),
    "workspace/forecast": page(GET=422, POST=422),
    "workspace/changes": page(GET=200),
    "workspace/recall": page(GET=200, POST=422),
    "workspace/recall/file": submitting(PUT=415),
    "workspace/recall/<uuid:asset_id>": page(GET=404),
    "workspace/cancel": page(POST=302),
    "workspace/undo-cancel": page(POST=302),
    "workspace/pause": page(POST=302),
    "workspace/resume": page(POST=302),
    "workspace/clear": page(POST=302),
    "workspace/undo-clear": page(POST=302),
    "workspace/undo-review": page(POST=302),
    "workspace/restore": page(ASSETS, POST=302),
    "workspace/prompts": page(GET=200),
    "workspace/enter-sends": page(POST=302),
    "workspace/models": page(GET=200),
    "workspace/models/<str:name>": page(GET=404),
    "workspace/show-settings": page(POST=200),
    "workspace/presets": page(GET=200),
    "workspace/presets/save": page(POST=200),
    "workspace/presets/<uuid:preset_id>/overwrite": page(POST=404),
    "workspace/presets/<uuid:preset_id>/rename": page(POST=(302, 404)),
    "workspace/presets/<uuid:preset_id>/delete": page(POST=404),
    "workspace/presets/<uuid:preset_id>/restore": page(POST=404),
    "workspace/jobs/<uuid:job_id>/cancel": page(POST=404),
    "workspace/jobs/<uuid:job_id>/menu": page(GET=404),
    "workspace/assets/<str:media>/<uuid:asset_id>/menu": page(GET=404),
    "workspace/jobs/<uuid:job_id>/retry": page(POST=404),
    "workspace/jobs/<uuid:job_id>/run-again": page(POST=404),
    "workspace/jobs/<uuid:job_id>/move": page(POST=404),
    "workspace/jobs/<uuid:job_id>/save": page(POST=404),
    "workspace/jobs/<uuid:job_id>/discard": page(POST=404),
    "workspace/jobs/<uuid:job_id>/clear": page(POST=404),
    "workspace/assets/<str:media>/<uuid:asset_id>/save": page(POST=404),
    "workspace/assets/<str:media>/<uuid:asset_id>/keep": page(POST=404),
    "workspace/assets/<str:media>/<uuid:asset_id>/discard": page(POST=404),
    "workspace/assets/<str:media>/<uuid:asset_id>/restore": page(POST=404),
    "library/": page(GET=200),
    "library/trash/": page(GET=200),
    "library/parts": page(GET=200),
    "library/ids": page(GET=422),
    "library/compare": page(GET=302, POST=302),
    "library/import/": page(GET=200, POST=422),
    "library/discard": page(ASSETS, POST=302),
    "library/restore": page(ASSETS, POST=302),
    "library/favourite": page(ASSETS, POST=302),
    "library/unfavourite": page(ASSETS, POST=302),
    "library/searches/save": page({"name": "Foxes", "query": "q=fox"}, POST=302),
    "library/searches/<uuid:search_id>/rename": page({"name": "Owls"}, POST=404),
    "library/searches/<uuid:search_id>/delete": page(POST=404),
    "library/<str:media>/<uuid:asset_id>/": page(GET=404),
    "library/<str:media>/<uuid:asset_id>/rate": page(POST=404),
    "sharing/": page(GET=200),
    "sharing/new": page({"asset": "{asset_id}", "days": "7"}, POST=404),
    "sharing/<uuid:link_id>/revoke": page(POST=404),
    "sharing/<uuid:link_id>/restore": page(POST=404),
    "s/<str:token>/": anybody(GET=404),
    "s/<str:token>/<uuid:asset_id>/": anybody(GET=404),
    "s/<str:token>/<uuid:asset_id>/file": anybody(GET=404),
    "s/<str:token>/<uuid:asset_id>/thumbnail": anybody(GET=404),
    "downloads/": page(ASSETS, POST=422),
    "downloads/library.jsonl": page(GET=200),
    "downloads/<uuid:archive_id>/": page(GET=404),
    "downloads/<uuid:archive_id>/more": page(POST=404),
    "downloads/<uuid:archive_id>/<int:number>.zip": page(GET=404),
    "library/<str:media>/<uuid:asset_id>/title": page({"title": "mine"}, POST=404),
    "library/rate": page(ASSETS | {"stars": 5}, POST=302),
    "library/add-tag": page(ASSETS | {"add_tag": "mine"}, POST=302),
    "library/remove-tag": page(ASSETS | {"add_tag": "mine"}, POST=302),
    "library/add-to-collection": page(ASSETS | {"add_collection": "mine"}, POST=302),
    "library/remove-from-collection": page(ASSETS | {"add_collection": "mine"}, POST=302),
    "library/move": page(ASSETS | {"move_to": "mine"}, POST=302),
    "library/trash/delete": page(ASSETS, POST=302),
    "library/trash/empty": page(POST=302),
    "library/operations/<uuid:operation_id>/cancel": page(POST=404),
    "library/operations/<uuid:operation_id>/undo": page(POST=404),
    "library/operations/<uuid:operation_id>/dismiss": page(POST=404),
    # Files
    "media/reference/<uuid:reference_id>/file": FILE,
    "media/reference/<uuid:reference_id>/thumbnail": FILE,
    "media/<str:media>/<uuid:asset_id>/file": FILE,
    "media/<str:media>/<uuid:asset_id>/file/<str:name>": FILE,
    "media/<str:media>/<uuid:asset_id>/thumbnail": FILE,
    "media/<str:media>/<uuid:asset_id>/preview": FILE,
    # The API for users
    "api/v1/jobs": submitting(STOLEN_SUBMISSION, GET=200, POST=422),
    "api/v1/jobs/cancel": submitting(POST=200),
    "api/v1/queue/pause": submitting(POST=200),
    "api/v1/queue/resume": submitting(POST=200),
    "api/v1/jobs/<uuid:job_id>": api(GET=404),
    "api/v1/jobs/<uuid:job_id>/cancel": submitting(POST=404),
    "api/v1/jobs/<uuid:job_id>/retry": submitting(POST=404),
    "api/v1/jobs/<uuid:job_id>/run-again": submitting(POST=404),
    "api/v1/jobs/<uuid:job_id>/move": submitting({"to": "first"}, POST=404),
    "api/v1/assets": api(GET=200),
    "api/v1/assets/trash": api(GET=200),
    "api/v1/assets/save": api(ASSETS, POST=200),
    "api/v1/assets/discard": api(ASSETS, POST=200),
    "api/v1/assets/restore": api(ASSETS, POST=200),
    "api/v1/assets/rate": api(ASSETS | {"rating": 5}, POST=200),
    "api/v1/assets/favourite": api(ASSETS | {"favourite": True}, POST=200),
    "api/v1/assets/<uuid:asset_id>": api({"title": "stolen"}, GET=404, PATCH=404),
    "api/v1/images/<uuid:asset_id>": api(GET=404),
    "api/v1/images/<uuid:asset_id>/file": api(GET=404),
    "api/v1/images/<uuid:asset_id>/thumbnail": api(GET=404),
    "api/v1/videos/<uuid:asset_id>": api(GET=404),
    "api/v1/videos/<uuid:asset_id>/file": api(GET=404),
    "api/v1/videos/<uuid:asset_id>/thumbnail": api(GET=404),
    "api/v1/imports": submitting(
        {"files": [{"name": "a.png", "media": "image"}], "project": "{project_id}"}, POST=422
    ),
    "api/v1/imports/<uuid:import_id>": submitting(PUT=415),
    "api/v1/references": submitting(GET=200, PUT=415),
    "api/v1/references/<uuid:reference_id>": api(GET=404, DELETE=404),
    "api/v1/references/<uuid:reference_id>/file": api(GET=404),
    "api/v1/references/<uuid:reference_id>/thumbnail": api(GET=404),
    "api/v1/changes": api(GET=200),
    "api/v1/job-types": api(GET=200),
    "api/v1/models": api(GET=200),
    "api/v1/models/<str:name>/picture": api(GET=404),
    "api/v1/projects": api(GET=200, POST=422),
    "api/v1/projects/<uuid:project_id>": api({"name": "stolen"}, GET=404, PATCH=404),
    "api/v1/projects/<uuid:project_id>/merge": api({"into": "{project_id}"}, POST=404),
    "api/v1/projects/<uuid:project_id>/delete": api({"assets": "trash"}, POST=404),
    "api/v1/assets/move": api(ASSETS | {"project": "{project_id}"}, POST=404),
    "api/v1/assets/delete": api(ASSETS, POST=200),
    "api/v1/operations": api({"action": "add_tag", "tag": "{tag_id}"}, GET=200, POST=404),
    "api/v1/operations/<uuid:operation_id>": api(GET=404),
    "api/v1/operations/<uuid:operation_id>/cancel": api(POST=404),
    "api/v1/operations/<uuid:operation_id>/undo": api(POST=404),
    "api/v1/me": api(GET=200),
    "api/v1/": Route(Audience.ANYBODY, {"*": 404, "OPTIONS": 404}),
    # The API for workers; the lease call comes here by way of its long poll
    "api/v1/worker/lease": worker({"engines": ["sdxl", "wan"]}, POST=204),
    "api/v1/worker/jobs/<uuid:job_id>/heartbeat": worker(STOLEN_LEASE, POST=404),
    "api/v1/worker/jobs/<uuid:job_id>/uploads/<int:slot>": worker(PUT=404),
    "api/v1/worker/jobs/<uuid:job_id>/previews/<int:slot>": worker(PUT=404),
    "api/v1/worker/jobs/<uuid:job_id>/references/<str:type>": worker(GET=404),
    "api/v1/worker/jobs/<uuid:job_id>/release": worker(STOLEN_LEASE, POST=404),
    "api/v1/worker/job-callback": worker(CALLBACK, POST=404),
    "api/v1/worker/benchmark": worker(POST=422),
    "api/v1/worker/embeddings/lease": worker(POST=422),
    "api/v1/worker/embeddings/images/<uuid:asset_id>": worker(GET=403),  # it may not embed
    "api/v1/worker/embeddings": worker(POST=422),
    "api/v1/worker/token": worker(POST=403),  # that worker was made by hand
    "api/v1/worker/enrol": Route(Audience.WORKER, {"*": 401, "OPTIONS": 401}),  # no worker's token opens it
}

# Collections, tags and projects have the same pages and calls.
for plural in ("collections", "tags", "projects"):
    one = f"library/{plural}/<uuid:group_id>"
    ROUTES |= {
        f"library/{plural}/": page(GET=200),
        f"library/{plural}/create": page(POST=302),
        f"library/{plural}/names": page(GET=200),
        f"{one}/edit": page(GET=404),
        f"{one}/rename": page({"name": "stolen"}, POST=404),
        f"{one}/merge": page({"into": "{project_id}"}, POST=404),
        f"{one}/delete": page({"assets": "move"}, POST=404),
    }
for plural in ("collections", "tags"):
    one = f"api/v1/{plural}/<uuid:group_id>"
    ROUTES |= {
        f"library/{plural}/<uuid:group_id>/undelete": page(POST=404),
        f"api/v1/{plural}": api(GET=200, POST=422),
        one: api({"name": "stolen"}, GET=404, PATCH=404, DELETE=404),
        f"{one}/add": api(ASSETS, POST=404),
        f"{one}/remove": api(ASSETS, POST=404),
        f"{one}/merge": api({"into": "{group_id}"}, POST=404),
        f"{one}/restore": api(POST=404),
    }

# The admin makes the same addresses for every model.
ADMIN_ADDRESSES = {
    "", "login/", "logout/", "password_change/", "password_change/done/", "autocomplete/", "jsi18n/",
    "r/<path:content_type_id>/<path:object_id>/", "^(?P<app_label>auth|generation|workspace)/$",
    "(?P<url>.*)$", "auth/user/<id>/password/",
}  # fmt: skip
ADMIN_MODELS = {
    "auth": ("group", "user"),
    "generation": (
        "attempt", "enrolment", "image", "job", "model", "outboxevent", "personaltoken", "project",
        "userquota", "video", "worker", "workertoken",
    ),
    "workspace": ("preset",),
}  # fmt: skip
OF_A_MODEL = (
    "", "add/", "<path:object_id>/history/", "<path:object_id>/delete/", "<path:object_id>/change/",
    "<path:object_id>/",
)  # fmt: skip
ROUTES |= {f"admin/{address}": OPERATOR for address in ADMIN_ADDRESSES}
ROUTES |= {
    f"admin/{app}/{model}/{address}": OPERATOR
    for app, models in ADMIN_MODELS.items()
    for model in models
    for address in OF_A_MODEL
}
# It shows the form to those who may not enter, staff or not.
ROUTES["admin/password_change/"] = Route(
    Audience.ANYBODY, {"*": (302, 405), "GET": 302, "OPTIONS": (302, 405)}
)
ROUTES["admin/login/"] = anybody(GET=200, POST=200, PUT=(200, 405))
# Routed beside Django, in ourvidz.asgi; what follows the lease call is everything above.
HTTP_ROUTES = ["api/v1/worker/lease", "api/v1/worker/embeddings/lease", ""]
SOCKETS = ["ws/workspace/", "ws/library/"]
