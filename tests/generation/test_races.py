"""Two at once, on real connections: nothing is doubled, lost or deadlocked."""

from __future__ import annotations

import io
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.models import Count, F

from generation.access.projects import default_project
from generation.access.quotas import OverLimit
from generation.assets import merging, operation_work, operations
from generation.assets.previews import delete_previews
from generation.catalog.submission import InvalidSubmission, Submission
from generation.changes import feed
from generation.core.actors import SYSTEM
from generation.core.clock import from_now
from generation.core.errors import DomainError, LeaseLost, NotRetryable, TooManyPreviews
from generation.jobs.deadlines import cancel_late
from generation.jobs.imports import ImportInput, begin_imports
from generation.jobs.lease import heartbeat, lease, promote, reap, release
from generation.jobs.order import NotMovable
from generation.jobs.owner_deletion import delete_all_of
from generation.jobs.pausing import follow_pauses
from generation.jobs.previews import store_preview
from generation.jobs.report import Receipt
from generation.models import (
    Action,
    Asset,
    Attempt,
    Image,
    Job,
    Model,
    ModelOffer,
    OutboxEvent,
    OwnerCounter,
    Preview,
    Project,
    Upload,
    Worker,
)
from generation.queue.advertised import record_models
from generation.queue.reordering import Place
from tests.acting import (
    cancel,
    cancel_jobs,
    clear,
    create_project,
    discard,
    move,
    pause,
    restore,
    resume,
    retry,
    submit,
    undo_cancel,
    user_actor,
)
from tests.advertised import body
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    fresh,
    lease_next,
    make_job,
    make_user,
    make_worker,
    png,
    upload,
)
from tests.generation.side import in_thread, together

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_room")]
BOTH = ("sdxl", "wan")
Call = Callable[[], object]


@pytest.fixture
def _room(transactional_db: None) -> Iterator[None]:
    """Room in the pool for every thread of a race."""
    pool = connection.settings_dict["OPTIONS"]["pool"]
    usual = dict(pool)
    _resize(pool, max_size=40, timeout=60)
    yield
    _resize(pool, **usual)


def _resize(pool: dict[str, object], **sizes: object) -> None:
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined] # PostgreSQL's own
    pool.update(sizes)


@pytest.fixture
def user() -> User:
    return make_user()


def either(*refusals: type[Exception]) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Run it; a refusal of these kinds is an answer too."""

    def attempt(call: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            try:
                return call()
            except refusals as refusal:
                return type(refusal)

        return run

    return attempt


def consistent(owner: User) -> None:
    """What holds after every race."""
    for job in Job.objects.of(owner.pk):
        assert len(job.slots) == job.quantity
        done = sum(slot.status == "completed" for slot in job.slots)
        still_open = sum(slot.status == "queued" for slot in job.slots)
        running = Attempt.objects.filter(job=job, ended_at=None).count()
        assert running == (job.status == "processing")
        if job.is_active:
            continue
        assert not still_open
        if job.status != "cancelled":
            expected = "completed" if done == job.quantity else "partial" if done else "failed"
            assert job.status == expected
    rows = [*Job.objects.of(owner.pk), *Image.objects.filter(owner=owner)]
    stamps = Counter(row.revision for row in rows)
    assert max(stamps.values(), default=0) <= 1
    last = OwnerCounter.objects.filter(pk=owner.pk).values_list("revision", flat=True).first() or 0
    assert max(stamps, default=0) == last


def test_sixteen_claimers_never_get_the_same_job(caplog: pytest.LogCaptureFixture) -> None:
    owners = [make_user() for _ in range(4)]
    for number in range(200):
        make_job(owners[number % 4], "sdxl_image_fast" if number % 3 else "video_fast", f"job {number}")
    workers = [make_worker() for _ in range(16)]

    def claim_all(worker: Worker) -> list[object]:
        got: list[object] = []
        while job := lease(worker=worker, engines=BOTH):
            got.append(job.pk)
        return got

    got = list(itertools.chain(*together([partial(claim_all, worker) for worker in workers])))
    assert len(got) == len(set(got)) == 200
    assert Job.objects.filter(status="processing", attempt=1).count() == 200
    doubled = Attempt.objects.values("job").annotate(leases=Count("pk")).filter(leases__gt=1)
    assert not doubled.exists()
    assert "job.unclaimable" not in caplog.text, "no two came as far as a constraint"
    for owner in owners:
        consistent(owner)


def test_a_replayed_report_racing_itself_counts_once(user: User) -> None:
    """pitfall 15"""
    make_job(user, quantity=6)
    job = lease_next(make_worker())
    reports = [completed(job, slot) for slot in range(6)]
    before = feed.position(user.pk).revision

    def tell() -> Receipt:
        return call_back(job, *reports)

    receipts = together([tell] * 8)
    assert sorted(len(receipt.accepted) for receipt in receipts) == [0] * 7 + [6]
    assert sorted(len(receipt.duplicate) for receipt in receipts) == [0] + [6] * 7
    assert {receipt.job_status for receipt in receipts} == {"completed"}
    assert feed.position(user.pk).revision == before + 7
    assert Attempt.objects.get(job=job).accepted == 6
    consistent(user)


def test_slots_reported_at_once_are_all_kept(user: User) -> None:
    make_job(user, quantity=6)
    job = lease_next(make_worker())
    reports = [completed(job, slot) for slot in range(6)]
    receipts = together([partial(call_back, job, report, status="processing") for report in reports])
    assert sorted(receipt.accepted[0] for receipt in receipts) == list(range(6))
    assert call_back(job).job_status == "completed"
    consistent(user)


def test_the_same_bytes_uploaded_at_once_are_one_upload(user: User) -> None:
    """pitfall 15"""
    make_job(user)
    job = lease_next(make_worker())
    uploads = together([partial(upload, job, 0, png())] * 6)
    assert len({one.pk for one in uploads}) == 1
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("seed", range(6))
def test_cancel_claim_report_and_reap_at_once(user: User, seed: int) -> None:
    """pitfall 5, pitfall 16: whoever comes first, the records agree with each other."""
    dice = random.Random(seed)
    holder, other = make_worker(), make_worker()
    make_job(user, quantity=3)
    make_job(user, quantity=3)
    job = lease_next(holder)
    reports = [completed(job, 0), completed(job, 1), failed(job, 2, retryable=True)]
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1))
    attempt = either(LeaseLost, NotRetryable)
    calls = [
        attempt(partial(cancel, owner_id=user.pk, job_id=job.pk)),
        attempt(partial(call_back, job, *reports)),
        attempt(partial(call_back, job, reports[0], status="processing")),
        attempt(reap),
        attempt(partial(lease, worker=other, engines=BOTH)),
        attempt(
            partial(
                heartbeat,
                worker=holder,
                job_id=job.pk,
                lease_token=job.lease_token,
                progress=50,
                stage="x",
            )
        ),
        attempt(partial(release, worker=holder, job_id=job.pk, lease_token=job.lease_token)),
        attempt(partial(retry, owner_id=user.pk, job_id=job.pk)),
        attempt(partial(clear, owner_id=user.pk)),
    ]
    dice.shuffle(calls)
    together(calls)
    consistent(user)


def test_two_retries_at_once_queue_it_once(user: User) -> None:
    job = make_job(user, quantity=3)
    cancel(owner_id=user.pk, job_id=job.pk)
    attempt = either(NotRetryable)
    answers = together([attempt(partial(retry, owner_id=user.pk, job_id=job.pk))] * 2)
    assert sorted(answer is NotRetryable for answer in answers) == [False, True]
    assert (fresh(job).status, fresh(job).attempts_left) == ("queued", 3)
    consistent(user)


def test_retries_at_once_stay_within_the_limit(user: User, settings: object) -> None:
    """Each would count what was active before the others had committed (pitfall 34)."""
    stopped = [make_job(user).pk for _ in range(4)]
    for job_id in stopped:
        cancel(owner_id=user.pk, job_id=job_id)
    settings.MAX_ACTIVE_JOBS = 2  # type: ignore[attr-defined] # pytest-django's
    refused = either(OverLimit)
    together([refused(partial(retry, owner_id=user.pk, job_id=pk)) for pk in stopped])
    assert Job.objects.filter(status="queued").count() == 2


def test_two_reapers_end_a_lease_once(user: User) -> None:
    for _ in range(10):
        make_job(user)
    worker = make_worker()
    for _ in range(10):
        lease_next(worker)
    Job.objects.update(lease_expires_at=from_now(-1))
    assert sum(together([reap] * 6)) == 10
    assert set(Job.objects.values_list("attempts_left", flat=True)) == {2}
    consistent(user)


def test_what_is_reordered_while_it_is_claimed_is_begun_once_and_keeps_its_tags(user: User) -> None:
    jobs = [make_job(user) for _ in range(40)]
    tags = sorted(job.fair_tag for job in jobs)
    workers = [make_worker() for _ in range(4)]

    def claim_some(worker: Worker) -> list[object]:
        begun: list[object] = []
        while len(begun) < 5:  # what is being moved is passed over meanwhile
            if job := lease(worker=worker, engines=BOTH):
                begun.append(job.pk)
        return begun

    @either(NotMovable)
    def reorder() -> None:
        for _ in range(6):
            move(owner_id=user.pk, job_id=random.choice(jobs).pk, to=random.choice([*Place, jobs[-1].pk]))

    both: list[Call] = [*(partial(claim_some, worker) for worker in workers), *[reorder] * 4]
    answers = together(both)
    begun = [job_id for answer in answers if isinstance(answer, list) for job_id in answer]
    assert len(begun) == len(set(begun)) == 20
    assert sorted(Job.objects.values_list("fair_tag", flat=True)) == tags
    consistent(user)


def test_a_job_is_begun_or_cancelled_at_its_deadline_and_never_both(user: User) -> None:
    for _ in range(4):
        jobs = [make_job(user, deadline=timedelta(hours=1)) for _ in range(6)]
        Job.objects.filter(status="queued").update(deadline_at=from_now(0.08))
        worker, other = make_worker(), make_worker()
        calls: list[Call] = [cancel_late, partial(hold_last, jobs), cancel_late]
        calls += [partial(lease, worker=each, engines=BOTH) for each in (worker, other) for _ in range(4)]
        together(calls)
        time.sleep(0.1)
        cancel_late()
        begun = Attempt.objects.filter(job__in=jobs)
        latest = F("deadline_at") + timedelta(seconds=settings.LEASE_SECONDS)
        assert not Job.objects.filter(pk__in=begun.values("job"), lease_expires_at__gt=latest).exists()
        statuses = Counter(fresh(job).status for job in jobs)
        assert set(statuses) <= {"processing", "cancelled"}
        assert statuses["processing"] == begun.count()
        consistent(user)


def hold_last(jobs: list[Job]) -> None:
    """The chore meets what is locked by others."""
    with transaction.atomic():
        Job.objects.select_for_update().filter(pk=jobs[-1].pk).first()
        time.sleep(0.05)


def test_once_a_pause_is_answered_nothing_is_begun_whoever_queues_and_claims_meanwhile(user: User) -> None:
    """Claims, submissions, releases, a pause and a resumption, all at once."""
    for _ in range(30):
        make_job(user, "sdxl_image_fast")
    workers = [make_worker() for _ in range(6)]
    begun_after: list[object] = []

    def take_and_give_back(worker: Worker) -> None:
        for _ in range(8):
            if job := lease(worker=worker, engines=BOTH):
                release(worker=worker, job_id=job.pk, lease_token=job.lease_token)

    def hold() -> None:
        pause(owner_id=user.pk)
        before = set(Attempt.objects.values_list("pk", flat=True))
        time.sleep(0.3)
        begun_after.extend(Attempt.objects.exclude(pk__in=before))

    busy: list[Call] = [partial(take_and_give_back, worker) for worker in workers]
    queue: list[Call] = [partial(make_job, user, "video_fast", f"late {number}") for number in range(4)]
    together([*busy, *queue, hold])
    assert begun_after == []
    assert Job.objects.filter(held_at=None, status="queued").count() == 0
    assert list(Job.objects.order_by().values_list("status").annotate(Count("pk"))) == [("queued", 34)]
    both: list[Call] = [partial(pause, owner_id=user.pk), partial(resume, owner_id=user.pk)]
    together([*both[1:], *busy])
    together(both * 3)
    follow_pauses()
    assert Job.objects.exclude(held_at=None).count() in (0, 34)


def test_nothing_comes_into_a_project_while_it_is_deleted(user: User) -> None:
    who: dict[str, Any] = {"owner_id": user.pk, "actor": user_actor(user.pk)}
    [asset] = complete(make_job(user))
    project = create_project(owner_id=user.pk, name="Foxes")
    begun = threading.Event()

    def delete() -> None:
        with transaction.atomic():
            merging.dissolve(project_id=project.pk, **who)
            operation_work.work(user.pk, seconds=9)
            begun.set()
            time.sleep(0.5)

    @either(DomainError)
    def move_into() -> None:
        begun.wait()
        value = {"project": str(project.pk)}
        operations.act(action=Action.MOVE, value=value, assets=[asset.pk], **who)

    @either(InvalidSubmission)
    def import_into() -> None:
        begun.wait()
        begin_imports(files=[ImportInput(name="fox.png", media="image")], project_id=project.pk, **who)

    together([delete, move_into, import_into])
    assert not Asset.objects.filter(project=project).exists()


def test_promoters_do_not_wait_for_each_other_in_circles(user: User) -> None:
    for _ in range(60):
        make_job(user)
    for _ in range(5):
        Job.objects.update(retry_at=from_now(-1))
        together([promote] * 8)
        assert not Job.objects.exclude(retry_at=None).exists()


def test_workers_with_other_models_than_before_do_not_wait_for_each_other_in_circles() -> None:
    names = [f"m{number:02}" for number in range(24)]
    workers = [make_worker(f"w{number}") for number in range(8)]

    def swap(worker: Worker, number: int) -> None:
        half = names[::2] if number % 2 else names[1::2]
        record_models(worker=worker, models=[body(name, title=f"{worker} {number}") for name in half])

    for number in range(6):
        together([partial(swap, worker, number + index) for index, worker in enumerate(workers)])
    assert Model.objects.count() == len(names)
    assert ModelOffer.objects.count() == len(workers) * len(names) // 2


def test_a_promoter_goes_round_what_somebody_else_holds(user: User) -> None:
    held, *_ = [make_job(user) for _ in range(5)]
    Job.objects.update(retry_at=from_now(-1))
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=held.pk)
        assert in_thread(promote) == 4
    assert promote() == 1


def test_the_deletion_of_an_account_and_its_owner_wait_for_each_other_in_no_circle(user: User) -> None:
    """Everybody locks jobs by their ids: who clears the Workspace, too."""
    lower, higher = sorted(make_job(user).pk for _ in range(2))
    for job_id in (lower, higher):
        cancel(owner_id=user.pk, job_id=job_id)

    def delete() -> None:
        for _ in delete_all_of(user.pk, actor=SYSTEM):
            pass

    with ThreadPoolExecutor(1) as side:
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=lower)
            deletion = side.submit(together, [delete])
            _await_waiting()
            Job.objects.select_for_update().get(pk=higher)
        deletion.result(20)
    assert not Job.objects.exists()


def _await_waiting() -> None:
    """Until somebody waits for a lock."""
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.05)
    raise TimeoutError


def test_twin_submissions_with_one_key_are_one_job(user: User) -> None:
    """Fifty at once: one job, N rows."""
    submission = Submission(job_type="sdxl_image_fast", prompt="a lighthouse", quantity=6)
    twin = partial(submit, owner_id=user.pk, submission=submission, idempotency_key="k1")
    answers = together([twin] * 25) + together([twin] * 25)
    assert len({job.pk for job in answers}) == 1
    assert (Job.objects.count(), Image.objects.count()) == (1, 6)
    assert feed.position(user.pk).revision == 7
    consistent(user)


def test_a_twin_at_the_limit_gets_its_job_and_no_refusal(user: User, settings: object) -> None:
    """The twin that came second was told that it had too much work waiting: its own."""
    settings.MAX_ACTIVE_JOBS = 1  # type: ignore[attr-defined] # pytest-django's
    submission = Submission(job_type="sdxl_image_fast", prompt="a lighthouse")
    twin = partial(submit, owner_id=user.pk, submission=submission, idempotency_key="k1")
    assert len({job.pk for job in together([twin] * 8)}) == 1


def test_the_last_place_is_given_once(user: User, settings: object) -> None:
    """pitfall 34"""
    settings.MAX_ACTIVE_JOBS = 3  # type: ignore[attr-defined] # pytest-django's
    one = either(OverLimit)(partial(make_job, user))
    answers = together([one] * 8)
    assert sum(answer is OverLimit for answer in answers) == 5
    assert Job.objects.count() == 3
    consistent(user)


def test_undos_a_retry_and_a_claim_at_once_queue_it_once(user: User) -> None:
    """Pitfall 39: a cancel is taken back once, or the retry has been quicker."""
    jobs = [make_job(user, quantity=3) for _ in range(4)]
    revisions = [each.undo for each in cancel_jobs(owner_id=user.pk)]
    undo = partial(undo_cancel, owner_id=user.pk, revisions=revisions)
    attempt = either(NotRetryable)
    retries = [attempt(partial(retry, owner_id=user.pk, job_id=job.pk)) for job in jobs]
    claim = partial(lease, worker=make_worker(), engines=BOTH)
    calls: list[Callable[[], Any]] = [undo, undo, *retries, claim]
    *answers, _ = together(calls)
    refused = answers.count(NotRetryable)
    assert sum(answers[:2]) == refused, "each was put back by an undo, or by its retry"
    assert {fresh(job).status for job in jobs} <= {"queued", "processing"}
    consistent(user)


def test_a_first_project_is_made_once(user: User) -> None:
    projects = together([partial(default_project, user.pk)] * 8)
    assert len({project.pk for project in projects}) == 1
    assert Project.objects.count() == 1


def test_assets_moved_at_once_in_any_order_do_not_deadlock(user: User) -> None:
    images = [image.pk for image in complete(make_job(user, quantity=6))]

    def shuffle_about(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(6):
            some = dice.sample(images, 4)
            dice.choice([discard, restore])(owner_id=user.pk, assets=some)
            clear(owner_id=user.pk)

    together([partial(shuffle_about, seed) for seed in range(6)])
    consistent(user)


class Reader:
    """Follows the feed of one owner by its cursor, as a page does."""

    def __init__(self, owner: User) -> None:
        self.owner_id = owner.pk
        self.after = 0
        self.newest: dict[object, int] = {}

    def read_on(self) -> None:
        page = feed.changes(owner_id=self.owner_id, after=self.after, limit=7)
        rows: list[Any] = [*page.jobs, *page.assets]
        for row in rows:
            assert self.after < row.revision <= page.revision
            self.newest[row.pk] = max(row.revision, self.newest.get(row.pk, 0))
        self.after = page.revision
        if page.more:
            self.read_on()


def test_a_reader_with_a_cursor_misses_nothing_of_eight_writers(user: User) -> None:
    """The counter's row lock makes the order of revisions the order of commits."""
    reader = Reader(user)

    def write(seed: int) -> None:
        for number in range(8):
            job = make_job(user, quantity=(1, 3, 6)[(seed + number) % 3])
            if number % 2:
                cancel(owner_id=user.pk, job_id=job.pk)

    def read() -> None:
        rounds = 0
        while rounds < 40 or Job.objects.count() < 64:
            reader.read_on()
            rounds += 1
        reader.read_on()

    writers: list[Callable[[], None]] = [partial(write, seed) for seed in range(8)]
    together([read, *writers])
    reader.read_on()
    assert reader.after == feed.position(user.pk).revision
    for row in [*Job.objects.of(user.pk), *Image.objects.filter(owner=user)]:
        assert reader.newest[row.pk] == row.revision
    consistent(user)


def test_a_reader_of_the_outbox_misses_no_end_of_eight_writers(user: User) -> None:
    """Decision 14: an event that commits late comes with a later revision."""
    jobs = [make_job(user) for _ in range(64)]
    read: list[OutboxEvent] = []

    def end(seed: int) -> None:
        for job in jobs[seed::8]:
            cancel(owner_id=user.pk, job_id=job.pk)

    def read_on() -> None:
        last = read[-1].revision if read else 0
        read.extend(OutboxEvent.objects.filter(owner=user, revision__gt=last).order_by("revision"))

    def follow() -> None:
        while Job.objects.filter(finished_at=None).exists():
            read_on()
        read_on()

    writers: list[Callable[[], None]] = [partial(end, seed) for seed in range(8)]
    together([follow, *writers])
    assert sorted(event.job_id for event in read) == sorted(job.pk for job in jobs)


def test_of_many_hints_and_previews_at_once_two_of_each_get_through(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pitfall 34"""
    make_job(user)
    job = lease_next(make_worker())
    held: dict[str, Any] = {"worker": job.leased_by, "job_id": job.pk, "lease_token": job.lease_token}
    hinted: list[object] = []
    monkeypatch.setattr("generation.changes.publisher.progressed", lambda **said: hinted.append(said))

    def show(shade: int) -> None:
        store_preview(**held, slot=0, content=io.BytesIO(png(shade=shade)))

    beats: list[Call] = [partial(heartbeat, **held, progress=number, stage="") for number in range(8)]
    shows: list[Call] = [either(TooManyPreviews)(partial(show, number)) for number in range(8)]
    answers = together([*beats, *shows])
    assert answers[:8] == ["continue"] * 8
    assert Counter(answers[8:]) == {None: 2, TooManyPreviews: 6}
    assert len(hinted) == 2
    assert Preview.objects.count() == 1
    consistent(user)


def test_a_preview_that_races_the_end_of_its_job_is_late_or_dropped(user: User) -> None:
    make_job(user)
    job = lease_next(make_worker())
    done = completed(job, 0)
    held: dict[str, Any] = {"worker": job.leased_by, "job_id": job.pk, "lease_token": job.lease_token}
    show = partial(store_preview, **held, slot=0, content=io.BytesIO(png(shade=7)))
    both: list[Call] = [partial(call_back, job, done), either(LeaseLost)(show)]
    together(both)
    assert fresh(job).status == "completed"
    delete_previews()
    assert not Preview.objects.exists()
    consistent(user)
