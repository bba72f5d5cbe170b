from __future__ import annotations

from django.db import models
from django.db.models import Q

from generation.catalog.job_types import JOB_TYPES
from generation.core.limits import MODEL_LENGTH
from generation.models.worker import Worker


class WorkerSpeed(models.Model):
    """How fast a worker is at a job type with a model or without: a moving mean over its finished leases.

    At first it is its benchmark, which it makes without a model.
    """

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="speeds", db_index=False)
    job_type = models.CharField(max_length=40, choices=[(name, t.title) for name, t in JOB_TYPES.items()])
    model = models.CharField(
        max_length=MODEL_LENGTH, blank=True, default="", db_default="", help_text="Empty: jobs without one."
    )
    seconds = models.FloatField(help_text="Per result, s.")
    samples = models.PositiveIntegerField(default=1, help_text="Finished leases; 0: the benchmark alone.")
    benchmark = models.FloatField(null=True, help_text="As the worker last measured itself, per result, s.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "job_type", "model"], name="speed_once_per_job_type"),
            models.CheckConstraint(condition=Q(seconds__gt=0), name="speed_positive"),
            models.CheckConstraint(
                condition=Q(benchmark=None, samples__gt=0) | Q(benchmark__isnull=False, benchmark__gt=0),
                name="speed_has_a_source",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_type}: {self.seconds:.1f} s"
