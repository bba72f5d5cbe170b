"""create_token and create_worker: the token alone on stdout, one clear line otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from generation.access.tokens import find_personal_token, worker_of
from generation.models import PersonalToken, Worker, WorkerToken
from tests.factories import make_user, make_worker

pytestmark = pytest.mark.django_db


def test_a_personal_token_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    owner = make_user("ada")

    call_command("create_token", "ada", name="backup")

    assert find_personal_token(capsys.readouterr().out.strip()).owner == owner
    assert PersonalToken.objects.get().name == "backup"


def test_a_token_without_options_does_everything_for_a_year() -> None:
    make_user("ada")
    call_command("create_token", "ada")
    token = PersonalToken.objects.get()
    assert token.scopes == ["read", "submit", "manage"]
    assert abs(token.expires_at - timezone.now() - timedelta(days=365)) < timedelta(hours=1)


def test_a_token_is_given_fewer_scopes_and_days() -> None:
    make_user("ada")
    call_command("create_token", "ada", "--scope", "submit", "--scope", "read", "--days", "30")
    token = PersonalToken.objects.get()
    assert token.scopes == ["read", "submit"]
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(hours=1)


@pytest.mark.parametrize("options", [("--scope", "all"), ("--days", "0"), ("--days", "366")])
def test_a_token_with_other_scopes_or_more_days_is_refused(options: tuple[str, ...]) -> None:
    make_user("ada")
    with pytest.raises(CommandError):
        call_command("create_token", "ada", *options)
    assert not PersonalToken.objects.exists()


def test_a_workers_token_expires_only_when_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_worker", "gpu-one", "--engines", "sdxl")
    assert WorkerToken.objects.get().expires_at is None
    capsys.readouterr()
    call_command("create_worker", "gpu-two", "--engines", "sdxl", "--days", "30")
    raw = capsys.readouterr().out.strip()
    assert worker_of(raw).name == "gpu-two"
    WorkerToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert worker_of(raw) is None


@pytest.mark.parametrize(("user", "name"), [("nobody", "x"), ("gone", "x"), ("ada", ""), ("ada", "x" * 81)])
def test_a_token_for_nobody_is_refused(user: str, name: str) -> None:
    make_user("ada")
    User.objects.create_user("gone", is_active=False)

    with pytest.raises(CommandError):
        call_command("create_token", user, name=name)

    assert not PersonalToken.objects.exists()


def test_a_worker_is_registered_and_its_token_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_worker", "gpu-one", "--engines", "wan, sdxl")

    worker = worker_of(capsys.readouterr().out.strip())
    assert worker is not None
    assert (worker.name, worker.engines) == ("gpu-one", ["sdxl", "wan"])


@pytest.mark.parametrize(
    ("name", "engines"), [("gpu", "flux"), ("gpu", ","), ("", "sdxl"), ("x" * 81, "sdxl"), ("taken", "sdxl")]
)
def test_a_wrong_worker_is_refused(name: str, engines: str) -> None:
    make_worker("taken")

    with pytest.raises(CommandError):
        call_command("create_worker", name, "--engines", engines)

    assert Worker.objects.get().name == "taken"


def test_a_known_workers_token_is_replaced_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    known = make_worker("gpu-one", engines=["sdxl"])

    call_command("create_worker", "gpu-one", "--engines", "wan", "--replace-token")

    assert worker_of(capsys.readouterr().out.strip()) == known
    assert Worker.objects.get().engines == ["wan"]


@pytest.mark.parametrize(
    ("named", "engines", "embeds"),
    [
        ((), ["sdxl"], True),
        (("--engines", "wan"), ["wan"], True),
        (("--embeds",), ["sdxl"], True),
        (("--no-embeds",), ["sdxl"], False),
        (("--engines", "wan", "--no-embeds"), ["wan"], False),
    ],
)
def test_what_is_named_of_a_known_worker_replaces_and_the_rest_stays(
    named: tuple[str, ...], engines: list[str], embeds: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """No right that was given once could be taken back."""
    known = make_worker("gpu-one", engines=["sdxl"], embeds=True)

    call_command("create_worker", "gpu-one", "--replace-token", *named)

    assert worker_of(capsys.readouterr().out.strip()) == known
    assert (known := Worker.objects.get()).engines == engines
    assert known.embeds == embeds


def test_a_worker_is_left_with_something_to_do() -> None:
    known = make_worker("looks", engines=[], embeds=True)

    with pytest.raises(CommandError, match="engines"):
        call_command("create_worker", "looks", "--replace-token", "--no-embeds")

    assert Worker.objects.get() == known
    assert Worker.objects.get().embeds
    assert not WorkerToken.objects.filter(worker=known).exists()
