from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from generation.core.limits import NAME_LENGTH
from generation.models.token import AccessToken


class Enrolment(AccessToken):
    """A token with which new machines make themselves workers, so often and so long as it says.

    It leases nothing itself: each machine gets a worker of its own with a token that ends soon and that it
    renews (access.enrolments). Revoking it ends the renewals too.
    """

    name = models.CharField(
        max_length=NAME_LENGTH, unique=True, help_text="Its workers are called so, with a number."
    )
    engines = models.JSONField(default=list, help_text="The engines that its workers may serve.")
    max_uses = models.PositiveIntegerField(help_text="How many machines may enrol.")
    uses = models.PositiveIntegerField(default=0, editable=False, help_text="How many have.")
    expires_at = models.DateTimeField(help_text="Until when machines may enrol; those that have go on.")
    token_hours = models.PositiveIntegerField(help_text="How long a worker's token lives unless renewed.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="enrolment_has_a_name"),
            models.CheckConstraint(condition=Q(uses__lte=F("max_uses")), name="enrolment_not_overused"),
            models.CheckConstraint(condition=Q(token_hours__gte=1), name="enrolment_tokens_live"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        """Whether another machine may enrol."""
        return self.revoked_at is None and self.expires_at > timezone.now() and self.uses < self.max_uses
