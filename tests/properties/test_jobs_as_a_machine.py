"""Histories that nobody thought of: Hypothesis drives the studio through its HTTP API and checks every step.

`PROPERTIES=long script/test tests/properties` looks longer, and elsewhere each time (docs/proofs.md).
"""

from __future__ import annotations

import os

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import History
from tests.properties.records import MAX_ACTIVE_JOBS, MAX_ATTEMPTS

# `quick` is the same in every run; `long` is another each time; `bite` stops at what it finds, to be quick.
PROFILES = {
    "quick": settings(max_examples=20, stateful_step_count=30, derandomize=True),
    "long": settings(max_examples=1500, stateful_step_count=50),
    "bite": settings(
        max_examples=40, stateful_step_count=30, derandomize=True, phases=[Phase.explicit, Phase.generate]
    ),
}
PROFILE = settings(
    PROFILES[os.environ.get("PROPERTIES", "quick")],
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.django_db
@pytest.mark.timeout(3600)
def test_any_history_of_owners_workers_and_time_keeps_the_rules(settings: LazySettings) -> None:
    """Pitfalls 1, 2, 4, 5, 6, 8, 9, 12, 14, 15, 16, 23, 28, 29, 34: see the invariants of `History`."""
    settings.LEASE_SECONDS = 3600  # time passes only where a rule says so
    settings.RETRY_BACKOFF_SECONDS = 300
    settings.MAX_ATTEMPTS = MAX_ATTEMPTS
    settings.MAX_ACTIVE_JOBS = MAX_ACTIVE_JOBS
    run_state_machine_as_test(History, settings=PROFILE)
