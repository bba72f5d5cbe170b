"""A model that workers serve, as submissions are checked against it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.catalog import offers
from generation.catalog.job_types import JobType, Media, ReferenceType, Size
from generation.catalog.offers import Offered

MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
# What only a video has: of an image they are no setting.
OF_VIDEOS = ("frames", "fps")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """`reference_sets`: by job type, the types of reference that workers can use together with the model.

    `sizes` (width, height) px by aspect ratio are empty where those of the job type are used. `digest` is of
    what it is made of, empty where its worker said none.
    """

    name: str
    title: str
    job_types: Collection[str]
    sizes: Mapping[str, Size] = field(default_factory=dict)
    offer: Mapping[str, Offered] = field(default_factory=dict)
    digest: str = ""
    reference_sets: Mapping[str, Collection[frozenset[str]]] = field(default_factory=dict)

    def sizes_for(self, job_type: JobType) -> Mapping[str, Size]:
        return self.sizes or job_type.sizes

    def default_aspect(self, job_type: JobType) -> str:
        """The job type's own, where the model has it."""
        sizes = self.sizes_for(job_type)
        return job_type.default_aspect if job_type.default_aspect in sizes else next(iter(sizes))

    def offer_for(self, job_type: JobType) -> Mapping[str, Offered]:
        """What can be chosen for this job type."""
        if job_type.media == Media.VIDEO:
            return self.offer
        return {name: offered for name, offered in self.offer.items() if name not in OF_VIDEOS}

    def parameters(self, job_type: JobType, aspect: str, settings: Mapping[str, Any]) -> dict[str, object]:
        """The parameters for the worker, flat: the job type's, the model, and every setting on offer."""
        width, height = self.sizes_for(job_type)[aspect]
        return {
            **job_type.parameters(job_type.default_aspect),
            "width": width,
            "height": height,
            "model": self.name,
            **offers.resolved(self.offer_for(job_type), settings),
        }

    def errors(
        self, job_type: JobType, *, aspect: str, settings: Mapping[str, Any], references: Collection[str]
    ) -> dict[str, str]:
        """A message for each field that cannot be used with this model; settings by `settings.name`."""
        if job_type.name not in self.job_types:
            return {"model": f"{self.title} does not make {job_type.title}."}
        errors = offers.settings_errors(self.offer_for(job_type), settings)
        if aspect and aspect not in self.sizes_for(job_type):
            errors["aspect"] = f"{self.title} has the aspect ratios {', '.join(self.sizes_for(job_type))}."
        if message := job_type.references_error(references) or self._references_error(job_type, references):
            errors["references"] = message
        return errors

    def _references_error(self, job_type: JobType, references: Collection[str]) -> str:
        if not references or frozenset(references) in self.reference_sets.get(job_type.name, ()):
            return ""
        wanted = " and ".join(ReferenceType(each).label.lower() for each in sorted(references))
        return f"{self.title} cannot use a {wanted} reference."
