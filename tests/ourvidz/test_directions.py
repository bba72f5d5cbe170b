"""Text from people runs as its own first letter says, wherever it is shown or typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.sign_in_links import sign_in_path
from generation.assets import groupings, memberships, operations
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.assets.titles import set_title
from generation.core.actors import SYSTEM
from generation.models import Action, Asset, Collection, Job, Project, Source, Tag
from sharing.links import Shared, create_link, token_of
from tests.acting import create_project, discard, issue_personal_token
from tests.advertised import FILM, advertise, body
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    lease_next,
    make_job,
    make_preset,
    make_worker,
)
from tests.generation.parameter_files import png_with
from tests.ourvidz.routes import ROUTES, Audience

pytestmark = pytest.mark.any_database

MARK = "סימן"  # in all that people wrote
PASSWORD = "a good long password"
SHOWN = {"alt", "aria-label", "title", "placeholder", "value"}
EMPTY = {"img", "input", "br", "hr", "meta", "link", "use", "source", "col", "wbr"}
# Much more than a text: what a page says itself would follow the first name on it.
CONTAINERS = {
    "html",
    "body",
    "main",
    "header",
    "nav",
    "section",
    "form",
    "ul",
    "ol",
    "dl",
    "table",
    "fieldset",
}
Attributes = list[tuple[str, str | None]]


class Directions(HTMLParser):
    """How often the mark is shown, and where it is without a direction of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.marks = 0
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attributes: Attributes) -> None:
        named = dict(attributes)
        is_hidden = named.get("type") == "hidden"
        for name, value in attributes:
            if name in SHOWN and MARK in (value or "") and not is_hidden:
                self.check(f"<{tag} {name}>", is_automatic(tag, named))
        if named.get("dir") == "auto" and tag in CONTAINERS:
            self.wrong.append(f"a whole <{tag}>")
        if tag not in EMPTY:
            self.open.append((tag, named))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, text: str) -> None:
        if MARK in text and self.open[-1][0] not in {"script", "style"}:
            path = " ".join(f"<{tag}>" for tag, _ in self.open[-3:])
            self.check(path, any(is_automatic(tag, named) for tag, named in self.open))

    def check(self, place: str, is_right: bool) -> None:
        self.marks += 1
        self.wrong += [] if is_right else [place]


def is_automatic(tag: str, attributes: dict[str, str | None]) -> bool:
    return tag == "bdi" or attributes.get("dir") == "auto"


@dataclass
class Writer:
    """An operator who wrote the mark wherever one can write."""

    user: User
    client: Client = field(default_factory=Client)

    def sign_in(self) -> None:
        self.client.post("/sign-in/", {"username": MARK, "password": PASSWORD})

    def asset(self, media: str) -> Asset:
        of_medium = Asset.objects.filter(media=media, saved_at__isnull=False, trashed_at=None)
        return of_medium.order_by("id")[0]

    def get(self, path: str) -> str:
        return self.client.get(path).content.decode()

    def post(self, path: str, **form: str) -> str:
        return self.client.post(path, form, follow=True).content.decode()

    def compare(self) -> str:
        both = self.asset("image"), self.asset("video")
        return self.get("/library/compare?" + "&".join(f"asset={asset.pk}" for asset in both))

    def edited(self, plural: str) -> str:
        """The page that edits the last of these."""
        listed = self.get(f"/library/{plural}/")
        links = re.findall(f'href="([^"]+/edit)" aria-label="Edit [^"]*{MARK}', listed)
        return self.get(str(links[-1]))

    def details(self, media: str) -> str:
        return self.get(reverse("library:asset", args=[media, self.asset(media).pk]))


@pytest.fixture
def writer(db: None) -> Writer:
    """With a job in each state, a token, a project, and something in the trash."""
    user = User.objects.create_superuser(MARK, password=PASSWORD)
    create_project(owner_id=user.pk, name=MARK)
    issue_personal_token(owner_id=user.pk, name=MARK)
    for kind in (COLLECTIONS, TAGS):
        for name in (MARK, f"{MARK} 2"):  # one to merge with
            groupings.create(kind, owner_id=user.pk, actor=SYSTEM, name=name)
    texts = {"prompt": f"{MARK} prompt", "negative_prompt": f"{MARK} not"}
    worker = make_worker(f"{MARK} worker")
    Project.objects.filter(is_default=True).update(name=f"{MARK} project")
    for job_type in ("sdxl_image_fast", "video_fast"):
        for kept in (True, False):
            [asset] = complete(make_job(user, job_type, **texts), worker)
            if not kept:
                discard(owner_id=user.pk, assets=[asset.pk])
    complete(make_job(user, "video_fast", review=True, **texts), worker)
    named = Project.objects.get(name=MARK)
    make_job(user, project_id=named.pk, quantity=3, **texts)
    leased = lease_next(worker)
    call_back(leased, completed(leased, 0), failed(leased, 1), failed(leased, 2), error_message=MARK)
    make_job(user, "video_fast", **texts)
    lease_next(worker)
    make_job(user, project_id=named.pk, **texts)
    Job.objects.update(enhanced_prompt=f"{MARK} enhanced")
    make_preset(user, MARK)
    picture = Asset.objects.filter(saved_at__isnull=False, trashed_at=None, media="image").order_by("id")[0]
    tag = Tag.objects.order_by("id")[0]
    who: dict[str, Any] = {"owner_id": user.pk, "actor": SYSTEM}
    memberships.add(TAGS, group_id=tag.pk, assets=[picture.pk], **who)
    set_title(asset_id=picture.pk, title=f"{MARK} title", **who)
    operations.start(
        action=Action.ADD_TAG, value={"group": str(tag.pk)}, name=MARK, source=Source.LIBRARY, **who
    )
    return Writer(user)


# By the route's pattern, or by what is done there.
PAGES: dict[str, Callable[[Writer], str]] = {
    "": lambda writer: writer.get("/"),
    "library/": lambda writer: writer.get("/library/"),
    "library/import/": lambda writer: writer.get("/library/import/"),
    "workspace/recall": lambda writer: recalled(writer),
    "library/trash/": lambda writer: writer.get("/library/trash/"),
    "library/compare": lambda writer: writer.compare(),
    "library/<str:media>/<uuid:asset_id>/": lambda writer: writer.details("image"),
    "a video's page": lambda writer: writer.details("video"),
    "a search that finds nothing": lambda writer: writer.get(f"/library/?q={MARK}+nothing"),
    "a job used again": lambda writer: writer.get(f"/?from={Job.objects.order_by('-id')[0].pk}"),
    "a refused submission": lambda writer: writer.post(
        "/workspace/submit", prompt=MARK, negative_prompt=f"{MARK}\x07", new_project=f"{MARK}\x07"
    ),
    "workspace/jobs/<uuid:job_id>/menu": lambda writer: writer.get(
        f"/workspace/jobs/{writer.asset('image').job_id}/menu"
    ),
    "workspace/assets/<str:media>/<uuid:asset_id>/menu": lambda writer: writer.get(
        f"/workspace/assets/image/{writer.asset('image').pk}/menu"
    ),
    "workspace/prompts": lambda writer: writer.get(f"/workspace/prompts?q={MARK}"),
    "workspace/models": lambda writer: of_model(writer, "/workspace/models"),
    "workspace/models/<str:name>": lambda writer: of_model(writer, f"/workspace/models/{FILM}"),
    "workspace/presets": lambda writer: writer.get("/workspace/presets"),
    "a submission without a session": lambda _: (
        Client().post("/workspace/submit", {"prompt": MARK, "new_project": MARK}).content.decode()
    ),
    "sharing/": lambda writer: shared(writer, "/sharing/"),
    "a shared collection": lambda writer: shared(writer),
    "a shared image": lambda writer: shared(writer, of_collection=False),
    "account/": lambda writer: writer.get("/account/"),
    "account/confirm": lambda writer: confirm_page(writer),
    "a refused password": lambda writer: writer.post("/account/password", old_password="wrong"),
    "a refused token": lambda writer: writer.post("/account/tokens", name=MARK),
    "a refused sign-in": lambda writer: (
        Client().post("/sign-in/", {"username": f"{MARK}2", "password": "wrong"}).content.decode()
    ),
    "a link": lambda writer: Client().get(sign_in_path(writer.user)).content.decode(),
    "deleting an account": lambda writer: writer.get(f"/admin/auth/user/{other_user().pk}/delete/"),
    "rotating a token": lambda writer: rotate(writer),
}


GROUPINGS = ("collections", "tags", "projects")
for plural in GROUPINGS:
    PAGES[f"library/{plural}/"] = partial(Writer.get, path=f"/library/{plural}/")
    PAGES[f"library/{plural}/<uuid:group_id>/edit"] = partial(Writer.edited, plural=plural)
PAGES["a tag's pictures"] = lambda writer: writer.get(f"/library/?tag={Tag.objects.all()[0].pk}")


def other_user() -> User:
    return User.objects.create_user(f"{MARK}-other")


def confirm_page(writer: Writer) -> str:
    session = writer.client.session
    session["confirmed_at"] = 0
    session.save()
    return writer.get("/account/confirm")


def shared(writer: Writer, path: str = "", *, of_collection: bool = True) -> str:
    """The page at the path, or that of a new link."""
    image, collection = writer.asset("image"), Collection.objects.order_by("id")[0]
    what = Shared(collection_id=collection.pk) if of_collection else Shared(asset_id=image.pk)
    owner_id = writer.user.pk
    link = create_link(owner_id=owner_id, actor=SYSTEM, shared=what, days=1, with_parameters=True)
    return writer.get(path or reverse("sharing:public", args=[token_of(link)]))


def rotate(writer: Writer) -> str:
    worker = Job.objects.exclude(leased_by=None)[0].leased_by
    return writer.post("/admin/generation/worker/", action="rotate_token", _selected_action=str(worker.pk))


def recalled(writer: Writer) -> str:
    text = f"{MARK}\nNegative prompt: {MARK}\nSteps: 1, Seed: 1, Sampler: {MARK}, {MARK}: 1"
    file = SimpleUploadedFile("a.png", png_with({"parameters": text}), "image/png")
    return writer.client.post("/workspace/recall", {"file": file}).content.decode()


def marked_places(page: str) -> Iterator[str]:
    directions = Directions()
    # What Django's admin says of who is signed in and where one is.
    directions.feed(re.sub(r'(?s)<header id="header">.*?</header>|<nav.*?</nav>', "", page))
    assert directions.marks, "the page shows nothing of it"
    yield from directions.wrong


def of_model(writer: Writer, path: str) -> str:
    """A page of a model whose worker wrote the mark."""
    bounds = {"minimum": 0, "maximum": 1, "default": 1}
    lora = {"name": "film-grain", "title": MARK, "trigger_words": [MARK], **bounds}
    offer = {
        "palette": {"type": "choice", "choices": [MARK, "mono"], "default": "mono"},
        "loras": {"type": "loras", "choices": [lora]},
    }
    licence = {"name": MARK, "url": "https://example.org/licence"}
    advertise(make_worker("of a model"), body(title=MARK, offer=offer, licence=licence))
    return writer.get(path)


def test_every_page_is_walked() -> None:
    pages = {path for path, route in ROUTES.items() if route.audience is Audience.PAGE}
    shown = {path for path in pages if "GET" in ROUTES[path].answers}
    names = {f"library/{plural}/names" for plural in GROUPINGS}
    are_json = {"workspace/forecast", "workspace/changes", "workspace/recall/<uuid:asset_id>"}
    are_json |= {"library/parts", "library/ids", "downloads/library.jsonl"}
    are_numbers = {"downloads/<uuid:archive_id>/", "downloads/<uuid:archive_id>/<int:number>.zip"}
    assert shown - PAGES.keys() == are_json | names | are_numbers


@pytest.mark.parametrize("name", PAGES)
def test_what_people_wrote_has_a_direction_of_its_own(writer: Writer, name: str) -> None:
    writer.sign_in()
    assert list(marked_places(PAGES[name](writer))) == []


@pytest.mark.parametrize("model", ["job", "image", "project", "worker", "personaltoken"])
def test_the_admin_sets_directions_by_its_stylesheet(writer: Writer, model: str) -> None:
    """The pages are Django's, but for the fields where one types."""
    writer.sign_in()
    assert 'href="/static/generation/admin' in writer.get(f"/admin/generation/{model}/")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("generation/worker/add/", "name"),
        ("auth/user/add/", "username"),
        ("generation/project/{}/change/", "name"),
    ],
)
def test_names_typed_in_the_admin_follow_their_letters(writer: Writer, path: str, field: str) -> None:
    writer.sign_in()
    page = writer.get("/admin/" + path.format(Project.objects.get(name=MARK).pk))
    [typed] = re.findall(f'<input [^>]*name="{field}"[^>]*>', page)
    assert 'dir="auto"' in typed
