"""What the database holds. One file per thing that a user can name."""

from operations.models.application import ROLES, Application, ApplicationSecret
from operations.models.bulk_run import BulkAction, BulkRun
from operations.models.change import Action, Actor, ActorKind, Change, Channel
from operations.models.connection import AuthorizedApp, ExternalConnection, Limit
from operations.models.enums import ConnectionState, ContentCategory, GraphEnum, OperationStatus
from operations.models.error_group import ErrorGroup
from operations.models.failed_sign_in import FailedSignIn
from operations.models.group import (
    ActivityType,
    ExternalActivity,
    ExternalGroup,
    GroupMember,
    IdentityType,
)
from operations.models.heartbeat import WorkerHeartbeat
from operations.models.installation import Installation, SigningKey
from operations.models.item import ContentType, ExternalItem
from operations.models.item_tally import ItemTally
from operations.models.moves import KEEP, Kind, Triage
from operations.models.operation import ConnectionOperation
from operations.models.operation_row import OperationRow
from operations.models.outcome_count import OutcomeCount
from operations.models.outcome_rule import OutcomeRule
from operations.models.refusal import Refusal
from operations.models.replay import Replay
from operations.models.retention import Retention
from operations.models.schema import Schema
from operations.models.throttle import RequestCount
from operations.models.worker_total import WorkerTotal

__all__ = [
    "KEEP",
    "ROLES",
    "Action",
    "ActivityType",
    "Actor",
    "ActorKind",
    "Application",
    "ApplicationSecret",
    "AuthorizedApp",
    "BulkAction",
    "BulkRun",
    "Change",
    "Channel",
    "ConnectionOperation",
    "ConnectionState",
    "ContentCategory",
    "ContentType",
    "ErrorGroup",
    "ExternalActivity",
    "ExternalConnection",
    "ExternalGroup",
    "ExternalItem",
    "FailedSignIn",
    "GraphEnum",
    "GroupMember",
    "IdentityType",
    "Installation",
    "ItemTally",
    "Kind",
    "Limit",
    "OperationRow",
    "OperationStatus",
    "OutcomeCount",
    "OutcomeRule",
    "Refusal",
    "Replay",
    "RequestCount",
    "Retention",
    "Schema",
    "SigningKey",
    "Triage",
    "WorkerHeartbeat",
    "WorkerTotal",
]
