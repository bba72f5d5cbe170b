"""The search: what it finds, what it refuses, and when what it finds changes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from generation.assets import actions, listing, operation_work, operations, titles
from generation.assets.filters import AssetFilter
from generation.assets.search import index, newest
from generation.assets.search.query import BadSearch, Term, parse
from generation.assets.search.tokens import document
from generation.changes import search_entries
from generation.models import Action, Asset, Job, Worker
from tests.acting import user_actor
from tests.factories import call_back, complete, completed, lease_next, make_job, make_user

pytestmark = pytest.mark.django_db

WORDS = [
    "cat",
    "Cat",
    "CATS",
    "dog",
    "café",
    "café",
    "Straße",
    "STRASSE",
    "été",
    "naïve",
    "夜景",
    "夜",
    "景色",
    "のガラス",
    "ガラス",
    "ｶﾞﾗｽ",
    "カメラ",
    "서울",
    "밤",
    "ภาษา",
    "🦊",
    "👩\u200d🚀",
    "👩🏽\u200d🚀",
    "🚀",
    "🇯🇵",
    "🇯🇵🇩🇪",
    "☀",
    "☀️",
    "™",
    "ﬁre",
    "ﬁ",
    "ﷺ",
    "1girl",
    "100%",
    "3.14",
    "f/1.8",
    "it's",
    "l'été",
    "e-mail",
    "snake_case",
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    "a",
    "o1_cat",
    "_type_video_fast",
    "''",
    '"',
    "*",
    "-",
    "--",
    ":",
    "&",
    "|",
    "!",
    "<->",
    "(",
    ")",
    "\\",
    "%",
    "_",
    "{}",
    "^",
    ";",
    ",",
    "~",
    "@",
    "#",
    "$",
    "+",
    "=",
    "…",
]
words = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
prompts = st.lists(words, max_size=7).map(lambda some: " ".join(some))
phrases = st.lists(words, min_size=1, max_size=3).map(lambda some: f'"{" ".join(some)}"')
starred = words.map(lambda word: f"{word[:3]}*")
terms = st.tuples(st.sampled_from(["", "", "", "-"]), words | phrases | starred).map("".join)
queries = st.lists(terms, min_size=1, max_size=3).map(lambda some: " ".join(some))


def has(term: Term, tokens: list[str]) -> bool:
    """The definition: the term's tokens follow one another."""
    text = "".join(f"<{token}>" for token in tokens)
    run = "".join(f"<{token}>" for token in term.tokens)
    return (run.removesuffix(">") if term.is_prefix else run) in text


def found(owner: User, q: str, **more: object) -> list[uuid.UUID]:
    only = AssetFilter(q=q, **more)  # type: ignore[arg-type] # as the test says
    return [asset.pk for asset in listing.library(owner_id=owner.pk, only=only).assets]


@pytest.fixture
def library(owner: User, worker: Worker) -> list[Asset]:
    """Six results of the owner's, newest first."""
    for _ in range(2):
        complete(make_job(owner, quantity=3), worker)
    return listing.library(owner_id=owner.pk).assets


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(fields=st.lists(prompts, min_size=10, max_size=10), asked=st.lists(queries, min_size=4, max_size=4))
@example(fields=["a b", "c", "a", "b c", "", "", "", "x", "", ""], asked=['"a b"', '"b c"', "-a", "-zzz -a"])
@example(fields=["夜景", "夜", "景 夜", "", "", "", "", "", "", ""], asked=["夜景", "-夜", "景", '"景 夜"'])
def test_the_search_finds_what_the_reference_finds(
    owner: User, library: list[Asset], fields: list[str], asked: list[str]
) -> None:
    """Pitfall 50. The same on each database, in all four fields; and not what a stranger has."""
    jobs = list(Job.objects.of(owner.pk))
    for asset, prompt in zip(library, fields, strict=False):
        Asset.objects.filter(pk=asset.pk).update(prompt=prompt)
    Asset.objects.filter(pk=library[0].pk).update(title=fields[6])
    Job.objects.filter(pk=jobs[0].pk).update(negative_prompt=fields[7], enhanced_prompt=fields[8])
    Job.objects.filter(pk=jobs[1].pk).update(negative_prompt=fields[9])
    index.refresh(asset_ids=[asset.pk for asset in library])
    rows = Asset.objects.select_related("job").in_bulk([asset.pk for asset in library])
    tokens = {
        row.pk: document([row.title, row.prompt, row.job.enhanced_prompt, row.job.negative_prompt])
        for row in rows.values()
    }
    for q in asked:
        try:
            wanted = parse(q).terms
        except BadSearch:
            continue
        expected = [
            asset.pk
            for asset in library
            if all(has(term, tokens[asset.pk]) != term.is_excluded for term in wanted)
        ]
        assert found(owner, q) == expected, q
        only = AssetFilter(q=q)
        assert listing.saved(owner_id=owner.pk, only=only).count() == len(expected)
        applied = only.apply(Asset.objects.of(owner.pk).in_library(), owner_id=owner.pk)
        assert {asset.pk for asset in applied} == set(expected)


@pytest.mark.parametrize(("looked_at", "sorted_"), [(1, 20_000), (1, 1), (2, 0), (2000, 20_000)])
def test_the_order_and_the_pages_are_right_by_each_way(
    owner: User, library: list[Asset], monkeypatch: pytest.MonkeyPatch, looked_at: int, sorted_: int
) -> None:
    """Whether the newest rows have enough, the index few, or the index many and the newest rows none."""
    monkeypatch.setattr(newest, "LOOKED_AT", looked_at)
    monkeypatch.setattr(newest, "LOOKED_AT_NEXT", 2 * looked_at)
    monkeypatch.setattr(newest, "SORTED", sorted_)
    some = [library[n] for n in (0, 3, 4, 5)]
    Asset.objects.filter(pk__in=[asset.pk for asset in some]).update(title="fox")
    index.refresh(asset_ids=[asset.pk for asset in some])
    only, cursor, pages = AssetFilter(q="fox"), "", []
    for _ in range(3):
        page = listing.library(owner_id=owner.pk, only=only, cursor=cursor, limit=2)
        pages.append(page.assets)
        cursor = page.next_cursor
        if not cursor:
            break
    assert pages == [some[:2], some[2:]]
    assert listing.saved(owner_id=owner.pk, only=only).count(most=2) == 3


def test_nobody_finds_what_others_have(owner: User, library: list[Asset], worker: Worker) -> None:
    stranger = make_user()
    complete(make_job(stranger, prompt="a secret fox"), worker)
    assert found(owner, "secret") == []
    assert found(owner, "-secret") == [asset.pk for asset in library]
    assert found(owner, "", seed=library[0].seed) == [
        asset.pk for asset in library if asset.seed == library[0].seed
    ]
    assert found(stranger, "", shape="square") == list(
        Asset.objects.of(stranger.pk).values_list("pk", flat=True)
    )


def test_a_callback_makes_its_results_searchable_with_the_enhanced_prompt(
    owner: User, worker: Worker
) -> None:
    """An enhanced prompt that comes later is found for the results before it too."""
    job = make_job(owner, "image7b_fast_enhanced", prompt="boat", negative_prompt="blurry")
    leased = lease_next(worker)
    call_back(leased, completed(leased, 0), status="processing")
    (asset,) = job.slots
    assert found(owner, "boat blurry") == [asset.pk]
    assert found(owner, "schooner") == []
    call_back(leased, metadata={"enhanced_prompt": "a two-masted schooner"})
    assert found(owner, "boat schooner") == [asset.pk]
    assert found(owner, '"two masted schooner boat"') == []


@pytest.mark.parametrize(
    ("q", "words"),
    [
        ("x" * 201, "at most 200 characters"),
        (" ".join(f"w{n}" for n in range(21)), "at most 20 words"),
        ("a*", "at least 2 letters"),
        ("% & -", "no word"),
        ('""', "no word"),
        pytest.param("ﷺ" * 60, "", id="ligatures"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_in_words(owner: User, q: str, words: str) -> None:
    if not words:  # folds to eighteen letters each: still answered
        assert found(owner, q) == []
        return
    with pytest.raises(BadSearch, match=words):
        found(owner, q)
    assert words in AssetFilter(q=q).error
    assert list(AssetFilter(q=q).apply(Asset.objects.all(), owner_id=owner.pk)) == []


def test_more_than_an_index_holds_is_left_out_alike(owner: User, library: list[Asset]) -> None:
    """PostgreSQL keeps 256 positions of a word, up to 16,383, and words of 2 KB."""
    long = "w" * 190
    text = f"{'cat dog ' * 300}{'fox ' * 15_000}owl {'x' * 3000} {long}"
    Asset.objects.filter(pk=library[0].pk).update(prompt=text)
    index.refresh(asset_ids=[library[0].pk])
    assert found(owner, '"cat dog cat"') == found(owner, "fox") == [library[0].pk]
    assert found(owner, "owl") == [library[0].pk]
    Asset.objects.filter(pk=library[0].pk).update(prompt=f"{'fox ' * 16_000} owl {long}")
    index.refresh(asset_ids=[library[0].pk])
    assert found(owner, "owl") == found(owner, long) == []


def test_what_leaves_the_library_is_found_no_more(owner: User, worker: Worker) -> None:
    """What is under review, discarded, restored, saved one by one or by an operation."""

    def agrees(*expected: Asset) -> None:
        assert found(owner, "harbour") == [asset.pk for asset in expected]
        assert listing.saved(owner_id=owner.pk, only=AssetFilter(q="harbour")).count() == len(expected)
        assert not search_entries.with_wrong_moment().exists()

    who: dict[str, Any] = {"owner_id": owner.pk, "actor": user_actor(owner.pk)}
    first, second, third = complete(make_job(owner, prompt="a harbour", quantity=3, review=True), worker)
    agrees()
    actions.save(assets=[third.pk], **who)
    actions.save(assets=[first.pk], **who)
    agrees(first, third)
    actions.discard(assets=[first.pk, second.pk], **who)
    agrees(third)
    operation = operations.act(action=Action.DISCARD, value={}, assets=[third.pk], **who)
    agrees()
    operations.undo(operation_id=operation.pk, **who)
    operation_work.work(owner.pk, seconds=5)
    agrees(third)
    actions.restore(assets=[first.pk, second.pk], **who)
    agrees(first, third)
    titles.set_title(asset_id=second.pk, title="harbour", **who)
    agrees(first, third)
