"""The programs in ``javascript``, run by Node against a server that speaks TLS."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.graph import GUID
from tests.processes import Serving

PROGRAMS = Path(__file__).parent / "javascript"


def run(serving: Serving, program: str, scenario: str) -> dict[str, Any]:
    """What a scenario of a program saw."""
    done = subprocess.run(
        ["node", str(PROGRAMS / program), scenario],
        env={
            "PATH": os.environ["PATH"],
            "NODE_EXTRA_CA_CERTS": serving.printed("CA file"),
            "BASE": serving.address,
            "TOKEN_URL": serving.printed("Token address"),
            "CLIENT_ID": serving.printed("Client id"),
            "CLIENT_SECRET": serving.printed("Client secret"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def assert_graph_error(seen: dict, status: int, code: str, says: str = "") -> None:
    assert seen.get("isGraphError"), seen
    assert (seen["statusCode"], seen["code"]) == (status, code)
    assert seen["message"] and says in seen["message"]
    assert GUID.fullmatch(seen["requestId"])
    assert seen["inner"]["client-request-id"] and seen["date"] != "Invalid Date"
