"""Whatever takes text from people takes it alike: pasted text becomes plain, a control character is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from generation.models import Job, PersonalToken, Project, Worker

PASSWORD = "a good long password"
PASTED = "\ufeffSea\v\xa0side\u2028lamp\x85\u200b\tred\r\n\u202f"
LINES, LINE = "Sea\n side\nlamp\n red", "Sea side lamp red"
REFUSED = "Sea\u2028\xa0sid\x1be"
JSON = {"Accept": "application/json"}


class Person:
    """An operator in all the places where one types; each returns what was said, whatever it was."""

    def __init__(self, user: User) -> None:
        self.user, self.pages, self.api = user, Client(), APIClient()
        self.pages.post("/sign-in/", {"username": user.username, "password": PASSWORD})
        self.api.force_login(user)

    def compose(self, **fields: str) -> str:
        form = {"prompt": "a lighthouse", "media": "image", "quality": "fast"} | fields
        return str(self.pages.post("/workspace/submit", form, headers=JSON).json())

    def submit(self, **fields: str) -> str:
        body = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse"} | fields
        return str(self.api.post("/api/v1/jobs", body, format="json").json())

    def name_project(self, name: str) -> str:
        return str(self.api.post("/api/v1/projects", {"name": name}, format="json").json())

    def rename_project(self, name: str) -> str:
        project = Project.objects.create(owner=self.user, name="Roads", folded_name="roads")
        answer = self.pages.post(f"/admin/generation/project/{project.pk}/change/", {"name": name})
        return answer.content.decode()

    def name_token(self, name: str) -> str:
        form = {"name": name, "scopes": "read", "days": "30"}
        return self.pages.post("/account/tokens", form).content.decode()

    def name_worker(self, name: str) -> str:
        form = {"name": name, "engines": "sdxl", "enabled": "on"}
        counts = [f"{part}-{count}_FORMS" for part in ("tokens", "speeds") for count in ("TOTAL", "INITIAL")]
        form |= dict.fromkeys(counts, "0")
        return self.pages.post("/admin/generation/worker/add/", form).content.decode()

    def command(self, *words: str) -> str:
        try:
            call_command(*words)
        except CommandError as refused:
            return str(refused)
        return ""


@pytest.fixture
def person(db: None) -> Person:
    return Person(User.objects.create_superuser("ada", password=PASSWORD))


def prompt() -> str:
    return Job.objects.get().prompt


def negative_prompt() -> str:
    return Job.objects.get().negative_prompt


def project() -> str:
    return Project.objects.filter(is_default=False).get().name


def token() -> str:
    return PersonalToken.objects.get().name


def worker() -> str:
    return Worker.objects.get().name


Enter = Callable[[Person, str], str]
Read = Callable[[], str]
LINES_OF_TEXT: dict[str, tuple[Enter, Read]] = {
    "the composer's prompt": (lambda person, text: person.compose(prompt=text), prompt),
    "its negative prompt": (lambda person, text: person.compose(negative_prompt=text), negative_prompt),
    "a prompt by API": (lambda person, text: person.submit(prompt=text), prompt),
    "a negative prompt by API": (lambda person, text: person.submit(negative_prompt=text), negative_prompt),
}
NAMES: dict[str, tuple[Enter, Read]] = {
    "the composer's project": (lambda person, text: person.compose(new_project=text), project),
    "a project by API": (Person.name_project, project),
    "a project in the admin": (Person.rename_project, project),
    "a token": (Person.name_token, token),
    "a token by command": (
        lambda person, text: person.command("create_token", "ada", f"--name={text}"),
        token,
    ),
    "a worker in the admin": (Person.name_worker, worker),
    "a worker by command": (
        lambda person, text: person.command("create_worker", text, "--engines=sdxl"),
        worker,
    ),
}
PLACES = [
    *((enter, read, LINES, "line 2, column 5") for enter, read in LINES_OF_TEXT.values()),
    *((enter, read, LINE, "line 1, column 8") for enter, read in NAMES.values()),
]


@pytest.mark.parametrize(("enter", "read", "plain", "place"), PLACES, ids=[*LINES_OF_TEXT, *NAMES])
def test_what_is_pasted_becomes_plain_and_what_is_left_is_named(
    person: Person, enter: Enter, read: Read, plain: str, place: str
) -> None:
    """A vertical tab from a word processor was refused as a control character that nobody can see."""
    said = enter(person, REFUSED)
    assert "U+001B" in said
    assert place in said
    Project.objects.filter(is_default=False).delete()

    enter(person, PASTED)
    assert read() == plain


@pytest.mark.parametrize("name", [REFUSED, "Sea\u2028side", "Sea\xa0side", "a\vb", "a\x07b"])
def test_a_user_name_has_no_such_characters(person: Person, name: str) -> None:
    """Django allows letters, digits and @.+-_ alone, after making half and full width one."""
    form = {"username": name, "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    answer = person.pages.post("/admin/auth/user/add/", form)
    assert answer.status_code == 200
    place = "line 1, column 8" if name == REFUSED else "line 1, column 2"
    assert (place in answer.content.decode()) == ("\x07" in name or "\x1b" in name)
    assert not User.objects.exclude(pk=person.user.pk).exists()
