"""Limits are counted exactly, however many processes let requests in at the same time."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.at_once import Call, at_once, statuses
from tests.graph import OWNED
from tests.processes import own_database, serve, shell

LIMIT, OWN_LIMIT = 20, 7
#: No window ends while a test runs, unless it runs at an hour that comes every eleven days.
WINDOW = 1_000_000
MAKE = f"""
import json
from operations import tokens
from tests.factories import make_application
made = [make_application("{OWNED}") for _ in range(3)]
print(json.dumps({{str(each.app_id): tokens.issue_token(each)[0] for each in made}}))
"""


@dataclass(frozen=True)
class Served:
    address: str
    tokens: list[str]  # of applications of which the first has a limit of its own

    def calls(self, application: int, number: int) -> list[Call]:
        headers = {"Authorization": f"Bearer {self.tokens[application]}"}
        return [Call("GET", "/v1.0/connections", headers=headers)] * number


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with own_database(tmp_path_factory.mktemp("throttled")) as environment:
        made = json.loads(shell(environment, MAKE))
        environment |= {
            "THROTTLE_LIMIT": str(LIMIT),
            "THROTTLE_LIMITS": f"{next(iter(made))}={OWN_LIMIT}",
            "THROTTLE_WINDOW": str(WINDOW),
        }
        with serve(environment, "--web-workers", "3", "--no-worker") as serving:
            yield Served(serving.address, list(made.values()))


def test_exactly_the_limit_is_let_through_of_each_application(served):
    """Two at once: neither uses up what is the other's."""
    replies = at_once(served.address, served.calls(0, 30) + served.calls(1, 30))
    assert statuses(replies[:30]) == {200: OWN_LIMIT, 429: 30 - OWN_LIMIT}
    assert statuses(replies[30:]) == {200: LIMIT, 429: 30 - LIMIT}
    for reply in replies:
        if reply.status == 429:
            assert re.fullmatch(r"[1-9]\d*", reply.headers["Retry-After"])
            assert int(reply.headers["Retry-After"]) <= WINDOW
            error = reply.json()["error"]
            assert (error["code"], error["innerError"]["code"]) == ("TooManyRequests", "429")
            assert error["message"] == "Please retry again later."


def test_exactly_the_limit_is_let_through_of_the_parts_of_batches(served):
    parts = [{"id": f"{number}", "method": "GET", "url": "/connections"} for number in range(5)]
    [call] = served.calls(2, 1)
    batch = Call("POST", "/v1.0/$batch", {"requests": parts}, headers=call.headers)
    replies = at_once(served.address, [batch] * 8)
    assert statuses(replies) == {200: 8}
    answers = [part for reply in replies for part in reply.json()["responses"]]
    assert Counter(answer["status"] for answer in answers) == {200: LIMIT, 429: 40 - LIMIT}
    for answer in answers:
        if answer["status"] == 429:
            assert re.fullmatch(r"[1-9]\d*", answer["headers"]["Retry-After"])
            assert answer["body"]["error"]["code"] == "TooManyRequests"
