"""``/connections/{id}/groups`` and their members (graph-contract 3.6), with the lists and counts
that Graph's clients are generated with."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from operations import access, groups, logs
from operations.api.answers import empty
from operations.api.entity_types import GROUP, MEMBER
from operations.api.query import Rows
from operations.api.views import ENTITY_OPTIONS, GraphViewSet
from operations.errors import InvalidRequest
from operations.item_rules import read_group, read_member
from operations.models import ExternalGroup, GroupMember, IdentityType
from operations.models.container import Container

NAVIGATION = "groups"
#: The columns of a group's members.
COLUMNS = {"id": "graph_id", "displayName": "display_name", "description": "description"}


class GroupViewSet(GraphViewSet):
    family = access.ITEMS
    entity_type = GROUP

    def container(self, connection_id: str) -> Container:
        return access.find_container(self.caller, connection_id, to_write=not self.reads)

    def list(self, request: Request, connection_id: str) -> HttpResponse:
        found = self.container(connection_id)
        return self.collection(
            Rows(lambda: ExternalGroup.objects.filter(connection=found.key)),
            lambda group: self.render.group(group, found.graph_id),
            self.root.context_below(found.graph_id, NAVIGATION),
            self.root.url_below(found.graph_id, NAVIGATION),
        )

    def count(self, request: Request, connection_id: str) -> HttpResponse:
        found = self.container(connection_id)
        return self.count_of(Rows(lambda: ExternalGroup.objects.filter(connection=found.key)))

    def create(self, request: Request, connection_id: str) -> HttpResponse:
        found = self.container(connection_id)
        self.query_options()
        values, faults = read_group(self.body(), creating=True)
        if faults:
            raise InvalidRequest(faults)
        columns = {COLUMNS[member]: value for member, value in values.items()}

        def make() -> tuple[HttpResponse, ExternalGroup]:
            group = groups.create(found.key, self.actor, **columns)
            logs.note(connection=found.graph_id)
            address = self.root.group_url(found.graph_id, group.graph_id)
            return self._written(found, group, status=201, headers={"Location": address}), group

        return self.once(make)

    def retrieve(self, request: Request, connection_id: str, group_id: str) -> HttpResponse:
        found = self.container(connection_id)
        group = groups.find(found.key, group_id)
        options = self.query_options(ENTITY_OPTIONS)
        headers = {"ETag": group.etag}
        return self.not_modified(group.etag, headers) or self.entity(
            self.render.group(group, found.graph_id),
            self.root.context_below(found.graph_id, NAVIGATION),
            select=options.columns,
            headers=headers,
        )

    def partial_update(self, request: Request, connection_id: str, group_id: str) -> HttpResponse:
        found = self.container(connection_id)
        group = groups.find(found.key, group_id)
        self.query_options()
        values, faults = read_group(self.body(), creating=False)
        if faults:
            raise InvalidRequest(faults)
        columns = {COLUMNS[member]: value for member, value in values.items() if member != "id"}
        group = groups.update(group, self.actor, only_if=self.only_if, **columns)
        return self._written(found, group, status=204)

    def destroy(self, request: Request, connection_id: str, group_id: str) -> HttpResponse:
        found = self.container(connection_id)
        group = groups.find(found.key, group_id)
        self.query_options()
        groups.delete(group, self.actor, only_if=self.only_if)
        return empty(204)

    def _written(
        self,
        found: Container,
        group: ExternalGroup,
        *,
        status: int,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        return self.written(
            self.render.group(group, found.graph_id),
            self.root.context_below(found.graph_id, NAVIGATION),
            status=status,
            headers={"ETag": group.etag, **(headers or {})},
        )


class MemberViewSet(GraphViewSet):
    family = access.ITEMS
    entity_type = MEMBER

    def group(self, connection_id: str, group_id: str) -> tuple[Container, ExternalGroup]:
        found = access.find_container(self.caller, connection_id, to_write=not self.reads)
        return found, groups.find(found.key, group_id)

    def list(self, request: Request, connection_id: str, group_id: str) -> HttpResponse:
        found, group = self.group(connection_id, group_id)
        return self.collection(
            Rows(group.members.all),
            lambda member: self.render.member(member, found.graph_id, group.graph_id),
            self.root.context_of_members(found.graph_id, group.graph_id),
            self.root.members_url(found.graph_id, group.graph_id),
        )

    def count(self, request: Request, connection_id: str, group_id: str) -> HttpResponse:
        _, group = self.group(connection_id, group_id)
        return self.count_of(Rows(group.members.all))

    def create(self, request: Request, connection_id: str, group_id: str) -> HttpResponse:
        found, group = self.group(connection_id, group_id)
        self.query_options()
        values, faults = read_member(self.body(), beta=self.root.beta)
        if faults:
            raise InvalidRequest(faults)
        kind = IdentityType.from_word(values["type"])
        assert kind is not None, "read_member knows the words"

        def make() -> tuple[HttpResponse, GroupMember]:
            member = groups.add_member(group, self.actor, graph_id=values["id"], kind=kind)
            logs.note(connection=found.graph_id)
            address = self.root.member_url(found.graph_id, group.graph_id, member.graph_id)
            answer = self.written(
                self.render.member(member, found.graph_id, group.graph_id),
                self.root.context_of_members(found.graph_id, group.graph_id),
                status=201,
                headers={"Location": address},
            )
            return answer, member

        return self.once(make)

    def retrieve(
        self, request: Request, connection_id: str, group_id: str, member_id: str
    ) -> HttpResponse:
        found, group = self.group(connection_id, group_id)
        member = groups.find_member(group, member_id)
        options = self.query_options(ENTITY_OPTIONS)
        return self.entity(
            self.render.member(member, found.graph_id, group.graph_id),
            self.root.context_of_members(found.graph_id, group.graph_id),
            select=options.columns,
        )

    def destroy(
        self, request: Request, connection_id: str, group_id: str, member_id: str
    ) -> HttpResponse:
        _, group = self.group(connection_id, group_id)
        self.query_options()
        groups.remove_member(groups.find_member(group, member_id), self.actor)
        return empty(204)
