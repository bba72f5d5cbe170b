from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from generation.catalog.job_types import FRAMES, ReferenceType
from generation.core.ids import new_id
from generation.core.planning import MANY, Leaves
from generation.models.statuses import ACTIVE


class ReferenceQuerySet(models.QuerySet["Reference"]):
    def of(self, owner_id: int) -> ReferenceQuerySet:
        return self.filter(Leaves(MANY, owner_id=owner_id))

    def idle(self) -> ReferenceQuerySet:
        """Those that no waiting or running job needs."""
        needed = JobReference.objects.filter(reference=OuterRef("pk"), job__status__in=ACTIVE)
        return self.filter(~Exists(needed))


class Reference(models.Model):
    """An image that guides its owner's jobs: uploaded, or copied from an image of the owner's.

    Copied, so that a job can be retried though the image was purged from the trash meanwhile. The same
    bytes of one owner are kept once. `generation.maintenance` removes what no job can need any more.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    sha256 = models.CharField(max_length=64, help_text="Of the bytes that were uploaded or copied.")
    canonical_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of the file, once it is the one canonical picture; empty until then.",
    )
    file = models.FileField(max_length=200)
    thumbnail = models.FileField(max_length=200)
    content_type = models.CharField(max_length=40)
    byte_size = models.BigIntegerField()
    width = models.PositiveIntegerField(help_text="Measured, px.")
    height = models.PositiveIntegerField(help_text="Measured, px.")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(help_text="Last uploaded, or named by a submission.")

    objects = ReferenceQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["used_at"], name="reference_age")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "sha256"], name="reference_same_bytes_once"),
            models.CheckConstraint(
                condition=~Q(file="") & ~Q(thumbnail="") & ~Q(content_type="") & ~Q(sha256=""),
                name="reference_has_file",
            ),
            models.CheckConstraint(
                condition=Q(byte_size__gte=1, width__gte=1, height__gte=1), name="reference_has_a_size"
            ),
        ]

    def __str__(self) -> str:
        return f"reference {self.id}"


class JobReference(models.Model):
    """A reference of a job: for what, and how strong.

    The picture of a completed job may be removed after a while; the row stays for the history.
    """

    job = models.ForeignKey("generation.Job", models.PROTECT, related_name="references", db_index=False)
    type = models.CharField(max_length=12, choices=ReferenceType.choices)
    strength = models.FloatField(help_text="0 to 1.")
    reference = models.ForeignKey(Reference, models.SET_NULL, null=True, related_name="uses", db_index=False)

    class Meta:
        indexes = [models.Index("reference", F("job").desc(), name="reference_uses")]
        constraints = [
            models.UniqueConstraint(fields=["job", "type"], name="reference_type_once_per_job"),
            models.CheckConstraint(condition=Q(type__in=ReferenceType.values), name="reference_type_known"),
            models.CheckConstraint(
                condition=Q(strength__gte=0, strength__lte=1), name="reference_strength_in_range"
            ),
        ]

    def __str__(self) -> str:
        words = self.get_type_display()
        return words if self.type in FRAMES else f"{words} {self.strength * 100:.0f} %"
