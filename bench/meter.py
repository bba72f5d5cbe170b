"""Times and statement counts, by operation and case."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from bench.databases import counted

T = TypeVar("T")


@dataclass(slots=True)
class Meter:
    """What was measured. Statements are counted in runs of their own, which are not timed."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    queries: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    callback_queries: dict[int, int] = field(default_factory=dict)

    def timing(self, case: str) -> Probe:
        return Probe(self, case, counts=False)

    def counting(self, case: str) -> Probe:
        return Probe(self, case, counts=True)

    def median_ms(self, operation: str, case: str) -> float:
        return statistics.median(self.seconds[operation, case]) * 1000

    def undisturbed_ms(self, operation: str, case: str) -> float:
        """The fastest tenth: about what it takes when nobody else uses the machine."""
        seconds = sorted(self.seconds[operation, case])
        return seconds[len(seconds) // 10] * 1000

    def medians(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for operation, case in self.seconds:
            found[operation][case] = round(self.median_ms(operation, case), 3)
        return found

    def queries_of(self, operation: str, case: str) -> str:
        """The number of statements; two numbers if it varied."""
        seen = self.queries[operation, case]
        return "–".join(map(str, sorted({min(seen), max(seen)})))

    def all_queries(self) -> dict[str, str]:
        operations = dict.fromkeys(operation for operation, _ in self.queries)
        cases = [case for _, case in self.queries][-1:]
        return {operation: self.queries_of(operation, cases[0]) for operation in operations}


@dataclass(frozen=True, slots=True)
class Probe:
    """Runs an operation and keeps either its time or its number of statements."""

    meter: Meter
    case: str
    counts: bool

    def __call__(self, operation: str, call: Callable[[], T]) -> T:
        if self.counts:
            with counted() as count:
                result = call()
            if count.queries:  # by hand nothing passes Django
                self.meter.queries[operation, self.case].add(count.queries)
            return result
        began = time.perf_counter()
        result = call()
        self.meter.seconds[operation, self.case].append(time.perf_counter() - began)
        return result
