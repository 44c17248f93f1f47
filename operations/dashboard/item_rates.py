"""Items created, replaced and deleted in the last 24 hours, from the few rows of ItemTally."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from operations.dashboard.charts import Interval
from operations.models import ItemTally
from operations.models.item_tally import BUCKET, begin_of, bucket_of

#: Of ten minutes each: a day, the last one being that which runs.
INTERVALS = 24 * 60 // BUCKET


def item_rates(connection_key: int, now: datetime) -> list[Interval]:
    """Of a connection, the oldest first; those in which nothing happened as well."""
    last = bucket_of(now.timestamp())
    buckets = [last - BUCKET * number for number in reversed(range(INTERVALS))]
    rows = ItemTally.objects.filter(
        connection_key=connection_key, bucket__gte=buckets[0], bucket__lte=last
    )
    summed = (
        rows.order_by()
        .values("bucket")
        .annotate(made=Sum("created"), changed=Sum("replaced"), gone=Sum("deleted"))
    )
    found = {row["bucket"]: row for row in summed}
    intervals = []
    for bucket in buckets:
        row = found.get(bucket, {"made": 0, "changed": 0, "gone": 0})
        intervals.append(Interval(begin_of(bucket), row["made"], row["changed"], row["gone"]))
    return intervals
