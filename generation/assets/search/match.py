"""A query as each engine's index takes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup

from generation.assets.search.query import Query, Term
from generation.assets.search.tokens import GAP
from generation.models.search import TokensField

PLAIN = re.compile(r"[a-z0-9][a-z0-9_]*")
FILLER = "_"  # in SQLite, where there is no token; nobody can ask for it


def key(owner_id: int, token: str) -> str:
    """The token as it is stored: what others have is never looked at. No token of text has an underscore."""
    return f"{owner_id}_{token}"


def trait(name: str, value: object) -> str:
    """A token for what a result is; no text has it. What a tokenizer would divide is written in hex."""
    text = str(value)
    return f"_{name}_{text}" if PLAIN.fullmatch(text) else f"_{name}__{text.encode().hex()}"


def stored(owner_id: int, document: Sequence[str], traits: Sequence[str], vendor: str) -> str:
    """The value of `TokensField`. The empty token says whose it is, for a search that only excludes."""
    marks = [key(owner_id, token) for token in ("", *traits)]
    if vendor == "sqlite":
        words = [key(owner_id, token) if token != GAP else FILLER for token in document]
        return " ".join([*marks, FILLER, *words])
    places: dict[str, list[str]] = {}
    for number, token in enumerate(document, start=1):
        if token != GAP:
            places.setdefault(key(owner_id, token), []).append(str(number))
    words = [f"'{token}':{','.join(numbers)}" for token, numbers in places.items()]
    return " ".join([*(f"'{mark}'" for mark in marks), *words])


@dataclass(frozen=True, slots=True)
class Match:
    """What the index is asked for: an owner's results with these traits that fit the query, if any.

    With `by_row` of rows that are found otherwise: SQLite else runs through all that match for each of them.
    """

    owner_id: int
    query: Query | None = None
    traits: tuple[str, ...] = ()
    by_row: bool = False

    def for_postgresql(self) -> str:
        """As a `tsquery`."""
        terms = [self._quoted(trait) for trait in self._marks()]
        terms += [f"({self._phrase(term)})" for term in self._terms(excluded=False)]
        terms += [f"!({self._phrase(term)})" for term in self._terms(excluded=True)]
        return " & ".join(terms)

    def for_sqlite(self) -> str:
        """As an FTS5 expression."""
        terms = [f'"{key(self.owner_id, mark)}"' for mark in self._marks()]
        terms += [self._fts5_phrase(term) for term in self._terms(excluded=False)]
        excluded = [self._fts5_phrase(term) for term in self._terms(excluded=True)]
        wanted = " AND ".join(terms)
        return f"({wanted}) NOT ({' OR '.join(excluded)})" if excluded else wanted

    def _marks(self) -> tuple[str, ...]:
        return self.traits if self.traits or self._terms(excluded=False) else ("",)

    def _terms(self, *, excluded: bool) -> list[Term]:
        return [term for term in self.query.terms if term.is_excluded == excluded] if self.query else []

    def _quoted(self, token: str) -> str:
        return f"'{key(self.owner_id, token)}'"

    def _phrase(self, term: Term) -> str:
        *first, last = map(self._quoted, term.tokens)
        return " <-> ".join([*first, f"{last}:*" if term.is_prefix else last])

    def _fts5_phrase(self, term: Term) -> str:
        phrase = " ".join(key(self.owner_id, token) for token in term.tokens)
        return f'"{phrase}" *' if term.is_prefix else f'"{phrase}"'


@TokensField.register_lookup
class Matching(Lookup):
    """`search_entry__tokens__matching=Match(…)`."""

    lookup_name = "matching"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        column, params = self.process_lhs(compiler, connection)
        return f"{column} @@ %s::tsquery", (*params, self.rhs.for_postgresql())

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        entry = f"{'+' if self.rhs.by_row else ''}{compiler.quote_name_unless_alias(self.lhs.alias)}.id"
        found = "SELECT rowid FROM generation_search WHERE generation_search MATCH %s"
        return f"{entry} IN ({found})", (self.rhs.for_sqlite(),)
