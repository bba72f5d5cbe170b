"""Two owners, three workers, the model that they are held against, and chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from hypothesis import strategies as st

from tests.factories import make_worker
from tests.generation.worker_api.conftest import Machine
from tests.properties.callers import Follower, Person
from tests.properties.model import World
from tests.properties.records import Job, Lease

T = TypeVar("T")
BOTH = ("sdxl", "wan")
ENGINES = (BOTH, BOTH, ("wan",))


@dataclass(frozen=True)
class Chance:
    """Choices that Hypothesis makes, and takes back where a failure does not need them."""

    data: st.DataObject

    def of(self, some: Sequence[T]) -> T:
        return self.data.draw(st.sampled_from(some))

    def mostly(self, likely: Sequence[T], every: Sequence[T]) -> T:
        """Three times in four one of the likely, if there are any."""
        is_usual = self.data.draw(st.sampled_from([True, True, True, False]))
        return self.of(likely if likely and is_usual else every)


class Studio:
    """Who there is, and what they were given and wrote so far."""

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.world = World(owners=2)
        self.people = [Person("ada"), Person("grace")]
        self.followers = [Follower(self.people[0], page=200), Follower(self.people[1], page=5)]
        self.machines = [Machine(make_worker(f"m{n}", ENGINES[n])) for n in range(3)]
        self.given: list[Lease] = []
        self.written: list[tuple[Lease, dict[str, Any]]] = []
        self.results: dict[str, str] = {}  # asset id: sha256 of its one result
        self.stored: dict[tuple[str, int, str], str] = {}  # lease, slot and sha256: the one upload
        self.touched: set[Job] = set()
