"""Machines that make themselves workers with a token that many may share."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from generation.access import enrolments
from generation.access.enrolments import KEPT_TOKENS, MAX_TOKENS_A_MINUTE
from generation.core.actors import SYSTEM
from generation.models import Enrolment, Worker, WorkerToken
from tests.factories import make_user, make_worker
from tests.generation.worker_api.conftest import Machine

pytestmark = pytest.mark.django_db
MACHINE = "0192f0c1-5d3a-4c7e-9f52-4f0f6f9f7f01"
ANOTHER = "0192f0c1-5d3a-4c7e-9f52-4f0f6f9f7f02"


def create(*flags: str, name: str = "rented") -> str:
    """The printed token."""
    out = StringIO()
    call_command("create_enrolment", name, "--engines", "sdxl", *flags, stdout=out)
    return out.getvalue().strip()


def post(path: str, token: str, body: Any) -> Any:
    http = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    return http.post(f"/api/v1/worker/{path}", body, format="json")


def enrol(token: str, machine: str = MACHINE) -> Any:
    return post("enrol", token, {"machine": machine})


def test_a_machine_becomes_a_worker_whose_token_ends() -> None:
    with capture_logs() as lines:
        answer = enrol(create("--token-hours", "2"))
    assert answer.status_code == 200
    body = answer.json()
    worker = Worker.objects.get()
    assert (body["worker"], body["name"], body["expires_in_s"]) == (str(worker.pk), "rented 1", 7200)
    assert (worker.engines, str(worker.machine)) == (["sdxl"], MACHINE)
    token = WorkerToken.objects.get()
    assert token.expires_at is not None
    assert timedelta(minutes=119) < token.expires_at - timezone.now() <= timedelta(hours=2)
    assert post("lease", body["token"], {"engines": ["sdxl"]}).status_code == 204
    assert not any("ove_" in str(line) or "ovw_" in str(line) for line in lines)


def test_only_digests_are_kept() -> None:
    token = create()
    assert token.startswith("ove_")
    assert token not in str(Enrolment.objects.values())


def test_the_same_machine_again_is_the_same_worker() -> None:
    """An answer may be lost, and a machine starts again: neither uses up anything."""
    token = create("--uses", "1")
    first, second = enrol(token).json(), enrol(token).json()
    assert first["worker"] == second["worker"]
    assert first["token"] != second["token"]
    assert Enrolment.objects.get().uses == 1
    Enrolment.objects.update(uses=1)
    third = enrol(token).json()
    assert third["worker"] == first["worker"]
    # Two tokens live at once.
    assert post("lease", first["token"], {"engines": ["sdxl"]}).status_code == 401


def test_so_many_machines_enrol_and_no_more() -> None:
    token = create("--uses", "2")
    assert enrol(token, MACHINE).status_code == 200
    assert enrol(token, ANOTHER).status_code == 200
    answer = enrol(token, str(uuid.uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment_ended")
    assert sorted(Worker.objects.values_list("name", flat=True)) == ["rented 1", "rented 2"]


@pytest.mark.parametrize("ended", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_an_ended_token_enrols_nobody(ended: dict[str, Any]) -> None:
    token = create()
    Enrolment.objects.update(**ended)
    assert enrol(token).status_code == 401
    assert not Worker.objects.exists()


@pytest.mark.parametrize("token", ["ove_wrong", "ovw_wrong", "x"])
def test_a_wrong_token_enrols_nobody(token: str) -> None:
    assert enrol(token).status_code == 401
    assert APIClient().post("/api/v1/worker/enrol", {"machine": MACHINE}, format="json").status_code == 401


def test_it_opens_nothing_else() -> None:
    token = create()
    assert post("lease", token, {"engines": ["sdxl"]}).status_code == 401
    assert post("token", token, {}).status_code == 401
    http = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert http.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"machine": "m1"}, {"machine": MACHINE, "name": "mine"}, {"machine": 5}]
)
def test_a_malformed_body_names_its_field(body: dict[str, Any]) -> None:
    answer = post("enrol", create(), body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert not Worker.objects.exists()


def test_a_disabled_worker_does_not_enrol_again() -> None:
    token = create()
    enrol(token)
    Worker.objects.update(enabled=False)
    answer = enrol(token)
    assert (answer.status_code, answer.json()["code"]) == (403, "worker_disabled")


def test_a_flood_is_told_to_wait() -> None:
    """However many web processes there are: it is counted in the database."""
    token = create("--uses", "1000")
    for _ in range(MAX_TOKENS_A_MINUTE):
        assert enrol(token, str(uuid.uuid4())).status_code == 200
    answer = enrol(token, str(uuid.uuid4()))
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (
        429,
        "too_many_enrolments",
        "60",
    )
    assert Worker.objects.count() == Enrolment.objects.get().uses == MAX_TOKENS_A_MINUTE
    WorkerToken.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert enrol(token, str(uuid.uuid4())).status_code == 200


def test_a_token_is_renewed_and_the_one_before_goes_on_to_its_end() -> None:
    first = enrol(create()).json()
    second = post("token", first["token"], {}).json()
    assert second["worker"] == first["worker"]
    for each in (first, second):
        assert post("lease", each["token"], {"engines": ["sdxl"]}).status_code == 204
    third = post("token", second["token"], {}).json()
    assert post("lease", first["token"], {"engines": ["sdxl"]}).status_code == 401
    assert post("lease", third["token"], {"engines": ["sdxl"]}).status_code == 204


def test_renewals_go_on_after_the_enrolment_is_over_and_end_with_its_revocation() -> None:
    token = create()
    first = enrol(token).json()
    Enrolment.objects.update(expires_at=timezone.now())
    second = post("token", first["token"], {}).json()
    Enrolment.objects.update(revoked_at=timezone.now())
    answer = post("token", second["token"], {})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_renewable")


def test_a_worker_made_by_hand_cannot_renew() -> None:
    answer = Machine(make_worker()).post("token", {})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_renewable")


def test_years_of_renewals_leave_few_rows() -> None:
    minted = enrol(create()).json()
    for _ in range(KEPT_TOKENS + 5):
        minted = post("token", minted["token"], {}).json()
    assert WorkerToken.objects.count() == KEPT_TOKENS
    assert post("lease", minted["token"], {"engines": ["sdxl"]}).status_code == 204


def test_a_name_that_is_taken_gets_another_ending() -> None:
    make_worker("rented 1")
    name = enrol(create()).json()["name"]
    assert re.fullmatch(r"rented 1 [0-9a-f]{4}", name)


@pytest.mark.parametrize(
    "flags", [["--uses", "0"], ["--days", "0"], ["--token-hours", "0"], ["--days", "99999"]]
)
def test_the_command_refuses_what_makes_no_sense(flags: list[str]) -> None:
    with pytest.raises(CommandError, match=f"{flags[0]} is 1 to"):
        create(*flags)


def test_a_name_is_used_once() -> None:
    create()
    with pytest.raises(CommandError, match="already"):
        create()


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff_user", password="a good long password"))
    return client


FORM = {"name": "cloud", "engines": ["sdxl", "wan"], "max_uses": "5", "days": "3", "token_hours": "12"}


def test_an_operator_makes_one_and_sees_its_token_once(staff: Client) -> None:
    add = reverse("admin:generation_enrolment_add")
    page = staff.get(add)
    assert "token_hours" in page.content.decode()
    answer = staff.post(add, FORM)
    found = re.search(r"ove_[\w-]+", answer.content.decode())
    assert found, answer.content.decode()[:3000]
    enrolment = Enrolment.objects.get()
    assert (enrolment.max_uses, enrolment.token_hours, enrolment.engines) == (5, 12, ["sdxl", "wan"])
    assert enrol(found[0]).status_code == 200
    listed = staff.get(reverse("admin:generation_enrolment_changelist")).content.decode()
    assert found[0] not in listed
    assert "1 of 5" in listed
    change = staff.get(reverse("admin:generation_enrolment_change", args=[enrolment.pk])).content.decode()
    assert enrolment.digest not in change
    assert found[0] not in change


@pytest.mark.parametrize("wrong", [{"max_uses": "0"}, {"name": ""}, {"engines": []}, {"days": "x"}])
def test_a_wrong_form_makes_none(staff: Client, wrong: dict[str, Any]) -> None:
    assert staff.post(reverse("admin:generation_enrolment_add"), FORM | wrong).status_code == 200
    assert not Enrolment.objects.exists()


def test_revoking_ends_renewals_and_if_wanted_the_tokens(staff: Client) -> None:
    minted = enrol(create()).json()
    chosen = {"_selected_action": [str(Enrolment.objects.get().pk)]}
    url = reverse("admin:generation_enrolment_changelist")
    staff.post(url, chosen | {"action": "revoke"})
    assert post("token", minted["token"], {}).status_code == 403
    assert post("lease", minted["token"], {"engines": ["sdxl"]}).status_code == 204
    staff.post(url, chosen | {"action": "revoke_with_tokens"})
    assert post("lease", minted["token"], {"engines": ["sdxl"]}).status_code == 401


def test_a_stolen_session_makes_no_enrolment(staff: Client) -> None:
    session = staff.session
    session["confirmed_at"] -= 600
    session.save()
    answer = staff.post(reverse("admin:generation_enrolment_add"), FORM)
    assert (answer.status_code, Enrolment.objects.exists()) == (302, False)


def test_ordinary_people_see_none_of_it() -> None:
    client = Client()
    client.force_login(make_user())
    assert client.get(reverse("admin:generation_enrolment_changelist")).status_code == 302


def test_a_machine_that_comes_while_its_enrolment_is_revoked_gets_nothing() -> None:
    """Between the check of its token and the call, with the tokens of its workers."""
    enrol(token := create())
    found = enrolments.find_enrolment(token)
    assert found is not None
    enrolments.revoke_enrolments(Enrolment.objects.all(), actor=SYSTEM, with_tokens=True)
    with pytest.raises(enrolments.EnrolmentEnded):
        enrolments.enrol(enrolment=found, machine=uuid.UUID(MACHINE))
    assert not WorkerToken.objects.filter(revoked_at=None).exists()
