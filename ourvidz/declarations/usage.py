"""Settings of jobs and workers, of what a user may have, how long things are kept, and of signing in."""

from __future__ import annotations

from ourvidz.declarations.units import EIB, GIB
from ourvidz.environment import Derived, Integer, same

JOBS = (
    Integer(
        name="LEASE_SECONDS",
        default=60,
        low=2,
        high=86_400,
        means="how long a lease lasts without a heartbeat",
    ),
    Integer(
        name="HEARTBEAT_SECONDS",
        default=Derived(
            "15, at most a quarter of `LEASE_SECONDS`",
            lambda values: max(1, min(15, values["LEASE_SECONDS"] // 4)),
        ),
        low=1,
        high=Derived("half of `LEASE_SECONDS`", lambda values: values["LEASE_SECONDS"] // 2),
        means="how often one is sent",
    ),
    Integer(
        name="MAX_ATTEMPTS",
        default=3,
        low=1,
        high=100,
        means="leases of one job before its open slots fail",
    ),
    Integer(
        name="RETRY_BACKOFF_SECONDS",
        default=5,
        low=0,
        high=86_400,
        means="wait before the second attempt; doubles, at most five minutes",
    ),
)
OF_ONE_USER = (
    Integer(
        name="MAX_ACTIVE_JOBS",
        default=200,
        low=0,
        high=1_000_000,
        means="jobs one user may have waiting and running; a user quota in the admin overrides it",
    ),
    Integer(
        name="STORAGE_QUOTA_BYTES",
        default=0,
        low=0,
        high=EIB,
        means="bytes of results that one user may store, the trash included; 0: no limit. At the limit new "
        "jobs are refused (`storage_full`), what runs is still taken. A user quota in the admin overrides it",
    ),
    Integer(
        name="REFERENCE_QUOTA_BYTES",
        default=2 * GIB,
        low=0,
        high=EIB,
        means="reference images that one user may keep, in all; each counts at least 64 KiB",
    ),
)
KEPT = (
    Integer(name="TRASH_DAYS", default=30, low=0, high=36_500, means="how long discarded assets are kept"),
    Integer(
        name="REFERENCE_DAYS",
        default=30,
        low=1,
        high=36_500,
        means="how long a reference image is kept after its last use; one that a waiting or running job "
        "needs stays, and a job that ended without its pictures cannot be retried",
    ),
    Integer(
        name="OUTBOX_DAYS",
        default=30,
        low=1,
        high=3650,
        means="how long the outbox keeps what happened (jobs that ended), for readers who come later",
    ),
    Integer(
        name="UNSUCCESSFUL_JOB_DAYS",
        default=30,
        low=1,
        high=3650,
        means="how long a job that ended without any result is kept",
    ),
    Integer(
        name="UNSUCCESSFUL_JOBS",
        default=1000,
        low=1,
        high=1_000_000,
        means="how many of them one user has at most: the oldest go first",
    ),
)
SIGNING_IN = (
    Integer(
        name="SIGN_IN_ATTEMPTS",
        default=10,
        low=1,
        high=1_000_000,
        means="attempts to sign in with one name from one address in ten minutes, own passwords asked for "
        "again included; ten times as many from one address in all. Behind a proxy (`HTTPS`) the address is "
        "the last one in `X-Forwarded-For`",
    ),
    Integer(
        name="SIGN_IN_LINK_MINUTES",
        default=60,
        low=1,
        high=10_080,
        means="how long a one-time sign-in link works",
    ),
    Integer(
        name="SESSION_DAYS",
        default=90,
        low=1,
        high=3650,
        means="a browser is signed out so many days after its sign-in",
    ),
    Integer(
        name="SESSION_IDLE_DAYS",
        default=Derived("14, at most `SESSION_DAYS`", lambda values: min(14, values["SESSION_DAYS"])),
        low=1,
        high=same("SESSION_DAYS"),
        means="and so many after its last use",
    ),
    Integer(
        name="TOKEN_DAYS",
        default=365,
        low=1,
        high=3650,
        means="how long a personal token lives at most, and where nothing is chosen",
    ),
)
