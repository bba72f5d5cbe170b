"""Every address × every method × every kind of caller, on objects of somebody else."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.signals import request_finished
from django.db import close_old_connections
from django.db.models.functions import Now
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import UserSession
from downloads.archives import ArchiveSelection, create_archive
from generation.access.models import set_picture
from generation.access.tokens import revoke
from generation.assets import groupings, memberships, operations
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.core.actors import SYSTEM
from generation.jobs.previews import store_preview
from generation.models import (
    Action,
    Asset,
    BulkOperation,
    Collection,
    Job,
    PersonalToken,
    Project,
    Reference,
    SavedSearch,
    Scope,
    Source,
    Tag,
    WorkerToken,
)
from sharing.links import Shared, create_link
from tests.acting import begin_import, create_project, issue_personal_token, issue_worker_token
from tests.advertised import advertise, body
from tests.factories import (
    complete,
    lease_next,
    make_job,
    make_preset,
    make_reference,
    make_user,
    make_worker,
    png,
)
from tests.ourvidz.routes import (
    HTTP_ROUTES,
    METHODS,
    REFUSALS,
    ROUTES,
    SOCKETS,
    UNSAFE,
    Audience,
    Route,
)
from workspace.models import Preset

# 10 s each on an idle machine, more than a hundred on a busy one.
pytestmark = [pytest.mark.timeout(400), pytest.mark.any_database]
# In all that the owner wrote; nobody else may read it anywhere.
SECRET = "quokka-in-the-attic"
NAME = "a-name.png"  # of a file and of a model
NAMED = re.compile(r"<(?:\w+:)?(\w+)>")
IN_A_BODY = re.compile(r"\{(\w+)\}")
ADMIN_EXPRESSIONS = {
    "admin/^(?P<app_label>auth|generation|workspace)/$": "admin/generation/",
    "admin/(?P<url>.*)$": "admin/nothing",
}


@pytest.fixture(autouse=True)
def _without_logs() -> Iterator[None]:
    """Thousands of refusals, and a line for each."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass(frozen=True, slots=True)
class Victim:
    """An owner with one of everything, and the ids by which a stranger might ask for it."""

    user: User
    ids: dict[str, str]

    def path(self, pattern: str) -> str:
        ids = self.ids
        if pattern.startswith("api/v1/worker/"):
            ids = ids | {"job_id": ids["leased_job_id"]}
        if "tags/" in pattern or "projects/" in pattern:
            ids = ids | {"group_id": ids["tag_id" if "tags/" in pattern else "project_id"]}
        if "videos" in pattern:
            ids = ids | {"asset_id": ids["video_id"]}
        if pattern.endswith("/preview"):
            ids = ids | {"asset_id": ids["leased_asset_id"]}
        pattern = ADMIN_EXPRESSIONS.get(pattern, pattern)
        return "/" + NAMED.sub(lambda found: ids[found[1]], pattern)

    def state(self) -> list[Any]:
        """What no stranger may change."""
        own = [
            model._default_manager.filter(owner=self.user).order_by("pk").values()
            for model in (
                Job,
                Asset,
                Reference,
                PersonalToken,
                Preset,
                Project,
                Collection,
                Tag,
                BulkOperation,
                SavedSearch,
            )
        ]
        return [list(rows) for rows in own]


def organised(user: User, image: Asset) -> dict[str, Any]:
    """The ids of a collection and a tag with the image, and of an operation."""
    who: dict[str, Any] = {"owner_id": user.pk, "actor": SYSTEM}
    named = {
        kind: groupings.create(kind, name=f"{SECRET} {kind.name}", **who).pk for kind in (COLLECTIONS, TAGS)
    }
    for kind, group_id in named.items():
        memberships.add(kind, group_id=group_id, assets=[image.pk], **who)
    operation = operations.start(action=Action.RATE, value={"rating": 3}, source=Source.LIBRARY, **who)
    return {
        "group_id": named[COLLECTIONS],
        "tag_id": named[TAGS],
        "operation_id": operation.pk,
        "sort": "collection",
    }


def keep_model_for(user: User, name: str) -> None:
    """A model with a picture that the user alone may choose."""
    model = advertise(make_worker(), body(name))
    set_picture(model, io.BytesIO(png()))
    model.save()
    group = Group.objects.create(name=f"{SECRET} group")
    group.user_set.add(user)
    model.groups.add(group)


@pytest.fixture
def victim(db: None) -> Victim:
    user = make_user(f"{SECRET}-owner")
    project = create_project(owner_id=user.pk, name=f"{SECRET} project")
    image = complete(make_job(user, prompt=f"{SECRET} image"))[0]
    video = complete(make_job(user, "video_fast", prompt=f"{SECRET} video"))[0]
    job = make_job(user, prompt=f"{SECRET} leased")
    leased = lease_next(make_worker())
    assert leased.pk == job.pk
    store_preview(
        worker=leased.leased_by,
        job_id=job.pk,
        lease_token=leased.lease_token,
        slot=0,
        content=io.BytesIO(png()),
    )
    reference = make_reference(user)
    issue_personal_token(owner_id=user.pk, name=f"{SECRET} token")
    selection = ArchiveSelection(asset_ids=[image.pk])
    archive = create_archive(owner_id=user.pk, selection=selection)
    shared = Shared(asset_id=image.pk)
    link = create_link(owner_id=user.pk, actor=SYSTEM, shared=shared, days=1, with_parameters=True)
    Client().force_login(user)
    session = UserSession.objects.get(user=user)
    preset = make_preset(user, f"{SECRET} preset")
    named = {"name": f"{SECRET} search", "folded_name": f"{SECRET} search"}
    search = SavedSearch.objects.create(owner=user, query="q=fox", **named)
    keep_model_for(user, NAME)
    made = {
        "job_id": image.job_id,
        "asset_id": image.pk,
        "search_id": search.pk,
        "video_id": video.pk,
        "leased_job_id": job.pk,
        "leased_asset_id": job.slots[0].pk,
        "lease_token": leased.lease_token,
        "reference_id": reference.pk,
        "import_id": begin_import(user.pk, f"{SECRET}.png").pk,
        "project_id": project.pk,
        **organised(user, image),
        "token_id": PersonalToken.objects.get(owner=user).pk,
        "object_id": user.pk,
        "id": user.pk,
        "content_type_id": 1,
        "media": "image",
        "slot": 0,
        "type": "style",
        "name": NAME,
        "session_id": session.pk,
        "archive_id": archive.pk,
        "link_id": link.pk,
        "number": 1,
        "preset_id": preset.pk,
        "token": "abc-def",
    }
    return Victim(user, {name: str(made_id) for name, made_id in made.items()})


# The callers

CREDENTIALS: dict[str, set[Audience]] = {
    "nobody": set(),
    "a user": {Audience.PAGE, Audience.API},
    "a user by another site": {Audience.PAGE, Audience.API},
    "a token": {Audience.API},
    "a token to read": {Audience.API},
    "a token to submit": {Audience.API},
    "a token to manage": {Audience.API},
    "an expired token": set(),
    "a revoked token": set(),
    "a worker": {Audience.WORKER},
    "a revoked worker": set(),
    "an unknown token": set(),
}
FORGED = "a user by another site"
SCOPES = {f"a token to {scope}": scope for scope in Scope.values}
KNOWN_TO_THE_API = {"nobody", "a user", FORGED, "a token", *SCOPES}
KNOWN_TO_THE_ADMIN = {"nobody", "a user", FORGED}  # to it, a token is nobody


def client_of(caller: str, stranger: User) -> Client:
    """Somebody with these credentials, none of them the owner's."""
    if caller == "nobody":
        return Client(raise_request_exception=False)
    if caller in {"a user", FORGED}:
        # A form of another site has the cookie, at worst, and no CSRF token.
        client = Client(raise_request_exception=False, enforce_csrf_checks=caller == FORGED)
        client.force_login(stranger)
        return client
    return Client(raise_request_exception=False, headers=bearer(token_of(caller, stranger)))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_of(caller: str, stranger: User) -> str:
    raw = "ovu_unknown"
    if "token" in caller and caller != "an unknown token":
        scopes = [SCOPES[caller]] if caller in SCOPES else Scope.values
        raw = issue_personal_token(owner_id=stranger.pk, name="a script", scopes=scopes)
    if caller == "a revoked token":
        revoke(PersonalToken.objects.filter(owner=stranger), actor=SYSTEM)
    if caller == "an expired token":
        PersonalToken.objects.filter(owner=stranger).update(expires_at=Now())
    if caller in {"a worker", "a revoked worker"}:
        worker = make_worker()
        raw = issue_worker_token(worker)
        if caller == "a revoked worker":
            revoke(WorkerToken.objects.filter(worker=worker), actor=SYSTEM)
    return raw


def expected(route: Route, caller: str, method: str) -> tuple[int, ...]:
    """The statuses that are right."""
    if route.audience is Audience.SCHEMA and caller not in KNOWN_TO_THE_API:
        return (401,)
    if route.audience in REFUSALS and route.audience not in CREDENTIALS[caller]:
        refusal = route.without_session.get(method, REFUSALS[route.audience])
        return (refusal, *((403,) if caller == FORGED else ()))
    if caller == FORGED:
        return (
            (403, 405, 415)
            if route.audience is Audience.SCHEMA
            else (403, *({404} & {*route.answer(method)}))
        )
    answer = route.answer(method)
    if route.audience is Audience.API and caller in SCOPES and method != "OPTIONS" and answer != (405,):
        return answer if route.scope(method) == SCOPES[caller] else (403,)
    return answer


# The walk


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern)
        else:
            yield from patterns(entry, prefix + str(entry.pattern))


def test_no_address_is_missing_in_the_table() -> None:
    there = set(patterns(get_resolver()))
    assert there - set(ROUTES) == set(), "say in tests/ourvidz/routes.py whom they answer, and what"
    assert set(ROUTES) - there == set(), "no longer there"


def methods_of(caller: str, route: Route) -> Iterator[str]:
    """All of them, without those that another caller tries alike."""
    for method in METHODS:
        if caller == FORGED and method not in UNSAFE:
            continue
        if route.audience is Audience.OPERATOR and caller not in KNOWN_TO_THE_ADMIN and method != "GET":
            continue
        if caller in SCOPES and route.audience is not Audience.API:
            continue  # as with any token
        yield method


def call(client: Client, method: str, pattern: str, victim: Victim) -> Any:
    route, path = ROUTES[pattern], victim.path(pattern)
    body = json.loads(IN_A_BODY.sub(lambda found: victim.ids[found[1]], json.dumps(route.body)))
    lease = {"X-Lease-Token": victim.ids["lease_token"]}
    if method not in UNSAFE:
        return client.generic(method, path)
    if route.audience is Audience.WORKER and method == "PUT":
        return client.put(path, png(), content_type="image/png", headers=lease)
    if route.audience in {Audience.API, Audience.WORKER}:
        return client.generic(method, path, json.dumps(body), content_type="application/json")
    return client.post(path, body) if method == "POST" else client.generic(method, path)


def body_of(answer: Any) -> bytes:
    """All of it. Closing a file's answer would close the connection of the test's transaction too."""
    body: bytes = answer.getvalue()
    if answer.streaming:
        request_finished.disconnect(close_old_connections)
        answer.close()
        request_finished.connect(close_old_connections)
    return body


@pytest.mark.parametrize("caller", CREDENTIALS)
def test_nobody_gets_at_what_is_anothers(caller: str, victim: Victim) -> None:
    stranger = make_user("a-stranger")
    client = client_of(caller, stranger)
    before, wrong = victim.state(), []
    for pattern, route in ROUTES.items():
        for method in methods_of(caller, route):
            answer = call(client, method, pattern, victim)
            if answer.status_code not in (right := expected(route, caller, method)):
                wrong.append(f"{method} /{pattern}: {answer.status_code} instead of {right}")
            if SECRET.encode() in body_of(answer):
                wrong.append(f"{method} /{pattern} shows what the owner wrote")
            if caller == "a user" and settings.SESSION_COOKIE_NAME in answer.cookies:  # signed out
                client.force_login(stranger)
    assert wrong == []
    assert victim.state() == before


NO_PAGE = {(405,), (302,), (422,)}  # the last is a question, asked here without its words


def test_the_owner_finds_all_of_it_there(victim: Victim) -> None:
    """Else nothing would be hidden from the others."""
    client = Client(raise_request_exception=False)
    client.force_login(victim.user)
    missing = []
    for pattern, route in ROUTES.items():
        if (
            route.audience in {Audience.PAGE, Audience.API, Audience.FILE}
            and route.answer("GET") not in NO_PAGE
        ):
            answer = client.get(victim.path(pattern))
            if answer.status_code != 200 or not body_of(answer):
                missing.append(f"/{pattern}: {answer.status_code}")
    assert missing == []


def test_operators_see_every_page_of_the_admin(victim: Victim) -> None:
    client = Client(raise_request_exception=False)
    operator = User.objects.create_superuser("operator")
    broken = []
    for pattern, route in ROUTES.items():
        if route.audience is Audience.OPERATOR:
            client.force_login(operator)  # one of them signs out
            for method in ("GET", "POST"):
                answer = client.generic(method, victim.path(pattern))
                if answer.status_code >= 500:
                    broken.append(f"{method} /{pattern}: {answer.status_code}")
    assert broken == [], "\n".join(broken)


# What is routed beside Django


def test_no_address_beside_django_is_missing() -> None:
    asgi = import_module("ourvidz.asgi")
    assert [str(route.pattern) for route in asgi.routed.routes] == HTTP_ROUTES
    assert [str(route.pattern) for route in asgi.sockets.routes] == [*SOCKETS, ""]


def scope_of(
    kind: str, path: str, client: Client, *, method: str = "GET", origin: str = "http://localhost"
) -> dict[str, Any]:
    """A request of the client's as daphne passes it on."""
    cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items())
    sent = {"host": "localhost", "origin": origin, "content-type": "application/json"}
    sent |= {"cookie": cookies, "authorization": client.defaults.get("HTTP_AUTHORIZATION", "")}
    headers = [(name.encode(), value.encode()) for name, value in sent.items() if value]
    addresses = {"server": ("localhost", 80), "client": ("127.0.0.1", 9), "scheme": "http"}
    url = {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    return (
        {"type": kind, "http_version": "1.1", "headers": headers, "subprotocols": [], "method": method}
        | addresses
        | url
    )


async def answer_of(scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    communicator = ApplicationCommunicator(import_module("ourvidz.asgi").application, scope)
    await communicator.send_input({"type": "http.request", "body": body, "more_body": False})
    start, shown, more = await communicator.receive_output(20), b"", True
    while more:
        part = await communicator.receive_output(20)
        shown, more = shown + part.get("body", b""), part.get("more_body", False)
    await communicator.wait(20)
    return start["status"], shown


@pytest.mark.django_db(transaction=True)
async def test_the_lease_call_is_for_workers(victim: Victim) -> None:
    """Its long poll reads the body before Django is asked; a job that another holds is not given."""
    route, wrong = ROUTES["api/v1/worker/lease"], []
    for caller in CREDENTIALS:
        client = await sync_to_async(client_of)(caller, await sync_to_async(make_user)())
        for method in METHODS:
            body = json.dumps(route.body).encode() if method in UNSAFE else b""
            scope = scope_of("http", "/api/v1/worker/lease", client, method=method)
            scope["headers"].append((b"content-length", str(len(body)).encode()))
            status, shown = await answer_of(scope, body)
            if status not in (right := expected(route, caller, method)) or SECRET.encode() in shown:
                wrong.append(f"{method} by {caller}: {status} instead of {right}")
    assert wrong == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", SOCKETS)
async def test_a_socket_shows_its_own_user_only(path: str, victim: Victim) -> None:
    wrong = []
    for caller in CREDENTIALS:
        client = await sync_to_async(client_of)(caller, await sync_to_async(make_user)())
        origin = "http://evil.example" if caller == FORGED else "http://localhost"
        messages = await messages_of(scope_of("websocket", f"/{path}", client, origin=origin))
        opened = any(message["type"] == "websocket.send" for message in messages)
        if opened != (caller == "a user") or SECRET in json.dumps(messages):
            wrong.append(f"{caller}: {messages}")
    assert wrong == []


async def messages_of(scope: dict[str, Any]) -> list[dict[str, Any]]:
    """What a socket is answered that asks for everything."""
    socket = ApplicationCommunicator(import_module("ourvidz.asgi").application, scope)
    await socket.send_input({"type": "websocket.connect"})
    messages = [await socket.receive_output(20)]
    if messages[0]["type"] == "websocket.accept":
        request = json.dumps({"after": 0})
        await socket.send_input({"type": "websocket.receive", "text": request})
        messages.append(await socket.receive_output(20))
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(20)
    return messages
