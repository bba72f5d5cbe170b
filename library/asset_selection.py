"""Which assets a form or a link names: `image=…&video=…`, each as often as needed."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Picked:
    """Ids as somebody sent them: well-formed, not known to exist or to be the sender's."""

    images: list[uuid.UUID]
    videos: list[uuid.UUID]

    @classmethod
    def of(cls, request: HttpRequest) -> Picked:
        """The body's and the address's ids: a plain Undo button has no fields of its own."""
        given = {name: request.POST.getlist(name) + request.GET.getlist(name) for name in ("image", "video")}
        return cls(_ids(given["image"]), _ids(given["video"]))

    @property
    def fields(self) -> dict[str, list[str]]:
        return {"image": [str(pk) for pk in self.images], "video": [str(pk) for pk in self.videos]}

    def __len__(self) -> int:
        return len(self.images) + len(self.videos)


def _ids(texts: Iterable[str]) -> list[uuid.UUID]:
    """Each once; what is no id is passed over."""
    found: dict[uuid.UUID, None] = {}
    for text in texts:
        with contextlib.suppress(ValueError):
            found[uuid.UUID(text)] = None
    return list(found)
