"""Scripts under names that change with their content."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.conf import settings

from ourvidz.static_storage import StaticStorage

SCRIPTS = Path(settings.BASE_DIR) / "static" / "js"


@cache
def depth(module: str) -> int:
    """How many modules stand on one another here, this one counted."""
    imported = re.findall(r'from "\./([^"]+)"', (SCRIPTS / module).read_text())
    return 1 + max(map(depth, imported), default=0)


def test_names_reach_the_deepest_import_in_whatever_order_the_files_are_listed() -> None:
    deepest = max(depth(path.name) for path in SCRIPTS.glob("*.js"))
    assert deepest + 1 <= StaticStorage.max_post_process_passes, "the last pass must find nothing to do"
