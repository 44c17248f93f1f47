"""Every refusal of this service, as a named class.

A domain function raises one of these; the API turns it into Graph's error envelope
(``operations.api.errors``), a page or the admin turns it into a sentence (``str(error)``).
``code`` and ``message`` are the outer pair that Graph's connectors send, ``inner_code`` and
``inner_message`` the useful pair of ``innerError``; ``docs/contract.md`` says which words are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request: a code, a sentence, and the member it is about.

    ``declared`` are the names among which the one that was meant may be. They are searched when
    the fault is listed: a body can have any number of faults, and a search takes its time.
    """

    code: str
    message: str
    target: str
    declared: Sequence[str] = field(default=(), compare=False, repr=False)

    def as_listed(self) -> Fault:
        """The fault whose sentence goes on with the name that was probably meant."""
        near = did_you_mean(self.target.rpartition("/")[2], self.declared)
        return replace(self, message=f"{self.message} {near}", declared=()) if near else self


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The question whether the nearest of these names was meant; empty when none is near."""
    folded = {other.casefold(): other for other in known}
    near = get_close_matches(name[:60].casefold(), folded, n=1)
    return f"Did you mean '{folded[near[0]]}'?" if near else ""


def shown(path: str) -> str:
    """As much as an answer repeats of a path whose last name anybody may have made up."""
    return path if len(path) <= 160 else f"{path[:159]}…"


def undeclared(path: str, declared: Iterable[str] = (), beta_only: Iterable[str] = ()) -> Fault:
    """The fault for a member that the type does not declare.

    ``declared`` are the members that it has, ``beta_only`` those that it has on /beta besides.
    """
    path = shown(path)
    message = f"Property '{path}' is not declared by the type."
    if path.rpartition("/")[2] in beta_only:
        return Fault("PropertyNotDeclared", f"{message} It is declared on /beta only.", path)
    return Fault("PropertyNotDeclared", message, path, tuple(declared))


def required(path: str) -> Fault:
    """The fault for a member that must be there and is not."""
    return Fault("RequiredPropertyMissing", f"Property '{path}' is required.", path)


def invalid(path: str, rule: str) -> Fault:
    """The fault for a member whose value breaks a rule; ``rule`` continues "Property 'x' ..."."""
    return Fault("InvalidPropertyValue", f"Property '{path}' {rule}.", path)


class Lack(StrEnum):
    """What a call lacked that was not let in. The answer tells its caller no more than Graph's
    does; whoever runs the service can look this up (``models.refusal``)."""

    TOKEN = "token"
    FORM = "form"  # what was sent is no token
    KEY = "key"  # signed with a key that nobody here knows
    SIGNATURE = "signature"  # the key is known, and did not sign this
    LIFETIME = "lifetime"  # it is over
    START = "start"  # it has not begun
    AUDIENCE = "audience"
    OTHER_AUDIENCE = "otherAudience"  # it is for Microsoft Graph itself
    ISSUER = "issuer"
    CLAIMS = "claims"
    APPLICATION = "application"  # there is none with this id
    ENABLED = "enabled"
    SECRET = "secret"  # that the token was got with: revoked or expired since
    REGISTRATION = "registration"  # of another issuer's application
    APP_ROLES = "appRoles"  # it speaks for a person
    ROLE = "role"
    OWNERSHIP = "ownership"
    # at the token endpoint
    REQUEST = "request"
    RIGHT_SECRET = "rightSecret"
    CURRENT_SECRET = "currentSecret"
    KEPT_SECRET = "keptSecret"  # it was revoked


class GraphError(Exception):
    """Base of all refusals. A subclass fixes ``status``, ``code`` and, if constant, the text."""

    status = 500
    code = "UnknownError"
    message = "The service could not answer this request."
    #: Of a 401 or 403: what the call lacked, and which roles would have done or were there.
    lack: Lack | None = None
    needed: Sequence[str] = ()
    held: Sequence[str] = ()

    def __init__(
        self,
        inner_message: str = "",
        *,
        inner_code: str | None = None,
        target: str | None = None,
        details: Iterable[Fault] = (),
        headers: dict[str, str] | None = None,
        inner: dict[str, Any] | None = None,
    ):
        self.inner_message = inner_message
        self.inner_code = inner_code
        self.target = target
        self.details: Sequence[Fault] = tuple(details)
        self.headers = headers or {}
        self.inner = inner or {}
        super().__init__(inner_message or self.message)


# 400 ---------------------------------------------------------------------------------------------


class InvalidRequest(GraphError):
    """One or more members break a rule; all of them are listed, up to a hundred."""

    status = 400
    code = "InvalidRequest"
    generic = "The request is malformed or incorrect."
    #: The rest is counted: an answer does not outgrow the body that it is about.
    max_details = 100

    def __init__(self, faults: Sequence[Fault]):
        self.faults = tuple(faults)
        listed = [fault.as_listed() for fault in self.faults[: self.max_details]]
        first = listed[0]
        more = f" ({len(faults) - 1} more in details.)" if len(faults) > 1 else ""
        if len(faults) > len(listed):
            more = f" ({len(faults) - 1} more, the first of them in details.)"
        self.message = f"{self.generic} {first.message}{more}"
        super().__init__(first.message, inner_code=first.code, target=first.target, details=listed)

    def __str__(self) -> str:
        return " ".join(fault.message for fault in self.details)

    @classmethod
    def of(cls, code: str, message: str, target: str) -> InvalidRequest:
        return cls([Fault(code, message, target)])


class UnreadableBody(GraphError):
    """The body is not one JSON object that we can keep."""

    status = 400
    code = "BadRequest"
    message = (
        "Unable to read JSON request payload. Please ensure Content-Type header is set and "
        "payload is of valid JSON format."
    )

    def __init__(self, cause: str = ""):
        """``cause`` stands in the outer message too, for clients that show nothing else."""
        self.message = f"{self.message} {cause}".rstrip()
        super().__init__(cause, inner_code="InvalidJson" if cause else None)


class InvalidQueryOption(GraphError):
    """A query option that is unknown, not supported here, or has a value that cannot be used."""

    status = 400
    code = "BadRequest"

    def __init__(self, message: str, option: str):
        self.message = message
        super().__init__(message, inner_code="InvalidQueryOption", target=option)


class ExpandNotSupported(InvalidQueryOption):
    """``$expand`` of a navigation property that Graph has and that cannot be expanded here."""

    code = "ExpandNotSupported"

    def __init__(self, message: str):
        super().__init__(message, "$expand")


class UnreadableRequest(GraphError):
    """The web server could not read the request, or would not read on."""

    status = 400
    code = "BadRequest"

    def __init__(self, message: str):
        self.message = message
        super().__init__(message, inner_code="UnreadableRequest")


# 401 and 403 -------------------------------------------------------------------------------------


class InvalidAuthenticationToken(GraphError):
    """No bearer token, or one that we did not issue, that is out of date or was revoked."""

    status = 401
    code = "InvalidAuthenticationToken"

    def __init__(self, message: str, lack: Lack = Lack.CLAIMS):
        self.message = message
        self.lack = lack
        super().__init__()


class MissingRole(GraphError):
    """The token is good but carries none of the roles that the call needs."""

    status = 403
    code = "Forbidden"
    lack = Lack.ROLE

    def __init__(self, accepted: Sequence[str], present: Sequence[str]):
        self.needed, self.held = accepted, present
        self.message = (
            "Missing role permissions on the request. API requires one of "
            f"'{', '.join(accepted)}'. Roles on the request '{', '.join(present)}'."
        )
        super().__init__()


class DelegatedUseNotApplicable(GraphError):
    """A token with ``scp``: connections are managed by applications, not on behalf of a person."""

    status = 403
    code = "Forbidden"
    lack = Lack.APP_ROLES
    message = (
        "Delegated permissions (scp) are not applicable to this API. Use an application token "
        "that carries app roles."
    )


class ApplicationNotRegistered(GraphError):
    """A good token of the foreign issuer, of an application that nobody has registered here."""

    status = 403
    code = "Forbidden"
    lack = Lack.REGISTRATION

    def __init__(self, app_id: str):
        self.message = (
            f"The application '{app_id}' is not registered here. An administrator does that with "
            "manage.py create_application NAME --app-id ID --role ROLE."
        )
        super().__init__(inner_code="ApplicationNotRegistered")


class NotOwner(GraphError):
    """The caller sees the connection but may not change it."""

    status = 403
    code = "Forbidden"
    lack = Lack.OWNERSHIP

    def __init__(self, connection_id: str):
        self.message = (
            f"The application may read connection '{connection_id}' but neither owns it nor is "
            "listed in its configuration.authorizedAppIds."
        )
        super().__init__(inner_code="NotOwner")


# 404, 405 ----------------------------------------------------------------------------------------


class ItemNotFound(GraphError):
    """The thing does not exist, or the caller may not know that it does."""

    status = 404
    code = "ItemNotFound"
    message = "The requested resource does not exist."

    def __init__(self, source: str):
        super().__init__(
            f"'{source}' was not found.", inner_code="ResourceNotFound", inner={"source": source}
        )


class UnknownSegment(GraphError):
    """No such path. Graph's text; the status is our choice, and so is the ``hint`` behind it."""

    status = 404
    code = "ResourceNotFound"

    def __init__(self, segment: str, hint: str = ""):
        self.message = f"Resource not found for the segment '{segment}'. {hint}".rstrip()
        super().__init__(inner_code="ResourceNotFound", target=segment)


class NotServedHere(GraphError):
    """Graph has this path, this version of connectors-admin does not."""

    status = 404
    code = "NotSupported"

    def __init__(self, segment: str):
        self.message = f"'{segment}' exists in Microsoft Graph but is not served here yet."
        super().__init__(inner_code="NotServed", target=segment)


class OnlyOnBeta(GraphError):
    """Graph has this path on /beta only, and so have we."""

    status = 404
    code = "ResourceNotFound"

    def __init__(self, segment: str):
        self.message = f"Resource not found for the segment '{segment}'. It is on /beta only."
        super().__init__(inner_code="ResourceNotFound", target=segment)


class MethodNotAllowed(GraphError):
    """The path exists, the method does not."""

    status = 405
    code = "Request_BadRequest"
    message = "Specified HTTP method is not allowed for the request target."


# 409 ---------------------------------------------------------------------------------------------


class Conflict(GraphError):
    """The request is well formed, but the state of things forbids it."""

    status = 409
    code = "Conflict"

    def __init__(self, message: str, *, target: str | None = None, **inner: Any):
        self.message = message
        super().__init__(message, inner_code=type(self).__name__, target=target, inner=inner)


class NameAlreadyExists(Conflict):
    """The id is taken."""


class ConnectionBeingDeleted(Conflict):
    """The id belongs to a connection whose deletion has not ended."""


class OperationInProgress(Conflict):
    """A registration is running, or an unfinished worker operation was to be changed."""


class InvalidStateTransition(Conflict):
    """The operation or connection is in a state that this move does not start from."""


class LimitExceeded(Conflict):
    """The connection, or all of them together, have as many items as they may."""


class FailedDependency(GraphError):
    """A part of a batch that depends on one that failed (graph-contract 4.8)."""

    status = 424
    code = "FailedDependency"

    def __init__(self, part_id: str):
        self.message = f"The request depends on request '{part_id[:60]}', which failed."
        super().__init__(inner_code="FailedDependency", target="dependsOn")


# 408, 412, 413, 429, 500, 503 --------------------------------------------------------------------


class RequestTimeout(GraphError):
    """The client did not send the whole of its request in time."""

    status = 408
    code = "RequestTimeout"

    def __init__(self, seconds: float):
        self.message = f"The request was not complete within {seconds:g} seconds."
        super().__init__(inner_code="RequestTimeout")


class PreconditionFailed(GraphError):
    """The thing is not, or no longer, what ``If-Match`` or ``If-None-Match`` names."""

    status = 412
    code = "PreconditionFailed"

    def __init__(self, header: str, tag: str):
        now = f"the tag of the resource is {tag}" if tag else "the resource does not exist"
        self.message = f"The precondition in header '{header}' does not hold: {now}."
        super().__init__(
            self.message,
            inner_code="PreconditionFailed",
            target=header,
            headers={"ETag": tag} if tag else {},
        )


class RequestTooLarge(GraphError):
    """The body is larger than the limit, or what would be kept of it."""

    status = 413
    code = "RequestEntityTooLarge"

    def __init__(self, limit: int, what: str = "request body"):
        self.message = f"The {what} is larger than the maximum of {limit} bytes."
        super().__init__(inner_code="RequestEntityTooLarge")


class BatchAnswerTooLarge(GraphError):
    """The answers to the parts before this one have filled the batch: it was not carried out."""

    status = 413
    code = "ResponseTooLarge"

    def __init__(self, limit: int):
        self.message = (
            f"The answers to the requests before this one have filled the {limit} bytes of a "
            "batch's answer. This one was not carried out: send it in another batch."
        )
        super().__init__(inner_code="ResponseTooLarge")


class TooManyRequests(GraphError):
    """The application is over its limit. Graph's text; ``Retry-After`` is in whole seconds, for
    the SDKs read nothing else."""

    status = 429
    code = "TooManyRequests"
    message = "Please retry again later."

    def __init__(self, retry_after: int):
        super().__init__(
            "Please retry after",
            inner_code="429",
            headers={"Retry-After": str(retry_after)},
            inner={"status": "429"},
        )


class UnexpectedError(GraphError):
    """Something of ours broke. The log has the traceback under the same request id."""

    status = 500
    code = "generalException"
    message = "An unexpected error occurred. The service log has the details under this request-id."


class DatabaseUnavailable(GraphError):
    """The database is away, busy or full (``operations.outage``). The SDKs repeat a 503 by
    themselves and no 507, which Graph keeps for a quota of the caller's own."""

    status = 503
    code = "serviceNotAvailable"
    message = "The service cannot reach its database at the moment. Please retry."
    #: Whole seconds.
    retry_after = 5

    def __init__(self) -> None:
        super().__init__(
            "A change may have been carried out although it was not confirmed. Send it again with "
            "the same client-request-id: it is then not made twice.",
            inner_code="DatabaseUnavailable",
            headers={"Retry-After": str(self.retry_after)},
        )


class IssuerUnreachable(GraphError):
    """The foreign issuer does not answer, and the token's key is not among those we know."""

    status = 503
    code = "serviceNotAvailable"
    message = "The keys of the token's issuer cannot be had at the moment. Please retry."

    def __init__(self, seconds: int):
        super().__init__(inner_code="IssuerUnreachable", headers={"Retry-After": str(seconds)})


class TooManyConnections(GraphError):
    """The web server has as many connections as it may; this one had waited the longest."""

    status = 503
    code = "serviceNotAvailable"
    message = "The service has too many connections at the moment. Please retry."

    def __init__(self) -> None:
        super().__init__(inner_code="TooManyConnections", headers={"Retry-After": "5"})
