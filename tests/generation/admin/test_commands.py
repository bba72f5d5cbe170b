"""create_token and create_worker: the token alone on stdout, one clear line otherwise."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from generation.access.tokens import find_personal_token, worker_of
from generation.models import PersonalToken, Worker
from tests.factories import make_user, make_worker

pytestmark = pytest.mark.django_db


def test_a_personal_token_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    owner = make_user("ada")

    call_command("create_token", "ada", name="backup")

    assert find_personal_token(capsys.readouterr().out.strip()).owner == owner
    assert PersonalToken.objects.get().name == "backup"


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
