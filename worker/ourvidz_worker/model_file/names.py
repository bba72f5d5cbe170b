"""Names that the server accepts."""

from __future__ import annotations

import re

from ourvidz_worker.engines.models import MAX_NAME_LENGTH
from ourvidz_worker.model_file.table import InvalidModel

SLUG = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}")
TITLE_LENGTH = 120


def slug(text: str, place: str) -> str:
    if not SLUG.fullmatch(text):
        raise InvalidModel(
            f"{place} must be lower-case letters, digits, dots, hyphens and underscores, "
            f"at most {MAX_NAME_LENGTH}, beginning with a letter or a digit, not {text[:60]!r}"
        )
    return text
