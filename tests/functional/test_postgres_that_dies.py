"""PostgreSQL is stopped at once in the middle of everything, as by a power cut, and comes back.

It writes every commit down before it answers, as in production; nothing else is asked of it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from generation.models import Attempt, Image, Job
from tests.acting import issue_personal_token
from tests.functional import ledger
from tests.functional.callers import LATER_S
from tests.functional.conftest import QUICK
from tests.functional.installation import Installation, installed
from tests.functional.pages import CONVERGED_S
from tests.functional.programs import eventually
from tests.servers import Postgres, postgres_server

pytestmark = pytest.mark.postgres  # its own, so one lane is enough
AWAY_S = 3.0
CONNECTIONS = 10


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server(durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def own(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("postgres") / "data"
    with installed(data, **QUICK, DATABASE_URL=postgres.url, DATABASE_POOL=str(CONNECTIONS)) as fresh:
        yield fresh


@pytest.fixture
def live(own: Installation, postgres: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[Installation]:
    with django_db_blocker.unblock(), own.database():
        yield own
        own.tidy()


class Caller:
    """A script that submits: the same under its key, until there is an answer that is not "try again"."""

    def __init__(self, live: Installation) -> None:
        self.user = live.user()
        headers = {"Authorization": f"Bearer {issue_personal_token(owner_id=self.user.pk, name='script')}"}
        self.http = httpx.Client(
            base_url=live.address, headers=headers, timeout=LATER_S, trust_env=False, limits=httpx.Limits()
        )
        self.answers: list[httpx.Response] = []

    def submit(self, key: str, quantity: int = 1) -> str:
        """The job's id."""
        body = {"job_type": "sdxl_image_fast", "prompt": f"a lighthouse, {key}", "quantity": quantity}
        for wait_s in itertools.repeat(0.2):
            answer = self.http.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": key})
            self.answers.append(answer)
            if answer.status_code == httpx.codes.CREATED:
                return str(answer.json()["id"])
            asks_to_come_back(answer)
            time.sleep(wait_s)
        raise AssertionError


def asks_to_come_back(answer: httpx.Response) -> None:
    """The only other answers there may be; 429 where many of one user wait for the few that are worked on."""
    assert answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS), answer.text
    assert 0 < int(answer.headers["Retry-After"]) <= CONVERGED_S


class Load(threading.Thread):
    """One who submits, job after job, and looks at pages in between, until told to stop."""

    def __init__(self, live: Installation) -> None:
        super().__init__(daemon=True)
        self.caller = Caller(live)
        self.person = live.person(self.caller.user)
        self.accepted: dict[str, int] = {}
        self.stopping = threading.Event()
        self.looks: list[int] = []
        self.trouble: Exception | None = None

    def run(self) -> None:
        try:
            for number in itertools.count():
                self.accepted[self.caller.submit(f"{self.caller.user.pk}-{number}")] = 1
                self.look()
                if self.stopping.wait(0.4):
                    return
        except Exception as trouble:  # noqa: BLE001 - told by finish()
            self.trouble = trouble

    def look(self) -> None:
        answer = self.person.http.get("/")
        if answer.status_code != httpx.codes.OK:
            asks_to_come_back(answer)
        self.looks.append(answer.status_code)

    def finish(self) -> None:
        self.stopping.set()
        self.join(CONVERGED_S)
        self.caller.http.close()
        if self.trouble:
            raise self.trouble
        assert not self.is_alive()


def away(live: Installation, postgres: Postgres, seconds: float = AWAY_S) -> float:
    """Stop PostgreSQL at once, start it again later; when that was."""
    postgres.stop_immediately()
    time.sleep(seconds)
    postgres.start()
    assert live.connection
    live.connection.close()
    return time.monotonic()


def test_nothing_accepted_is_lost_and_nothing_is_doubled(
    live: Installation, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfalls 12, 14, 15 and 23: three who submit, two workers, and pages that stay open."""
    workers = [live.worker(pace=0.3) for _ in range(2)]
    loads = [Load(live) for _ in range(3)]
    pages = [live.page(load.person) for load in loads]
    for load in loads:
        load.start()
    eventually(lambda: Job.objects.filter(status="completed").count() >= 2)

    began = away(live, postgres)
    known = {load: len(load.accepted) for load in loads}
    eventually(lambda: all(len(load.accepted) > known[load] for load in loads), seconds=CONVERGED_S)
    took_s = time.monotonic() - began
    for load in loads:
        load.finish()

    eventually(lambda: not Job.objects.filter(finished_at=None).exists())
    for load, page in zip(loads, pages, strict=True):
        jobs = Job.objects.of(load.person.user.pk)
        assert {str(pk) for pk in jobs.values_list("pk", flat=True)} == set(load.accepted)
        page.converges(load.accepted)
        for job_id in load.accepted:
            ledger.assert_whole(job_id, 1)
    assert all(worker.is_running for worker in workers), "workers go on by themselves"
    answers = [answer.status_code for load in loads for answer in load.caller.answers]
    with capsys.disabled():
        print(
            f"\nPostgreSQL away for {AWAY_S} s: {answers.count(201)} submissions accepted,"
            f" {answers.count(503)} asked to come back; accepting again {took_s:.1f} s after its return"
        )


def test_pages_and_leases_answer_503_while_it_is_away_and_no_connection_stays_broken(
    live: Installation, postgres: Postgres
) -> None:
    """Every connection of the pool is in use before and after."""
    person, machine = live.person(), live.machine()
    page = live.page(person)
    everywhere = ["/", "/library/", "/api/v1/jobs", "/api/v1/me", "/account/"] * CONNECTIONS

    def ask(path: str) -> httpx.Response:
        return person.http.get(path)

    with ThreadPoolExecutor(CONNECTIONS) as many:
        assert {answer.status_code for answer in many.map(ask, everywhere)} == {200}
        postgres.stop_immediately()
        lease = many.submit(machine.http.post, "lease", json={"engines": ["sdxl"], "wait_s": 5})
        for answer in [*many.map(ask, everywhere[:5]), lease.result()]:
            asks_to_come_back(answer)
        assert live.answers(), "the web process itself serves"
        postgres.start()
        assert live.connection
        live.connection.close()
        eventually(lambda: ask("/").status_code == httpx.codes.OK, seconds=CONVERGED_S)
        assert {answer.status_code for answer in many.map(ask, everywhere)} == {200}
    job = person.submit()
    machine.finish()
    page.converges({job: 1})


def test_fifty_at_once_with_one_key_are_one_job_whatever_happens(
    live: Installation, postgres: Postgres
) -> None:
    """Pitfall 15: those that were answered, those cut off before their commit and those cut off after it."""
    caller = Caller(live)
    with ThreadPoolExecutor(51) as many:
        twins = [many.submit(caller.submit, "the-same", 6) for _ in range(50)]
        time.sleep(0.3)
        away(live, postgres, 1.0)
        ids = {twin.result(timeout=LATER_S) for twin in twins}
    caller.http.close()

    [job] = Job.objects.of(caller.user.pk)
    assert ids == {str(job.pk)}
    assert Image.objects.filter(owner=caller.user).count() == 6
    assert not Attempt.objects.filter(job=job).exists()
