"""The history that the benchmarks make is one that the domain could have left."""

import pytest
from django.db.models import Count, Exists, OuterRef, Sum

from benchmarks.history import grow
from operations.models import (
    Change,
    ConnectionOperation,
    ErrorGroup,
    ExternalConnection,
    OperationStatus,
    OutcomeCount,
    Schema,
    Triage,
)
from operations.models.outcome_count import COMPLETED
from tests.factories import make_application


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("connections", "even"), [(10, True), (1, False)])
def test_it_could_have_happened(connections, even):
    owner = make_application()
    grow(3000, connections, even=even)
    operations = ConnectionOperation.objects.all()
    failed = operations.filter(status=OperationStatus.FAILED)
    ended = operations.filter(finished_at__isnull=False)

    assert operations.count() == 3000
    assert ExternalConnection.objects.count() == Schema.objects.count() == connections
    assert {row.owner_app_id for row in ExternalConnection.objects.all()} == {owner.app_id}
    for operation in [*operations[:20], *operations.order_by("id")[:20], *failed]:
        operation.full_clean()
    for connection in ExternalConnection.objects.all():
        connection.full_clean()

    per_operation = Change.objects.filter(connection_key__isnull=False)
    assert per_operation.count() == operations.count() + ended.count()
    counted = OutcomeCount.objects.aggregate(all=Sum("count"))["all"]
    assert counted == ended.count()
    by_fingerprint = dict(failed.values_list("fingerprint").annotate(Count("pk")).order_by())
    assert by_fingerprint == dict(ErrorGroup.objects.values_list("fingerprint", "count"))
    assert not OutcomeCount.objects.exclude(fingerprint__in=[COMPLETED, *by_fingerprint]).exists()

    later = operations.filter(
        connection=OuterRef("connection"), status=OperationStatus.COMPLETED, pk__gt=OuterRef("pk")
    )
    still_open = failed.filter(triage=Triage.OPEN)
    assert still_open.exists()
    assert set(still_open) == set(failed.filter(~Exists(later)))
