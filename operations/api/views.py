"""What every viewset of the Graph surface shares: the caller, the body, the options, the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from operations import access
from operations.access import Caller
from operations.api.answers import answer
from operations.api.auth import BearerAuthentication
from operations.api.body import read_object
from operations.api.conditions import narrowed
from operations.api.errors import exception_handler
from operations.api.expanding import Expansion
from operations.api.paths import base_url
from operations.api.query import page, page_size, preferred_page_size
from operations.api.representation import Json, Root, pick
from operations.errors import MethodNotAllowed
from operations.models import Actor, ExternalConnection
from operations.odata.options import QueryOptions, read_options
from operations.odata.types import EntityType

ENTITY_OPTIONS = ("$select", "$expand")
COLLECTION_OPTIONS = (
    *ENTITY_OPTIONS,
    "$filter",
    "$orderby",
    "$top",
    "$skip",
    "$count",
    "$skiptoken",
)
COUNT_OPTIONS = ("$filter",)
UNMASK = "include-unknown-enum-members"


class AnyMediaType(BaseContentNegotiation):
    """Any Accept and any Content-Type will do: clients mislabel their JSON, and Graph reads it."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class GraphViewSet(ViewSet):
    """Checks the token, then that the method exists, then the role; the rest is the resource's."""

    authentication_classes = [BearerAuthentication]
    permission_classes = []
    content_negotiation_class = AnyMediaType
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    metadata_class = None
    entity_type = EntityType()
    needs_role: ClassVar[bool] = True
    root: Root

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.root = Root(base_url(request), kwargs.pop("version"), kwargs.pop("external"))
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action is None:
            raise MethodNotAllowed
        if self.needs_role:
            accepted = access.READ_ROLES if self.reads else access.WRITE_ROLES
            access.require_role(self.caller, accepted)

    def get_exception_handler(self) -> Any:
        return exception_handler

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}

    @property
    def caller(self) -> Caller:
        return self.request.user  # type: ignore[return-value]

    @property
    def actor(self) -> Actor:
        return self.caller.actor(self.request._request.request_id)  # type: ignore[attr-defined]

    @property
    def reads(self) -> bool:
        return self.request.method in ("GET", "HEAD")

    def find_connection(self, graph_id: str) -> ExternalConnection:
        return access.find_connection(self.caller, graph_id, to_write=not self.reads)

    def body(self) -> Json:
        """The request's JSON object."""
        return read_object(self.request._request)

    def pairs(self) -> list[tuple[str, str]]:
        return [
            (name, value) for name, values in self.request.query_params.lists() for value in values
        ]

    def query_options(self, allowed: tuple[str, ...] = ()) -> QueryOptions:
        """The query options; refuses every one that is not in ``allowed``."""
        entity = self.entity_type
        if not entity.navigations:
            allowed = tuple(name for name in allowed if name != "$expand")
        options = read_options(
            self.pairs(),
            entity,
            allowed=allowed,
            max_page_size=settings.MAX_PAGE_SIZE,
            unmask=self.unmask,
        )
        if options.format:  # OData: it stands in the Accept header's place
            self.request.META["HTTP_ACCEPT"] = options.format
        return options

    def expansion(self, options: QueryOptions) -> Expansion:
        return Expansion(self.root, options, self.metadata != "none", self.unmask)

    def applied(self, options: QueryOptions) -> list[str]:
        """The preferences that decided what an expanded member shows."""
        return [UNMASK] if self.unmask and "schema" in options.expand else []

    @property
    def unmask(self) -> bool:
        """Whether the caller prefers to see enumeration members above the sentinel."""
        return UNMASK in self.request.META.get("HTTP_PREFER", "").lower()

    @property
    def metadata(self) -> str:
        """``none`` when the caller's Accept asks for no control information, else ``minimal``."""
        accept = self.request.META.get("HTTP_ACCEPT", "").replace(" ", "").lower()
        return "none" if "odata.metadata=none" in accept else "minimal"

    def entity(
        self,
        document: Json,
        path: str,
        *,
        select: tuple[str, ...] = (),
        entity: bool = True,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        """One entity with its context first."""
        body = {"@odata.context": self.root.context(path, select, entity=entity)}
        return self.answer(body | pick(document, select), status, headers or {})

    def collection(
        self,
        rows: QuerySet[Any],
        shape: Callable[[Any], Json],
        path: str,
        address: str,
        *,
        newest_first: bool = False,
    ) -> HttpResponse:
        """One page of a collection."""
        options = self.query_options(COLLECTION_OPTIONS)
        preferred = preferred_page_size(self.request._request)
        size = page_size(options, preferred)
        applied = self.applied(options)
        if preferred is not None:
            applied.append(f"odata.maxpagesize={min(preferred, settings.MAX_PAGE_SIZE)}")
        return self.answer(
            page(
                rows,
                options,
                size=size,
                shape=shape,
                expand=self.expansion(options).members,
                context=self.root.context(path, options.columns, entity=False),
                address=address,
                newest_first=newest_first,
            ),
            headers={"Preference-Applied": ", ".join(applied)} if applied else None,
        )

    def count_of(self, rows: QuerySet[Any]) -> HttpResponse:
        """``/$count``: a bare number as text."""
        options = self.query_options(COUNT_OPTIONS)
        number = narrowed(rows, options.filter).count()
        return HttpResponse(str(number), content_type="text/plain;charset=utf-8")

    def answer(
        self, data: Json, status: int = 200, headers: dict[str, str] | None = None
    ) -> HttpResponse:
        if self.metadata == "none":
            data.pop("@odata.context", None)
        return answer(data, status, metadata=self.metadata, headers=headers or {})
