"""The query language of the search: words in any order, "phrases", -not, prefix*."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import regex

from generation.assets.search.tokens import MAX_TOKEN, UNSPACED, tokens_of
from generation.core.errors import DomainError
from generation.core.limits import SEARCH_LENGTH

MAX_TERMS = 20
MIN_PREFIX = 2  # letters: one alone begins a twentieth of all words
QUOTES = regex.compile("[“”„‟«»＂]")
TERM = regex.compile(r'(?P<minus>-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*)?')
WHOLE = regex.compile(rf"{UNSPACED}|\p{{Extended_Pictographic}}|\p{{RI}}")


class BadSearch(DomainError):
    """A search that cannot be carried out, and why."""

    code = "bad_search"


@dataclass(frozen=True, slots=True)
class Term:
    """Tokens that follow one another; of a prefix the last one is only begun."""

    tokens: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All terms must be found, and none that is excluded."""

    terms: tuple[Term, ...]


@lru_cache(maxsize=256)
def parse(text: str) -> Query:
    """Raises BadSearch, also for a text without any word."""
    if len(text) > SEARCH_LENGTH:
        raise BadSearch(f"A search has at most {SEARCH_LENGTH} characters.")
    found = [_term(match) for match in TERM.finditer(QUOTES.sub('"', text))]
    terms = tuple(term for term in found if term.tokens)
    if not terms:
        raise BadSearch("There is no word in this to search for.")
    if len(terms) > MAX_TERMS:
        raise BadSearch(f"A search has at most {MAX_TERMS} words and phrases.")
    return Query(terms)


def _term(match: regex.Match[str]) -> Term:
    text = match["phrase"] if match["word"] is None else match["word"]
    star = match["star"] or (match["word"] or "").endswith("*")
    tokens = tuple(tokens_of(text))
    is_prefix = bool(star and tokens and not WHOLE.match(tokens[-1]))
    if is_prefix and len(tokens[-1]) < MIN_PREFIX:
        raise BadSearch(f"Before * there are at least {MIN_PREFIX} letters.")
    if any(len(token) > MAX_TOKEN for token in tokens):
        raise BadSearch(f"A word has at most {MAX_TOKEN} letters.")
    return Term(tokens, is_prefix, is_excluded=match["minus"] is not None)
