"""What a sabotage is."""

from __future__ import annotations

from dataclasses import dataclass

MACHINE = "tests/properties/test_jobs_as_a_machine.py"
GUARDS = "tests/properties/test_guards.py"
CONSTRAINTS = "tests/generation/test_constraints.py"
LEASING = "tests/generation/test_leasing.py"
RACES = "tests/generation/test_races.py"
GENERATION = "generation/"


@dataclass(frozen=True)
class Edit:
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Sabotage:
    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = (MACHINE,)
    postgres: bool = False


def in_generation(name: str, module: str, old: str, new: str, *tests: str) -> Sabotage:
    return Sabotage(name, (Edit(f"{GENERATION}{module}.py", old, new),), tests or (MACHINE,))
