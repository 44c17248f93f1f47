"""WorkerTotal: what all workers together have counted, since the installation began.

A worker serves no metrics: it adds what it has counted to these few rows with each heartbeat, and
whoever serves metrics reads them, on whatever machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.db import models, transaction
from django.db.models import F

#: The name of a Prometheus sample, and its labels as JSON.
Series = tuple[str, str]


def series(sample: str, labels: Mapping[str, str]) -> Series:
    return sample, json.dumps(labels, sort_keys=True)


class WorkerTotalQuerySet(models.QuerySet["WorkerTotal"]):
    def add(self, counted: Mapping[Series, float]) -> None:
        """Add to the rows, all or none. In a fixed order, for several workers do it at once."""
        with transaction.atomic():
            for (sample, labels), number in sorted(counted.items()):
                row = self.filter(sample=sample, labels=labels)
                if not row.update(value=F("value") + number):
                    new = WorkerTotal(sample=sample, labels=labels, value=0)
                    WorkerTotal.objects.bulk_create([new], ignore_conflicts=True)
                    row.update(value=F("value") + number)


class WorkerTotal(models.Model):
    """One series of what workers count (``operations.metrics``)."""

    sample = models.CharField(max_length=100)
    labels = models.CharField(max_length=200)
    value = models.FloatField()

    objects = WorkerTotalQuerySet.as_manager()

    class Meta:
        default_permissions = ()  # nobody edits it
        ordering = ["sample", "labels"]
        constraints = [
            models.UniqueConstraint(fields=["sample", "labels"], name="worker_total_once"),
        ]

    def __str__(self) -> str:
        return f"{self.sample}{self.labels}"
