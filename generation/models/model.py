from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Exists, OuterRef, Prefetch, Q

from generation.catalog.advertised_offers import InvalidOffer, parse_offer
from generation.catalog.job_types import pool_and_model
from generation.catalog.models import ServedModel
from generation.catalog.offers import Offered
from generation.core.ids import new_id
from generation.core.limits import LICENCE_LENGTH, MODEL_LENGTH, MODEL_TITLE_LENGTH, URL_LENGTH
from generation.models.job import Job
from generation.models.preview import VERSION_LENGTH
from generation.models.worker import Worker


class ModelQuerySet(models.QuerySet["Model"]):
    def open_to(self, owner_id: int) -> ModelQuerySet:
        """Those that are for everybody, or for a group of this user's."""
        mine = Group.objects.filter(user=owner_id, models=OuterRef("pk"))
        anybody = ~Exists(Group.objects.filter(models=OuterRef("pk")))
        return self.filter(Q(Exists(mine)) | anybody)

    def usable_by(self, owner_id: int) -> ModelQuerySet:
        """Those that workers have and their operator lets this user choose, by name, with their offers."""
        there = Exists(ModelOffer.objects.of_enabled_workers().filter(model=OuterRef("pk")))
        return self.open_to(owner_id).filter(there, is_hidden=False).order_by("name").with_offers()

    def unused(self) -> ModelQuerySet:
        """Those that no worker has, enabled or not, that no job names and that no operator has touched."""
        untouched = self.filter(title="", picture_version="", is_hidden=False, default_for=[])
        return untouched.exclude(
            Exists(ModelOffer.objects.filter(model=OuterRef("pk")))
            | Exists(Model.groups.through.objects.filter(model=OuterRef("pk")))
            | Exists(Job.objects.filter(model=OuterRef("name")))
        )

    def with_offers(self) -> ModelQuerySet:
        """Prefetch what enabled workers have, newest first, with two queries for any number of models.

        Their pictures are left out.
        """
        offers = ModelOffer.objects.of_enabled_workers().select_related("worker").order_by("-seen_at", "pk")
        return self.defer("picture").prefetch_related(Prefetch("offers", offers))


class Model(models.Model):
    """A model that workers advertise under this name, as the last of them described it, and what its operator
    says of it. It stays when no worker has it any more, unless nothing names it (queue.unused_models).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=MODEL_LENGTH, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    advertised_title = models.CharField(max_length=MODEL_TITLE_LENGTH, editable=False)
    engine = models.CharField(max_length=40, editable=False, help_text="What its worker runs it with.")
    job_types = models.JSONField(default=list, editable=False)
    sizes = models.JSONField(default=dict, editable=False, help_text="[width, height] px by aspect ratio.")
    offer = models.JSONField(default=dict, editable=False, help_text="What users may choose.")
    licence_name = models.CharField(max_length=LICENCE_LENGTH, blank=True, editable=False)
    licence_url = models.CharField(max_length=URL_LENGTH, blank=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, editable=False, help_text="Of what it is made of.")
    last_seen_at = models.DateTimeField(editable=False, help_text="When a worker advertised it last.")

    title = models.CharField(
        max_length=MODEL_TITLE_LENGTH, blank=True, help_text="Empty: as its worker calls it."
    )
    picture = models.BinaryField(
        default=bytes, editable=False, help_text="WebP, at most 512 px a side; empty: none."
    )
    picture_version = models.CharField(
        max_length=VERSION_LENGTH, blank=True, editable=False, help_text="Begins the picture's SHA-256."
    )
    is_hidden = models.BooleanField("hidden", default=False, help_text="Nobody can choose it.")
    default_for = models.JSONField(
        default=list, blank=True, help_text="Job types that use it where no model is named."
    )
    groups = models.ManyToManyField(
        Group, blank=True, related_name="models", help_text="Who may use it; none: everybody."
    )

    objects = ModelQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="model_has_a_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_title(self) -> str:
        """Its title for people: the operator's, else its worker's."""
        return self.title or self.advertised_title or self.name

    @property
    def pools(self) -> set[str]:
        """Those that workers have for it, from the prefetch."""
        return {pool for offer in self.offers.all() for pool in offer.pools}

    @property
    def made_types(self) -> list[str]:
        """The job types that it makes: as advertised, else as its workers' pools say."""
        return self.job_types or sorted({pool_and_model(pool)[0].split("+")[0] for pool in self.pools})

    @property
    def digests_differ(self) -> bool:
        """Whether workers that have it say that it is made of other things, from the prefetch."""
        return len({offer.digest for offer in self.offers.all() if offer.digest}) > 1

    @property
    def offers_differ(self) -> bool:
        """Whether workers that have it offer other settings or sizes with it, from the prefetch."""
        return len({offer.offer_digest for offer in self.offers.all() if offer.offer_digest}) > 1

    @property
    def seen_at(self) -> datetime:
        """When a worker that has it was last heard of, from the prefetch."""
        heard = [offer.worker.last_seen_at for offer in self.offers.all()]
        return max([self.last_seen_at, *filter(None, heard)])

    @property
    def _offer(self) -> dict[str, Offered]:
        """Empty where another version kept what this one cannot read."""
        try:
            return parse_offer(self.offer)
        except InvalidOffer:
            return {}

    @property
    def served(self) -> ServedModel:
        """What submissions are checked against, from the prefetch."""
        sets: dict[str, set[frozenset[str]]] = defaultdict(set)
        for pool in self.pools:
            name, *types = pool_and_model(pool)[0].split("+")
            sets[name].add(frozenset(types))
        return ServedModel(
            name=self.name,
            title=self.shown_title,
            job_types=self.made_types,
            sizes={aspect: (width, height) for aspect, (width, height) in self.sizes.items()},
            offer=self._offer,
            digest=self.digest,
            reference_sets=sets,
        )


class ModelOfferQuerySet(models.QuerySet["ModelOffer"]):
    def of_enabled_workers(self) -> ModelOfferQuerySet:
        return self.filter(worker__enabled=True)


class ModelOffer(models.Model):
    """A worker has a model: it named it in its last list of models, and did not take it back since."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="model_offers", db_index=False)
    model = models.ForeignKey(Model, models.CASCADE, related_name="offers")
    digest = models.CharField(max_length=64, blank=True)
    offer_digest = models.CharField(
        max_length=64, blank=True, help_text="Of the settings and sizes that it advertised with the model."
    )
    pools = models.JSONField(default=list, help_text="Those with the model that it offered last.")
    seen_at = models.DateTimeField(help_text="When it advertised the model last.")

    objects = ModelOfferQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "model"], name="model_offer_once")]

    def __str__(self) -> str:
        return f"{self.model} of {self.worker}"
