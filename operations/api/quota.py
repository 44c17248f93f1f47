"""``/connections/{id}/quota``, on /beta only (graph-contract 3.7)."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from operations import quota
from operations.api.entity_types import QUOTA
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import OnlyOnBeta


class QuotaViewSet(GraphViewSet):
    entity_type = QUOTA

    def retrieve(self, request: Request, connection_id: str) -> HttpResponse:
        found = self.find_parent(connection_id)
        if not self.root.beta:
            raise OnlyOnBeta("quota")
        options = self.query_options(ENTITY_OPTIONS)
        return self.entity(
            {"itemsRemaining": quota.room(found.pk).items},
            self.root.context_below(found.graph_id, "quota"),
            select=options.columns,
        )
