from __future__ import annotations

import gc

import pytest
from django.test import Client

from operations import foreign_tokens, metrics, tokens
from operations.api import refusals
from operations.roles import Role
from tests.factories import make_application, make_person
from tests.figures import figures, pytest_terminal_summary  # noqa: F401 - a fixture and a hook
from tests.graph import OWNED, GraphClient
from tests.processes import end_what_was_started

# What is imported by now stays: to look through it again and again costs a tenth of the time.
gc.freeze()
gc.set_threshold(100_000, 20, 50)


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test():
    yield
    end_what_was_started()


@pytest.fixture(scope="session")
def private_pem() -> str:
    return tokens.new_private_pem()


@pytest.fixture(autouse=True)
def _own_signing_keys(private_pem, monkeypatch):
    """Each test has a database, and so a table of keys, of its own. The key is made once a run:
    finding two large primes takes longer than most tests."""
    monkeypatch.setattr(tokens, "new_private_pem", lambda: private_pem)
    tokens.forget_keys()
    foreign_tokens.forget_keys()
    yield
    tokens.forget_keys()


@pytest.fixture(autouse=True)
def _a_process_of_its_own(monkeypatch):
    """What a process counts and allows itself begins anew; a test may have been a worker."""
    monkeypatch.setattr(metrics, "_ended", metrics.ENDED)
    monkeypatch.setattr(refusals, "_allowance", refusals.Allowance())


@pytest.fixture
def application(db):
    """An application with the seed's own role."""
    return make_application(OWNED)


@pytest.fixture
def graph(application) -> GraphClient:
    """The API as that application sees it."""
    return GraphClient(application)


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(make_person(role))
    return client


@pytest.fixture
def viewer(db):
    """The pages as somebody who may look sees them."""
    return signed_in(Role.VIEWER)


@pytest.fixture
def operator(db):
    """The pages as somebody who may retry and acknowledge sees them."""
    return signed_in(Role.OPERATOR)


@pytest.fixture
def administrator(db):
    """The pages as somebody who may edit and delete sees them."""
    return signed_in(Role.ADMINISTRATOR)
