"""The tables of settings in docs/settings.md, from the declarations.

`python -m tests.ourvidz.settings_tables` writes them.
"""

from __future__ import annotations

from pathlib import Path

from ourvidz.declarations import GROUPS
from ourvidz.environment import Setting

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
HEAD = "| variable | default | allowed | means |\n| --- | --- | --- | --- |\n"


def row(setting: Setting) -> str:
    return f"| `{setting.name}` | {setting.default_text} | {setting.range_text} | {setting.means} |\n"


def with_tables(text: str) -> str:
    """The document with the table of each group under its heading. Raises ValueError where one is missing."""
    for title, settings in GROUPS.items():
        heading = f"\n## {title}\n\n"
        start = text.index(heading) + len(heading)
        end = f"{text}\n".index("\n\n", start) + 1
        text = text[:start] + HEAD + "".join(row(setting) for setting in settings) + text[end:]
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
