"""One user's large reads, over HTTP and PostgreSQL's pool: the others are served meanwhile."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from generation.catalog.submission import PROMPT_LENGTH
from tests.acting import issue_personal_token
from tests.factories import make_job
from tests.functional.callers import LATER_S, session_of
from tests.functional.conftest import QUICK
from tests.functional.installation import Installation, installed

READERS = 30
JOBS = 60


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("limits") / "data"
    slow = {"REQUEST_BURST": "100", "REQUESTS_PER_SECOND": "0.5"}  # slower than any machine serves
    with installed(data, **QUICK, **slow, DATABASE_POOL="4", LIVE_THREADS="2") as fresh:
        yield fresh


@pytest.fixture
def live(own: Installation, django_db_blocker: DjangoDbBlocker) -> Iterator[Installation]:
    with django_db_blocker.unblock(), own.database():
        yield own
        own.tidy()


def reader(live: Installation, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=live.address, headers=headers, timeout=LATER_S, trust_env=False)


def test_one_users_large_reads_leave_threads_and_connections_to_the_others(
    live: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfall 40: by thirty connections with ten tokens and ten sessions, in a pool of four connections."""
    greedy = live.user()
    for _ in range(JOBS):
        make_job(greedy, "sdxl_image_fast", quantity=6, prompt="x" * PROMPT_LENGTH)
    tokens = [issue_personal_token(owner_id=greedy.pk, name=f"t{n}") for n in range(10)]
    readers = [reader(live, Authorization=f"Bearer {token}") for token in tokens]
    readers += [reader(live, Cookie=f"sessionid={session_of(greedy)}") for _ in range(10)]
    other, machine = live.person(), live.machine()
    assert other.http.get("/api/v1/me").status_code == 200

    def read(number: int) -> httpx.Response:
        return readers[number % len(readers)].get("/api/v1/jobs?limit=200")

    took: list[float] = []
    with ThreadPoolExecutor(READERS) as many:
        answers = [many.submit(read, number) for number in range(READERS * 5)]
        time.sleep(0.2)
        for _ in range(10):
            began = time.monotonic()
            assert other.http.get("/api/v1/me").status_code == 200
            took.append(time.monotonic() - began)
            machine.ask_for_work(wait_s=0)
        assert not all(answer.done() for answer in answers), "they were reading all the while"
        found = [answer.result() for answer in answers]
    for each in readers:
        each.close()
    counts = Counter(answer.status_code for answer in found)
    assert set(counts) <= {200, 429}, counts
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in found if answer.status_code == 429)
    with capsys.disabled():
        print(f"\nthe readers: {dict(counts)}; another's median {statistics.median(took) * 1000:.0f} ms")


def test_a_burst_of_a_hundred_passes_and_a_flood_is_told_when_to_come_back(live: Installation) -> None:
    person = live.person()

    def ask(_: object) -> httpx.Response:
        return person.http.get("/api/v1/job-types")

    with ThreadPoolExecutor(10) as many:
        assert {answer.status_code for answer in many.map(ask, range(100))} == {200}
        refused = [answer for answer in many.map(ask, range(40)) if answer.status_code != 200]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(429, "rate_limited")}
    assert live.person().http.get("/").status_code == 200
    time.sleep(int(refused[-1].headers["Retry-After"]))
    assert ask(0).status_code == 200
