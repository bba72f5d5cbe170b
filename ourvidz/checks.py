"""What Django's system checks say of our own settings: `manage.py check`, with and without `--deploy`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from ourvidz.private_files import UMASK

GROUP_READS = 0o040


@register(Tags.security)
def signing_key_is_private(**options: Any) -> list[CheckMessage]:
    """The key of somebody else, as of root, may be read by a group: else OurVidz could not read it."""
    if not settings.SIGNING_KEY:
        return []
    found = Path(settings.SIGNING_KEY).stat()
    is_ours = found.st_uid == os.geteuid()
    if not found.st_mode & UMASK & ~(0 if is_ours else GROUP_READS):
        return []
    sentence = f"The file of SIGNING_KEY is open to other accounts ({found.st_mode & 0o777:o})."
    hint = f"Who reads it can sign as this server: run chmod go= {settings.SIGNING_KEY} as its owner."
    return [Warning(sentence, hint=hint, id="ourvidz.W001")]
