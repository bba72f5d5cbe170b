"""Lucide's icons, drawn once a page: `{% icon "download" %}` refers to its symbol in `{% icon_sprite %}`.

The sprite is in base.html and holds all of them, as cards and toasts that come later refer to it too. It is
no file of its own: the Content-Security-Policy's directive for such a reference differs by browser.
"""

from __future__ import annotations

import re
from functools import cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

register = template.Library()
ICONS = (
    "arrow-down",
    "arrow-down-to-line",
    "arrow-up",
    "arrow-up-to-line",
    "bell",
    "bookmark-plus",
    "check",
    "check-check",
    "chevron-left",
    "chevron-right",
    "columns-2",
    "copy",
    "dices",
    "download",
    "ellipsis",
    "expand",
    "folder",
    "folders",
    "grid-2x2",
    "grid-3x3",
    "grip-vertical",
    "heart",
    "history",
    "image-plus",
    "images",
    "info",
    "keyboard",
    "layers",
    "link",
    "lock",
    "log-out",
    "maximize-2",
    "pencil",
    "play",
    "repeat",
    "scan-search",
    "search",
    "sliders-horizontal",
    "sparkles",
    "square",
    "star",
    "tag",
    "trash-2",
    "triangle-alert",
    "undo-2",
    "upload",
    "user-round",
    "wrench",
    "x",
)
USE = '<svg class="icon"{} aria-hidden="true"><use href="#icon-{}"/></svg>'
USUAL_SIZE = 18  # as base.css says it, once for all, with the stroke
BETWEEN_TAGS = re.compile(r"\s+(?=<|/>)")


class UnknownIconError(LookupError):
    """An icon that the sprite does not hold: add it to ICONS."""


@register.simple_tag
@cache
def icon(name: str, size: int = USUAL_SIZE) -> SafeString:
    """A decoration, hidden from screen readers: name the control itself.

    Raises:
        UnknownIconError
    """
    if name not in ICONS:
        raise UnknownIconError(name)
    sides = format_html(' width="{0}" height="{0}"', size) if size != USUAL_SIZE else ""
    return format_html(USE, sides, name)


@register.simple_tag
@cache
def icon_sprite() -> SafeString:
    """Every icon's shape, shown nowhere by itself."""
    symbols = "".join(map(_symbol, ICONS))
    return mark_safe(f"<div hidden><svg>{symbols}</svg></div>")  # noqa: S308 - nothing of it is input


def _symbol(name: str) -> str:
    drawn = lucide(name, size=None)
    shape = BETWEEN_TAGS.sub("", drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")])
    return f'<symbol id="icon-{name}" viewBox="0 0 24 24">{shape}</symbol>'
