"""What every viewset of the Graph surface shares: the caller, the body, the options, the answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from operations import access
from operations.access import Caller
from operations.api.answers import answer, empty
from operations.api.auth import BearerAuthentication
from operations.api.body import read_object
from operations.api.control import Format, Level, int64_as_text
from operations.api.errors import exception_handler
from operations.api.expanding import Expansion
from operations.api.paths import base_url
from operations.api.preferences import Preferences
from operations.api.query import Rows, page, page_size
from operations.api.rendering import Rendering
from operations.api.replay import Made, once
from operations.api.representation import Json, Root, pick
from operations.errors import MethodNotAllowed, UnreadableRequest
from operations.models import Actor, ExternalConnection, RequestCount
from operations.odata.options import NO_OPTIONS, QueryOptions, read_options
from operations.odata.types import EntityType
from operations.preconditions import ALWAYS, Precondition

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
RENDERER, ANYTHING = JSONRenderer(), DefaultContentNegotiation()


class GraphViewSet(ViewSet):
    """Checks the token, the rate, that the method exists, the role; the rest is the resource's."""

    authentication_classes = [BearerAuthentication]
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    metadata_class = None
    entity_type = EntityType()
    needs_role: ClassVar[bool] = True
    #: Whose roles a call needs.
    family: ClassVar[access.Family] = access.CONNECTIONS
    counts: ClassVar[bool] = True
    root: Root
    _body: Json | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.root = Root(base_url(request), kwargs.pop("version"), kwargs.pop("external"))
        return super().dispatch(request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Any Accept and any Content-Type will do: clients mislabel their JSON, and Graph reads it.

        So there is no renderer or parser to choose; bodies are read by ``api.body``.
        """
        self.action = self.action_map.get(str(request.method).lower())  # type: ignore[assignment]
        wrapped = Request(request, authenticators=self.get_authenticators(), negotiator=ANYTHING)
        wrapped.accepted_renderer = RENDERER
        return wrapped

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        if self.counts:
            self.count_request()
        if not getattr(request._request, "is_utf8", True):
            raise UnreadableRequest("The path of the address must be percent-encoded UTF-8.")
        if self.action is None:
            raise MethodNotAllowed
        if self.needs_role:
            family = self.family
            access.require_role(self.caller, family.to_read if self.reads else family.to_write)

    def count_request(self) -> None:
        """Raises TooManyRequests. What a batch holds is counted once, wherever it ends."""
        self.request._request.is_counted = True  # type: ignore[attr-defined]
        RequestCount.add(self.caller.app_id)

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

    def find_parent(self, graph_id: str) -> ExternalConnection:
        return access.find_parent(self.caller, graph_id, to_write=not self.reads)

    def body(self) -> Json:
        """The request's JSON object, read once."""
        if self._body is None:
            self._body = read_object(self.request._request, self.most_bytes())
        return self._body

    def most_bytes(self) -> int:
        """How long a body may be."""
        return settings.MAX_BODY_BYTES

    def pairs(self) -> list[tuple[str, str]]:
        return [
            (name, value) for name, values in self.request.query_params.lists() for value in values
        ]

    def query_options(self, allowed: tuple[str, ...] = ()) -> QueryOptions:
        """The query options; refuses every one that is not in ``allowed``."""
        if not self.request.META.get("QUERY_STRING"):
            return NO_OPTIONS
        entity = self.entity_type
        if not entity.navigations:
            allowed = tuple(name for name in allowed if name != "$expand")
        options = read_options(
            self.pairs(),
            entity,
            allowed=allowed,
            max_page_size=settings.MAX_PAGE_SIZE,
            unmask=self.prefer.unknown_enum_members,
        )
        if options.format:  # OData: it stands in the Accept header's place
            self.format = Format.read(options.format)
        return options

    def expansion(self, options: QueryOptions) -> Expansion:
        return Expansion(self.render, options)

    @cached_property
    def prefer(self) -> Preferences:
        return Preferences.read(self.request.META.get("HTTP_PREFER", ""))

    @cached_property
    def format(self) -> Format:
        return Format.read(self.request.META.get("HTTP_ACCEPT", ""))

    @property
    def render(self) -> Rendering:
        return Rendering(self.root, self.format, self.prefer)

    @cached_property
    def only_if(self) -> Precondition:
        """What ``If-Match`` and ``If-None-Match`` say."""
        headers = self.request.META
        return Precondition.of(headers.get("HTTP_IF_MATCH"), headers.get("HTTP_IF_NONE_MATCH"))

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

    def not_modified(self, etag: str, headers: dict[str, str]) -> HttpResponse | None:
        """The 304 for a caller who has this already, None for the others.

        Raises PreconditionFailed for one whose ``If-Match`` names something else.
        """
        if self.only_if is ALWAYS:
            return None
        self.only_if.check(etag, reading=True)
        return empty(304, headers=headers) if self.only_if.has_seen(etag) else None

    def once(
        self,
        make: Callable[[], tuple[HttpResponse, Made]],
        show: Callable[[int], HttpResponse] | None = None,
    ) -> HttpResponse:
        """Make something, but not twice for a request that comes twice (``replay.once``)."""

        def make_and_tell() -> tuple[HttpResponse, Made]:
            response, made = make()
            return self._tell_preferences(response), made

        return once(self.request._request, self.caller, self.body(), make_and_tell, show)

    def written(
        self, document: Json, path: str, *, status: int, headers: dict[str, str]
    ) -> HttpResponse:
        """The answer to a create or an update: the entity, or none of it for ``return=minimal``.

        ``status`` is what the call answers by itself; a 204 becomes a 200 for
        ``return=representation``.
        """
        wanted = self.prefer.answer_size
        if wanted:
            self.prefer.apply(f"return={wanted}")
        if wanted == "minimal" or (status == 204 and wanted != "representation"):
            if "Location" in headers:
                headers["OData-EntityId"] = headers["Location"]
            return empty(204, headers=headers)
        return self.entity(document, path, status=200 if status == 204 else status, headers=headers)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        return self._tell_preferences(response)

    def _tell_preferences(self, response: Any) -> Any:
        # an answer whose preferences nobody read followed none
        if "prefer" in self.__dict__ and self.prefer.applied and response.status_code < 400:
            response["Preference-Applied"] = ", ".join(self.prefer.applied)
        return response

    def collection(
        self,
        rows: Rows,
        shape: Callable[[Any], Json],
        path: str,
        address: str,
    ) -> HttpResponse:
        """One page of a collection (``query.page``)."""
        options = self.query_options(COLLECTION_OPTIONS)
        preferred = self.prefer.max_page_size
        if preferred is not None:
            self.prefer.apply(f"odata.maxpagesize={min(preferred, settings.MAX_PAGE_SIZE)}")
        return self.answer(
            page(
                rows,
                options,
                size=page_size(options, preferred),
                shape=shape,
                expand=self.expansion(options).members,
                context=self.root.context(path, options.columns, entity=False),
                address=address,
            )
        )

    def count_of(self, rows: Rows) -> HttpResponse:
        """``/$count``: a bare number as text."""
        number = rows.count(self.query_options(COUNT_OPTIONS))
        return HttpResponse(str(number), content_type="text/plain;charset=utf-8")

    def answer(
        self, data: Json, status: int = 200, headers: dict[str, str] | None = None
    ) -> HttpResponse:
        if self.format.level == Level.NONE:
            data.pop("@odata.context", None)
        if self.format.int64_as_text:
            int64_as_text(data)
        return answer(data, status, media_type=self.format.content_type, headers=headers or {})
