"""A storage that fails as disks do."""

from __future__ import annotations

import errno
from typing import Any

from django.core.files.storage import FileSystemStorage


class FullDisk(FileSystemStorage):
    """Takes files until one of them is named like `full_at`."""

    full_at = "thumb"

    def _save(self, name: str, content: Any) -> str:
        if self.full_at in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super()._save(name, content)  # type: ignore[misc] # Django's own hook
