"""What looks like a secret is masked before it is kept, logged or shown; the sentence stays."""

from __future__ import annotations

import json
import logging
import secrets
import string
import sys
import time

import jwt
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from operations import causes, tokens
from operations.demo import company
from operations.logs import LONGEST, JsonFormatter, LineFormatter
from operations.masking import mask, mask_json
from operations.models import (
    Application,
    Change,
    ConnectionOperation,
    ErrorGroup,
    OutcomeRule,
    Refusal,
)
from tests.admin_pages import submit, url
from tests.factories import (
    COMMAND,
    fail_registration,
    make_application,
    make_connection,
    report,
)
from tests.graph import GraphClient
from tests.logged import printed

JWT = jwt.encode({"sub": "somebody"}, "a" * 32, "HS256")
CREATED = Application.new_secret()
PEM = tokens.new_private_pem()
BODY_OF_PEM = "".join(PEM.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("POST client_secret=abc.def&scope=x failed", "POST client_secret=***&scope=x failed"),
        ("AZURE_CLIENT_SECRET: s3cret-1 is set.", "AZURE_CLIENT_SECRET: *** is set."),
        ('{"clientSecret": "a\\"b", "x": 1}', '{"clientSecret": "***", "x": 1}'),
        (r"{\"password\": \"abc\", \"x\": 1}", r"{\"password\": \"***\", \"x\": 1}"),
        ("{'password': 'abc def'}", "{'password': '***'}"),
        ("client_secret%3Dabcd%26x", "client_secret%3D***"),
        (
            "Server=db;User ID=me;Password=p@ss,word;Encrypt=True",
            "Server=db;User ID=me;Password=***;Encrypt=True",
        ),
        ("Uid=me;Pwd=hunter;", "Uid=me;Pwd=***;"),
        (
            f"AccountName=x;AccountKey={'A' * 86}==;EndpointSuffix=core",
            "AccountName=x;AccountKey=***;EndpointSuffix=core",
        ),
        (
            "SharedAccessSignature sr=x&sig=abc%2Bdef%3D&se=1 was refused",
            "SharedAccessSignature sr=x&sig=***&se=1 was refused",
        ),
        ("SharedAccessKey=abcd=;EntityPath=q", "SharedAccessKey=***;EntityPath=q"),
        ("postgres://me:secretly@db/x is away", "postgres://me:***@db/x is away"),
        ("<password>hunter</password>", "<password>***</password>"),
        ("Authorization: Bearer opaque", "Authorization: Bearer ***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("Authorization: ApiKey Zxmm-QpLs", "Authorization: ApiKey ***"),
        ("Authorization: Negotiate YIIabc", "Authorization: Negotiate ***"),
        ('{"X-Api-Key": ["9f8e7d"], "a": 1}', '{"X-Api-Key": ["***"], "a": 1}'),
        ('{"secret": {"a": 1}}', '{"secret": {"a": 1}}'),
        ("Cookie: __Host-sessionid=ab; x=c\nnext", "Cookie: __Host-sessionid=***\nnext"),
        ("'Set-Cookie': 'a=b; Path=/', 'c'", "'Set-Cookie': 'a=***', 'c'"),
        ("no sessionid=abc here", "no sessionid=*** here"),
        ("no cookie: sorry, it was 4 = 4", "no cookie: sorry, it was 4 = 4"),
        ("sent Bearer abcdefgh1234 to it", "sent Bearer *** to it"),
        (f"The token {JWT} has expired.", "The token eyJ*** has expired."),
        (f"cut: {JWT[:40]}", "cut: eyJ***"),
        (
            f"Key {PEM.strip()} is wrong.",
            "Key -----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY----- is wrong.",
        ),
        (f"cut: {PEM[:200]}", "cut: -----BEGIN PRIVATE KEY-----***"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA***"),
        (f"ghp_{'aB3' * 12} and xoxb-{'12345' * 4}", "ghp_*** and xoxb-***"),
        (f"'{CREATED}' is no GUID", f"'{CREATED[:6]}***' is no GUID"),
        ("password=a", "password=*"),
    ],
    ids=range(32),
)
def test_a_secret_is_masked_and_the_sentence_stays(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "AADSTS7000215: Invalid client secret provided.",
        "CompactToken parsing failed with error code: 80049217",
        "Correlation ID: 6f1c9a2e-3b0d-4d3e-9a51-2f6f3c1f9e77 Timestamp: 2026-11-25 17:52:06Z",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        f"sha256:{'0f' * 32}",
        'ETag W/"1-2-mfz1k" and If-Match \'W/"1"\'',
        "Password: must have 8 characters. Token: expired. Secret: 3 of 4",
        "Property 'password': must be a string",
        "Basic authentication and Bearer tokens are off",
        "System.Data, Version=4.0.0.0, PublicKeyToken=b77a5c561934e089",
        "https://host:8080/v1.0/x?$skiptoken=abc&$deltatoken=def mail me@host",
        "token == null, tokenId=5, secretId=6f1c9a2e-3b0d-4d3e-9a51-2f6f3c1f9e77",
        "SGVsbG8gd29ybGQ= and eyJpZCI6MX0=",
        "Contoso-HR-Connector-Sync-Operation-0001",
        "NightlyCrawlOfTheContosoHrSharePointSite1",
        "Item passport-1 of pwd/ was not found by signature",
    ],
)
def test_ordinary_texts_stay_as_they_are(text):
    assert mask(text) == text


def test_what_the_project_itself_says_stays_as_it_is():
    texts = [entry.cause + entry.title + " ".join(entry.fix) for entry in causes.catalogue()]
    errors = [op.error for demo in company.DEMOS for op in demo.operations if op.error]
    errors += [demo.rule[1] for demo in company.DEMOS if demo.rule]
    assert len(texts) > 15 and len(errors) > 5
    assert [mask(text) for text in texts] == texts
    assert mask_json(errors) == errors


def test_a_document_is_masked_by_its_texts_and_by_its_names():
    document = {
        "request-id": "6f1c9a2e-3b0d-4d3e-9a51-2f6f3c1f9e77",
        "client_secret": "plain words",
        "headers": [{"Authorization": "x", "tokenType": "Bearer"}, "pwd=abcd"],
        "token": 5,
        "n": None,
    }
    assert mask_json(document) == {
        "request-id": "6f1c9a2e-3b0d-4d3e-9a51-2f6f3c1f9e77",
        "client_secret": "***",
        "headers": [{"Authorization": "*", "tokenType": "Bearer"}, "pwd=***"],
        "token": 5,
        "n": None,
    }


# Whatever the text --------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["password", "secret", "token", "=", ":", " ", '"', "'", "\\", "%3D", "%22", "Bearer", "://"]
    + ["eyJ", "8Q~", "@", "a1", "B", "-", "-----BEGIN PRIVATE KEY-----", ">", "</", "***", "\n"]
    + [JWT, CREATED, "AKIAIOSFODNN7EXAMPLE", "ghp_", "A" * 43, "=="]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


@given(TEXTS)
@hypothesis_settings(max_examples=400, deadline=None)
def test_masked_again_it_is_the_same_and_it_is_never_longer(text):
    masked = mask(text)
    assert mask(masked) == masked
    assert len(masked) <= len(text)


WORD = st.text(string.ascii_letters + string.digits + "-_~", min_size=12).map("Zq7{}".format)


def planted(form):
    return WORD.map(lambda word: (word, form % word))


PLANTED = st.one_of(
    *(
        planted(form)
        for form in (
            "client_secret=%s",
            '"client_secret": "%s"',
            "Password=%s;",
            "AccountKey=%s",
            "?sig=%s&",
            "https://user:%s@host/",
            "Authorization: Bearer %s",
            "<secret>%s</secret>",
        )
    ),
    st.sampled_from([(JWT.split(".")[1], JWT), (CREATED[6:], CREATED), (BODY_OF_PEM[:64], PEM)]),
)
#: What may stand around: the planted one is to be seen as such, so no half of a name or number.
AROUND = st.text(string.ascii_letters + " .,;:!?()[]{}<>&\n'\"\\é🚲", max_size=40)


@given(AROUND, PLANTED, AROUND)
@example("x", (JWT.split(".")[2], JWT), "y")
@hypothesis_settings(max_examples=400, deadline=None)
def test_a_planted_secret_never_survives(before, plant, after):
    secret, text = plant
    assert secret not in mask(f"{before} {text} {after}")
    assert secret not in mask(f"{before}\n{text}\n{after}")


@given(st.text(string.ascii_letters + " .", max_size=40), st.text(string.ascii_letters + " "))
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_secret_that_shows_by_its_form_needs_no_room_around_it(before, after):
    for secret in (JWT, CREATED, f"ghp_{'aB3' * 12}", PEM):
        assert secret not in mask(before + secret + after)
    assert BODY_OF_PEM[:64] not in mask(before + PEM + after)


@pytest.mark.parametrize(
    "piece",
    ["The source did not answer. ", "a", "token ", "password=", 'secret:"a\\', "eyJ", "://a:", "@"]
    + [
        "Bearer a",
        "Bearer a1b2c3d4 ",
        "-----BEGIN PRIVATE KEY-----",
        "aB-",
        "A",
        "password: a ",
        " ",
    ]
    + ["password>", "ghp_", "8Q~", "glpat-"],
)
def test_what_was_made_to_take_long_does_not(piece):
    text = (piece * (250_000 // len(piece) + 1))[:250_000]
    begin = time.process_time()
    mask(text)
    assert time.process_time() - begin < 2


def test_a_megabyte_is_quick():
    text = f"The source did not answer, its key {CREATED} is wrong. " * 15_000
    begin = time.process_time()
    assert CREATED not in mask(text)
    assert time.process_time() - begin < 6


# Where it is done ---------------------------------------------------------------------------------

SAID = f"The source refused client_secret={CREATED} with {JWT}."
KEPT = "The source refused client_secret=*** with eyJ***."
ERROR = {
    "code": "Refused password=abcd",
    "message": SAID,
    "target": "postgres://me:hunter@db/x",
    "details": [{"code": "x", "message": SAID, "target": f"sig={JWT}"}],
    "innerError": {"code": "y", "clientSecret": "hunter", "deep": [{"log": SAID}]},
}


def holds_no_secret(value) -> bool:
    text = value if isinstance(value, str) else json.dumps(value)
    return not any(secret in text for secret in (CREATED, JWT, "abcd", "hunter"))


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


HERE = "/v1.0/external/connections/contosohr/operations"


def test_a_reported_error_is_kept_and_answered_without_its_secrets(graph, connection):
    made = graph.post(HERE, {"id": "one", "status": "failed", "error": ERROR})
    assert made.status_code == 201
    operation = ConnectionOperation.objects.get()
    assert operation.error == mask_json(ERROR)
    for shown in (made.json(), graph.get(f"{HERE}/one").json()):
        assert shown["error"]["message"] == KEPT
        assert shown["error"]["innerError"]["clientSecret"] == "***"
    rows = [
        *ConnectionOperation.objects.values(),
        *ErrorGroup.objects.values(),
        *Change.objects.values(),
    ]
    assert len(rows) >= 4 and all(holds_no_secret(str(row)) for row in rows)


def test_an_error_that_is_sent_again_as_it_was_changes_nothing(graph, connection):
    report(connection, graph_id="one")
    sent = {"status": "failed", "error": ERROR}
    first = graph.patch(f"{HERE}/one", sent)
    assert first.status_code == 200 and holds_no_secret(first.content.decode())
    changes = Change.objects.count()
    again = graph.patch(f"{HERE}/one", sent)
    read_and_sent_back = graph.patch(f"{HERE}/one", graph.get(f"{HERE}/one").json())
    for answer in (again, read_and_sent_back):
        assert answer.status_code == 200
        assert answer.json()["error"] == first.json()["error"]
    assert Change.objects.count() == changes
    other = graph.patch(f"{HERE}/one", {"error": {"message": "Another one."}})
    assert other.status_code == 409
    assert other.json()["error"]["message"] == "The error of operation 'one' is final."


def test_an_outcome_rule_and_the_failure_that_it_makes(administrator):
    connection = make_connection("contosohr")
    submit(
        administrator,
        url("outcomerule", "add"),
        connection=connection.pk,
        remaining=1,
        error=json.dumps(ERROR),
    )
    rule = OutcomeRule.objects.get()
    assert rule.error == mask_json(ERROR)
    OutcomeRule.objects.update(error=ERROR)  # of before
    assert fail_registration(connection).error == mask_json(ERROR)
    assert all(holds_no_secret(str(row)) for row in Change.objects.values())


def test_what_people_write_and_the_worker_says(operator, administrator):
    connection = make_connection("contosohr")
    failed, running = fail_registration(connection), report(connection)
    operator.post(
        f"/connections/contosohr/operations/{failed.graph_id}/acknowledge/", {"note": SAID}
    )
    administrator.post(
        f"/connections/contosohr/operations/{running.graph_id}/fail/",
        {"message": SAID, "reason": SAID},
    )
    failed.refresh_from_db(), running.refresh_from_db()
    assert failed.triage_note == KEPT
    assert running.error == {"message": KEPT}
    Change.record(COMMAND, "operation.handedBack", operation=failed, note=SAID)
    notes = Change.objects.exclude(note="").values_list("note", flat=True)
    assert sorted(notes) == [KEPT] * 3


def test_an_action_on_many(administrator):
    from operations import runs
    from operations.models import BulkAction, BulkRun
    from operations.selection import OperationSelection

    running = report(make_connection())
    runs.start(
        BulkAction.FAIL,
        OperationSelection(keys=[running.pk]),
        COMMAND,
        reason=SAID,
        error={"message": SAID},
    )
    run = BulkRun.objects.get()
    assert (run.reason, run.error) == (KEPT, {"message": KEPT})


def test_a_refused_call_is_kept_without_its_secrets(db):
    client = GraphClient(token="abc")
    client.get(f"/v1.0/connections/{CREATED}?client_secret=abcd")
    client.get(f"/v1.0/connections/sig={JWT}")
    tenant = tokens.tenant_id()
    client.http.post(
        f"/{tenant}/oauth2/v2.0/token",
        {"grant_type": "client_credentials", "client_id": CREATED, "client_secret": CREATED}
        | {"scope": "x/.default"},
    )
    assert Refusal.objects.count() == 3
    assert all(holds_no_secret(str(row)) for row in Refusal.objects.values())
    assert Refusal.objects.order_by("pk")[0].path == f"/v1.0/connections/{CREATED[:6]}***"


def test_the_form_of_our_own_secrets(db):
    application = make_application()
    for _ in range(20):
        text = application.create_secret(COMMAND)
        assert len(text) == 40 and mask(f"x{text}y") != f"x{text}y"
        assert text not in mask(f"The id '{text}' is none.")
        assert application.find_secret(text).prefix == text[:6]
    old = secrets.token_urlsafe(30)  # what was made before goes on
    assert application.find_secret(old) is None
    row = application.secrets.create(prefix=old[:6], digest=application.secrets.first().digest)
    assert row.is_usable


# The log ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [LineFormatter(), JsonFormatter()])
def test_arguments_that_do_not_fit_are_not_printed(form):
    line = form.format(
        logging.makeLogRecord({"name": "x", "msg": "%d of sig=abcd", "args": (f"sig={JWT}",)})
    )
    assert "%d of sig=*** (its arguments do not fit)" in line
    assert holds_no_secret(line)


@pytest.mark.parametrize("form", [LineFormatter(), JsonFormatter()])
def test_a_fact_is_masked_before_it_is_cut(form):
    name = "x" * (LONGEST - len("eyJ") - 8)
    line = form.format(logging.makeLogRecord({"name": "x", "application": f"{name} {JWT}"}))
    assert f"{name} eyJ***" in line


def test_the_console_prints_nothing_unmasked():
    try:
        raise ValueError(f"password={CREATED}")
    except ValueError:
        trouble = sys.exc_info()
    said = {
        "name": "x",
        "levelname": "ERROR",
        "msg": "%s was refused",
        "args": (f"sig={JWT}",),
        "exc_info": trouble,
        "stack_info": JWT,
    }
    log = printed([logging.makeLogRecord(said)])
    assert "sig=*** was refused" in log and "ValueError: password=***" in log
    assert holds_no_secret(log)
