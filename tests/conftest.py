from __future__ import annotations

import pytest

from operations import foreign_tokens, tokens
from tests.factories import make_application
from tests.graph import OWNED, GraphClient


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


@pytest.fixture
def application(db):
    """An application with the seed's own role."""
    return make_application(OWNED)


@pytest.fixture
def graph(application) -> GraphClient:
    """The API as that application sees it."""
    return GraphClient(application)


@pytest.fixture
def operator(client, django_user_model):
    """The pages as a signed-in person without special rights sees them."""
    client.force_login(django_user_model.objects.create_user("maria"))
    return client
