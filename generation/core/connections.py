"""Database connections that are not held while a thread waits for something else."""

from __future__ import annotations

from django.db import connection


def give_back() -> None:
    """Return this thread's connection to the pool; the next query takes one. Nothing inside a transaction."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()
