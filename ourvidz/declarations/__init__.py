"""Every setting: its name, kind, default, range and meaning. docs/settings.md has its tables from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from ourvidz.declarations.installation import PLACE, SITE
from ourvidz.declarations.marking import MARKING
from ourvidz.declarations.process_limits import CONNECTIONS, DECODING, REQUESTS
from ourvidz.declarations.usage import JOBS, KEPT, OF_ONE_USER, SIGNING_IN
from ourvidz.environment import Setting, Values, read

# By their headings in docs/settings.md.
GROUPS: Mapping[str, tuple[Setting, ...]] = {
    "Where it runs, and what it keeps where": PLACE,
    "The site": SITE,
    "Jobs and their workers": JOBS,
    "What one user may have": OF_ONE_USER,
    "How long things are kept": KEPT,
    "Marking results": MARKING,
    "Signing in": SIGNING_IN,
    "Bounds of a web process: requests and pages": REQUESTS,
    "Bounds of a web process: connections and bodies": CONNECTIONS,
    "Bounds of a web process: decoding": DECODING,
}
SETTINGS = tuple(setting for group in GROUPS.values() for setting in group)


@cache
def values_given() -> Values:
    """The values of all settings, from this process's environment. Raises InvalidSetting."""
    return read(SETTINGS, os.environ)
