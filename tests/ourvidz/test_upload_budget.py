"""How much may be on its way at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from django.conf import LazySettings

from ourvidz.upload_budget import BudgetExceeded, CallerBudgetExceeded, UploadBudget

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _small(settings: LazySettings) -> None:
    settings.UPLOAD_BYTES_PER_CALLER = 10 * MEGABYTE
    settings.UPLOAD_BYTES_IN_FLIGHT = 15 * MEGABYTE


def test_a_caller_has_its_share() -> None:
    budget = UploadBudget()
    with budget.reserve("user:1", 6 * MEGABYTE):
        with pytest.raises(CallerBudgetExceeded), budget.reserve("user:1", 5 * MEGABYTE):
            pass
        with budget.reserve("user:2", 5 * MEGABYTE):
            pass
    with budget.reserve("user:1", 10 * MEGABYTE):
        pass


def test_all_callers_together_have_theirs() -> None:
    budget = UploadBudget()
    with budget.reserve("user:1", 10 * MEGABYTE):
        with pytest.raises(BudgetExceeded) as exceeded, budget.reserve("user:2", 6 * MEGABYTE):
            pass
        assert exceeded.type is BudgetExceeded, "the server's, not the caller's own"
        with budget.reserve("user:2", 5 * MEGABYTE):
            pass


def test_small_uploads_are_bounded_in_number() -> None:
    budget = UploadBudget()
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(budget.reserve("user:1", 1))
        with pytest.raises(CallerBudgetExceeded), budget.reserve("user:1", 1):
            pass


def test_what_ends_badly_is_given_back_too() -> None:
    budget = UploadBudget()
    for _ in range(20):
        with pytest.raises(ZeroDivisionError), budget.reserve("user:1", 10 * MEGABYTE):
            raise ZeroDivisionError
