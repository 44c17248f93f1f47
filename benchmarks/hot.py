"""What clients ask again and again: one operation, the same when it has not changed, a list."""

from __future__ import annotations

import http.client
import json
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measuring import Target, in_turns, judged, requests_per_second
from benchmarks.servers import asgi, wsgi
from tests.processes import own_database, query, serve, shell

MAKE = """
from tests import factories
from tests.graph import OWNED
from operations import tokens
from operations.models import SigningKey
from cryptography.hazmat.primitives import serialization
owner = factories.make_application(OWNED)
connection = factories.make_connection("measured", owner=owner)
for number in range(1000):
    factories.report(connection, graph_id=f"operation{number}", status="completed")
token = tokens.issue_token(owner)[0]
pem = SigningKey.objects.get().private_pem.encode()
key = serialization.load_pem_private_key(pem, password=None).public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
import json; print(json.dumps([token, key]))
"""
KEYS = """SELECT o.id, o.connection_id FROM operations_connectionoperation o
WHERE o.graph_id = 'operation500'"""
OURS, PLAIN = "connectors-admin", "plain Django view"
OURS_304 = f"{OURS}, 304"
DRF, FAST = "DRF ModelViewSet, bearer", "FastAPI, SQLAlchemy"


def run() -> str:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        environment = stack.enter_context(own_database(Path(folder)))
        token, public = json.loads(shell(environment, MAKE))
        bearer = {"Authorization": f"Bearer {token}"}
        environment |= {"BASELINE_KEY": public, "BASELINE_AUDIENCE": "api://connectors-admin"}
        key, connection = query(environment, KEYS)

        ours = stack.enter_context(serve(environment, "--no-worker")).address
        plain = stack.enter_context(wsgi(environment, "plain"))
        rest = stack.enter_context(wsgi(environment, "rest"))
        hello = stack.enter_context(wsgi(environment, "hello"))
        fast = stack.enter_context(asgi(environment, "fast"))

        operations = f"{ours}/v1.0/external/connections/measured/operations"
        seen = {"If-None-Match": _etag(f"{operations}/operation500", bearer)}
        one = {
            OURS: Target(f"{operations}/operation500", bearer),
            OURS_304: Target(f"{operations}/operation500", bearer | seen),
            PLAIN: Target(f"{plain}/operations/{key}"),
            DRF: Target(f"{rest}/operations/{key}", bearer),
            FAST: Target(f"{fast}/operations/{key}"),
            "WSGI hello": Target(hello),
        }
        many = {
            OURS: Target(f"{operations}?$top=100", bearer),
            PLAIN: Target(f"{plain}/connections/{connection}/operations"),
            DRF: Target(f"{rest}/operations?connection={connection}", bearer),
            FAST: Target(f"{fast}/connections/{connection}/operations"),
        }
        seen_one = {OURS_304: one.pop(OURS_304), OURS: one[OURS]}
        found = [_compared("GET one operation", one, PLAIN, 1.0)]
        found.append(_compared("GET one that is the same", seen_one, OURS, 1.1))
        found.append(_compared("GET 100", many, PLAIN, 1.0))
        return "\n\n".join(found)


def _compared(title: str, targets: dict[str, Target], baseline: str, least: float) -> str:
    figures = in_turns(
        {name: partial(requests_per_second, target) for name, target in targets.items()}
    )
    return judged(title, "requests/s", figures, baseline, least)


def _etag(url: str, headers: dict[str, str]) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", parts.path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    return response.headers["ETag"]
