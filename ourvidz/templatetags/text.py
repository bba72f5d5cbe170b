"""Text of people's cut to a length: `{{ prompt|shorten:60 }}`, between characters as people see them."""

from __future__ import annotations

from django import template

from generation.core import graphemes

register = template.Library()


@register.filter
def shorten(text: str, count: int) -> str:
    """At most so many characters, the last one an ellipsis where some are left out."""
    return graphemes.shorten(text, count)


@register.filter
def initial(text: str) -> str:
    """The first character."""
    return next(iter(graphemes.clusters(text)), "")
