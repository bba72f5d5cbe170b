"""The bundled workers keep their tokens from start to start, and with them what lies in their spool."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from generation.access import tokens
from generation.core.actors import SYSTEM
from generation.models import WorkerToken
from ourvidz.management.commands.prepare import bundled_tokens
from tests.factories import make_worker

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_the_next_start_uses_the_same_tokens(tmp_path: Path) -> None:
    workers, kept = [make_worker(), make_worker()], tmp_path / "kept.json"
    first = bundled_tokens(workers, kept)
    assert bundled_tokens(workers, kept) == first
    assert bundled_tokens(workers[:1], kept) == first[:1]
    assert bundled_tokens(workers, kept) == first
    assert [tokens.worker_of(token) for token in first] == workers
    assert WorkerToken.objects.count() == 2
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_revoked_token_is_replaced(tmp_path: Path) -> None:
    worker, kept = make_worker(), tmp_path / "kept.json"
    [first] = bundled_tokens([worker], kept)
    tokens.revoke(WorkerToken.objects.filter(worker=worker), actor=SYSTEM)
    [second] = bundled_tokens([worker], kept)
    assert second != first
    assert tokens.worker_of(second) == worker


def test_a_token_of_another_worker_is_replaced(tmp_path: Path) -> None:
    """As of a data folder that is used with another database."""
    worker, other, kept = make_worker(), make_worker(), tmp_path / "kept.json"
    kept.write_text(f'{{"{worker.name}": "{bundled_tokens([other], tmp_path / "other.json")[0]}"}}')
    assert tokens.worker_of(bundled_tokens([worker], kept)[0]) == worker


@pytest.mark.parametrize("content", ["", "[]", "{", '{"bundled-1": 3}'])
def test_a_file_that_a_power_cut_left_does_no_harm(tmp_path: Path, content: str) -> None:
    worker, kept = make_worker(), tmp_path / "kept.json"
    kept.write_text(content)
    kept.chmod(0o644)
    assert tokens.worker_of(bundled_tokens([worker], kept)[0]) == worker
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
