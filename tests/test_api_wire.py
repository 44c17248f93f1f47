"""The wire below every resource: what published clients send, and the form of every answer.

The first part has one test for each rule of the fifteen that published Graph clients need; the
others go through paths, bodies, headers, errors and addresses.
"""

from __future__ import annotations

import json
import logging

import pytest

from operations import provisioning, tokens
from operations.access import Caller
from operations.api.paths import canonical_path
from operations.models import ConnectionOperation, ExternalConnection
from tests.factories import a_schema, make_application, make_connection, report, work_off
from tests.graph import GUID, GraphClient, assert_refused
from tests.logged import printed

CONNECTIONS = "/v1.0/external/connections"
HERE = "/v1.0/connections/contosohr"
HR = {"id": "contosohr", "name": "Contoso HR"}
OPERATION = "3ed1595a-4bae-43c2-acda-ef973e581323"


@pytest.fixture
def connection(application):
    return make_connection("contosohr", owner=application)


def error_of(response) -> dict:
    return json.loads(response.content)["error"]


# What every client needs -------------------------------------------------------------------------


def test_01_repeated_slashes_are_one(graph, connection):
    report(connection, graph_id="o")
    for path in (
        "/v1.0//external/connections/contosohr/operations/o",
        "/v1.0/external//connections///contosohr/operations//o",
        "/beta//connections//contosohr//operations//o//",
    ):
        assert graph.get(path).json()["id"] == "o", path
    headers = {"Authorization": f"Bearer {graph.token}"}
    leading = graph.http.get("/", headers=headers, PATH_INFO="//v1.0/connections")
    assert leading.json()["value"][0]["id"] == "contosohr"
    assert graph.post("/v1.0//external//connections", {**HR, "id": "two"}).status_code == 201


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_02_a_trailing_slash_never_redirects(graph, connection, method):
    report(connection, graph_id="o")
    paths = {
        "GET": (f"{CONNECTIONS}/", f"{HERE}/", f"{HERE}/operations/", f"{HERE}/operations/o/"),
        "POST": (f"{HERE}/operations/",),
        "PATCH": (f"{HERE}/", f"{HERE}/schema/", f"{HERE}/operations/o/"),
        "DELETE": (f"{HERE}/operations/o/", f"{HERE}/"),
    }
    for path in paths[method]:
        body = a_schema() if "schema" in path else {}
        response = graph.request(method, path, None if method in ("GET", "DELETE") else body)
        assert 200 <= response.status_code < 300, (path, response.content)


def test_02_without_a_slash_nothing_redirects_either(graph, connection):
    for path in ("/v1.0", "/beta", "/v1.0/external", "/v1.0/nothing", CONNECTIONS, HERE):
        assert graph.get(path).status_code in (200, 404), path


@pytest.mark.parametrize("root", ["v1.0", "beta"])
def test_03_both_paths_and_keys_in_parentheses(graph, connection, root):
    report(connection, graph_id=OPERATION)
    for path in (
        f"/external/connections/contosohr/operations/{OPERATION}",
        f"/connections/contosohr/operations/{OPERATION}",
        f"/external/connections('contosohr')/operations('{OPERATION}')",
        f"/connections('contosohr')/operations('{OPERATION}')",
        f"/connections(contosohr)/operations({OPERATION})",
        f"/connections('contosohr')/operations/{OPERATION}",
        f"/connections/contosohr/operations('{OPERATION}')",
        f"/connections%28%27contosohr%27%29/operations%28%27{OPERATION}%27%29",
    ):
        assert graph.get(f"/{root}{path}").json()["id"] == OPERATION, path


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/json",
        "application/json;odata.metadata=minimal;charset=utf-8",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/xml",
        "nonsense",
        "application/json; charset=nonsense",
        "",
    ],
)
def test_04_a_body_is_json_whatever_the_content_type_says(graph, content_type):
    assert graph.post(CONNECTIONS, HR, Content_Type=content_type).status_code == 201


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/json;odata.metadata=none",
        "application/json;odata.metadata=full",
        "text/plain;q=0.9",
        "text/html",
        "application/xml",
        "image/png",
        "nonsense",
        "",
        None,
    ],
)
def test_05_any_accept_is_served(graph, connection, accept):
    headers = {} if accept is None else {"Accept": accept}
    assert graph.get(HERE, **headers).json()["id"] == "contosohr"
    assert_refused(graph.get("/v1.0/connections/nosuch", **headers), 404, "ItemNotFound")


def test_06_json_is_labelled_as_such(graph, connection):
    for response in (graph.get(HERE), graph.get(CONNECTIONS), graph.get("/v1.0/nothing")):
        assert response["Content-Type"] == (
            "application/json;odata.metadata=minimal;odata.streaming=true;"
            "IEEE754Compatible=false;charset=utf-8"
        )


def test_07_every_error_has_the_envelope(graph, connection):
    assert_refused(GraphClient().get(HERE), 401, "InvalidAuthenticationToken")
    assert_refused(graph.get("/v1.0/nothing"), 404, "ResourceNotFound")
    assert_refused(graph.request("PUT", HERE), 405, "Request_BadRequest")
    assert_refused(graph.post(CONNECTIONS, "{"), 400, "BadRequest")


def test_08_no_body_means_no_content_type(graph, connection):
    report(connection, graph_id="o")
    for response in (
        graph.patch(f"{HERE}/schema", a_schema()),
        graph.patch(HERE, {"name": "n"}),
        graph.delete(f"{HERE}/operations/o"),
        graph.delete(HERE),
    ):
        assert response.status_code in (202, 204)
        assert response.content == b""
        assert "Content-Type" not in response


def test_09_the_last_page_has_no_link(graph, connection):
    assert "@odata.nextLink" not in graph.get(f"{HERE}/operations").json()


def test_10_links_are_absolute_with_the_address_that_the_client_used(graph, connection, settings):
    settings.ALLOWED_HOSTS = ["connectors.example"]
    for _ in range(2):
        report(connection)
    headers = {"Host": "connectors.example:8443"}
    schema = graph.patch(f"{HERE}/schema", a_schema(), **headers)
    page = graph.get(f"{HERE}/operations?$top=1", **headers).json()
    created = graph.post(f"{HERE}/operations", {}, **headers)
    for link in (
        schema["Location"],
        page["@odata.nextLink"],
        page["@odata.context"],
        created["Location"],
    ):
        assert link.startswith("http://connectors.example:8443/v1.0/"), link


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_11_a_schema_is_answered_with_the_operation_to_poll(graph, connection, method):
    response = graph.request(method, f"{HERE}/schema", a_schema())
    assert response.status_code == 202
    operation = ConnectionOperation.objects.get().graph_id
    location = f"{CONNECTIONS}/contosohr/operations/{operation}"
    assert response["Location"] == f"http://testserver{location}"
    # published programs poll with the headers of the first request
    polled = graph.request("GET", location, b"", Content_Type="application/json")
    assert polled.json()["status"] == "inprogress"
    work_off()
    assert graph.get(location).json()["status"] == "completed"


def test_12_what_is_read_can_be_sent_back(graph, connection):
    report(connection, graph_id="o", status="failed", error={"message": "m"})
    for path, status in (("", 204), ("/operations/o", 200)):
        assert graph.patch(HERE + path, graph.get(HERE + path).json()).status_code == status
    graph.patch(f"{HERE}/schema", a_schema())
    work_off()
    assert graph.patch(f"{HERE}/schema", graph.get(f"{HERE}/schema").json()).status_code == 202


@pytest.mark.parametrize("mark", ["#", ""])
def test_13_a_type_annotation_with_or_without_its_mark_and_nulls(graph, mark):
    namespace = f"{mark}microsoft.graph.externalConnectors"
    body = {**HR, "@odata.type": f"{namespace}.externalConnection", "description": None}
    assert graph.post(CONNECTIONS, body).status_code == 201
    body = {"@odata.type": f"{namespace}.connectionOperation", "error": None}
    assert graph.post(f"{HERE}/operations", body).status_code == 201


# 14, the three forms of a URL inside a batch, is in test_api_batch.py.


def test_15_enum_words_are_written_exactly(graph, connection):
    report(connection, graph_id="o", status="inprogress")
    assert graph.get(f"{HERE}/operations/o").json()["status"] == "inprogress"
    connection_json = graph.get(HERE).json()
    assert (connection_json["state"], connection_json["contentCategory"]) == (
        "draft",
        "uncategorized",
    )


# Paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/V1.0/External/Connections/contosohr/Operations/o",
        "/BETA/CONNECTIONS/CONTOSOHR/OPERATIONS/o",
        "/v1.0/Connections('contosohr')/Operations('o')",
    ],
)
def test_names_in_a_path_are_read_in_any_case(graph, connection, path):
    report(connection, graph_id="o")
    body = graph.get(path).json()
    assert body["id"] == "o"
    root = "beta" if path.startswith("/BETA") else "v1.0"
    assert body["@odata.context"].startswith(f"http://testserver/{root}/$metadata#external/")


@pytest.mark.parametrize("key", ["Schema", "OPERATIONS", "External", "items", "V1.0"])
def test_a_key_is_never_taken_for_a_name(graph, connection, key):
    report(connection, graph_id=key)
    assert graph.get(f"{HERE}/operations/{key}").json()["id"] == key


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/v1.0", "/v1.0"),
        ("//V1.0///", "/v1.0"),
        ("/v1.0//Connections('contosohr')/", "/v1.0/connections/contosohr"),
        ("/BETA/EXTERNAL/CONNECTIONS/Hr/SCHEMA", "/beta/external/connections/Hr/schema"),
        ("/v1.0/connections/Schema/operations/Items", "/v1.0/connections/Schema/operations/Items"),
        ("/v1.0/connections/external/$COUNT", "/v1.0/connections/external/$count"),
        ("/v1.0/connections('it''s')", "/v1.0/connections/it's"),
        ("/v1.0/connections('it's')", "/v1.0/connections('it's')"),
        ("/v1.0/connections(1.a-b)", "/v1.0/connections/1.a-b"),
        ("/v1.0/connections/key('x')y", "/v1.0/connections/key('x')y"),
        ("/v1.0/connections(id='a')/operations(id='b')", "/v1.0/connections/a/operations/b"),
        ("/v1.0/connections('')", "/v1.0/connections('')"),
        ("/v1.0/connections/a%2Fb", "/v1.0/connections/a%2Fb"),
        ("/v1.0/connections/a%2fb%25%20c", "/v1.0/connections/a%2Fb%25 c"),
        ("/v1.0/connections('a%2Fb')", "/v1.0/connections/a%2Fb"),
        ("/v1.0/%63onnections/%61", "/v1.0/connections/a"),
        ("/v1.0/connections/100%", "/v1.0/connections/100%25"),
    ],
)
def test_all_forms_of_a_path_become_one(path, canonical):
    assert canonical_path(path) == canonical


@pytest.mark.parametrize("raw", ["/v1.0/connections/a%2Fb", "/v1.0//connections('a%2Fb')?x=1"])
def test_an_encoded_slash_is_part_of_the_key(application, raw):
    """The web server's RAW_URI has it; what WSGI decoded has lost it."""
    http = GraphClient(application)
    response = http.http.get(
        "/v1.0/connections/a/b" if "(" not in raw else "/v1.0//connections('a/b')",
        headers={"Authorization": f"Bearer {http.token}"},
        RAW_URI=raw,
    )
    error = assert_refused(response, 404, "ItemNotFound")
    assert error["innerError"]["source"] == "Connection"


def test_a_raw_address_of_something_else_is_not_believed(graph, connection):
    response = graph.http.get(
        HERE, headers={"Authorization": f"Bearer {graph.token}"}, RAW_URI="/v1.0/nothing"
    )
    assert response.json()["id"] == "contosohr"


def test_every_answer_has_the_headers_that_programs_log(graph, connection):
    for path in (HERE, "/v1.0/nothing", f"{HERE}/operations/$count"):
        diagnostic = json.loads(graph.get(path)["x-ms-ags-diagnostic"])
        assert set(diagnostic["ServerInfo"]) >= {"DataCenter", "RoleInstance"}


def test_two_quotes_inside_a_key_are_one(graph, connection):
    error = assert_refused(graph.get("/v1.0/connections('it''s')"), 404, "ItemNotFound")
    assert error["innerError"]["source"] == "Connection"
    assert_refused(graph.get("/v1.0/connections('it's')"), 404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("path", "segment"),
    [
        ("/v1.0/nothing", "nothing"),
        ("/beta/nothing/at/all", "nothing"),
        ("/v1.0/users/me", "users"),
        ("/v1.0/external/nothing", "nothing"),
        ("/v1.0/connections/contosohr/nothing", "nothing"),
        ("/v1.0/connections/contosohr/operations/o/nothing", "nothing"),
        ("/v1.0/connections/contosohr/operations('o')/error", "error"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
def test_an_unknown_path_names_the_segment(graph, connection, method, path, segment):
    assert_refused(
        graph.request(method, path, {}),
        404,
        "ResourceNotFound",
        inner="ResourceNotFound",
        target=segment,
        says=f"Resource not found for the segment '{segment}'.",
    )


@pytest.mark.parametrize(
    ("path", "segment"),
    [
        ("/v1.0/connections/contosohr/fullRefresh/start", "fullRefresh"),
        ("/beta/external/connections('contosohr')/fullRefresh/items", "fullRefresh"),
        ("/v1.0/external/search", "search"),
    ],
)
def test_what_graph_has_and_we_do_not_serve_yet_says_so(graph, connection, path, segment):
    assert_refused(
        graph.get(path),
        404,
        "NotSupported",
        inner="NotServed",
        target=segment,
        says=f"'{segment}' exists in Microsoft Graph but is not served here yet.",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v1.0/nothing",
        "/v1.0/external/$metadata",
        "/v1.0/$metadata/nothing",
        "/v1.0/connections/x/quota",
        "/v1.0/connections/x/items/1/activities/2",
        "/v1.0/connections('')",
    ],
)
def test_an_unknown_path_asks_for_the_token_first(graph, path):
    assert_refused(GraphClient().get(path), 401, "InvalidAuthenticationToken")
    assert graph.get(path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unknown_path_is_unknown_to_every_method_and_role(db, method):
    response = GraphClient(make_application()).request(method, "/v1.0/nothing")
    assert_refused(response, 404, "ResourceNotFound", target="nothing")


OUTSIDE = ("/v1.01/connections", "/v2.0/connections", "/nothing", "/betamax", "/external/")


@pytest.mark.parametrize("accept", ["text/html,application/xml;q=0.9,*/*;q=0.8", "*/*"])
def test_outside_the_version_roots_there_are_pages(db, accept):
    for path in OUTSIDE:
        response = GraphClient().get(path, Accept=accept)
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html"), path


@pytest.mark.parametrize("headers", [{"Accept": "application/json"}, {"Authorization": "bearer x"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_outside_the_version_roots_a_program_is_told_where_they_are(db, method, headers):
    for path in OUTSIDE:
        segment = path.strip("/").partition("/")[0]
        assert_refused(
            GraphClient().request(method, path, **headers),
            404,
            "ResourceNotFound",
            target=segment,
            says=f"for the segment '{segment}'. The API is below /v1.0 and /beta.",
        )


# Methods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/operations", "/operations/o", "/schema"])
def test_head_is_a_get_without_its_body(graph, connection, path):
    report(connection, graph_id="o")
    graph.patch(f"{HERE}/schema", a_schema())
    got, head = graph.get(HERE + path), graph.request("HEAD", HERE + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"] == got["Content-Type"]


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE", "PROPFIND"])
def test_other_methods(graph, connection, method):
    response = graph.request(method, HERE)
    assert_refused(
        response,
        405,
        "Request_BadRequest",
        says="Specified HTTP method is not allowed for the request target.",
    )
    assert response["Allow"] == "GET, PATCH, DELETE, HEAD"


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE"])
def test_other_methods_ask_for_the_token_first(connection, method):
    assert_refused(GraphClient().request(method, HERE), 401, "InvalidAuthenticationToken")


# Headers -----------------------------------------------------------------------------------------


def every_kind_of_answer(graph, **headers) -> list:
    return [
        graph.get(CONNECTIONS, **headers),
        graph.get(f"{CONNECTIONS}/$count", **headers),
        graph.get("/v1.0/nothing", **headers),
        graph.get("/v1.0/connections/nosuch", **headers),
        graph.request("PUT", CONNECTIONS, **headers),
        graph.post(CONNECTIONS, "{", **headers),
        GraphClient().get(CONNECTIONS, **headers),
        graph.delete(HERE, **headers),
    ]


def test_every_answer_has_its_own_request_id(graph, connection):
    answers = every_kind_of_answer(graph)
    ids = {response["request-id"] for response in answers}
    assert len(ids) == len(answers)
    for response in answers:
        assert GUID.fullmatch(response["request-id"])
        assert response["client-request-id"] == response["request-id"]


def test_every_answer_echoes_the_callers_request_id(graph, connection):
    theirs = "7b1c2f5e-8a43-4d7c-9d0e-0a6f5d2c1b3a"
    for response in every_kind_of_answer(graph, client_request_id=theirs):
        assert response["client-request-id"] == theirs
        assert response["request-id"] != theirs
        if response.status_code >= 400:
            assert error_of(response)["innerError"]["client-request-id"] == theirs


@pytest.mark.parametrize("theirs", ["", "a b", "x" * 65, "<script>", "ä", "a;b", "a\u00a0b"])
def test_a_request_id_that_is_no_identifier_is_not_echoed(graph, theirs):
    response = graph.get("/v1.0/nothing", client_request_id=theirs)
    assert response["client-request-id"] == response["request-id"]


def test_every_answer_says_its_odata_version_and_is_not_kept(graph, connection):
    for response in every_kind_of_answer(graph):
        assert response["OData-Version"] == "4.0"
        assert response["Cache-Control"] == "private, no-store"


def test_metadata_none_drops_the_context_and_keeps_the_rest(graph, connection):
    for _ in range(2):
        report(connection)
    path = f"{HERE}/operations?$top=1&$count=true"
    for accept in ("application/json;odata.metadata=none", "application/json; ODATA.metadata=None"):
        response = graph.get(path, Accept=accept)
        assert list(response.json()) == ["@odata.count", "@odata.nextLink", "value"]
        assert "odata.metadata=none" in response["Content-Type"]
        assert "@odata.context" not in graph.get(HERE, Accept=accept).json()
    assert "@odata.context" in graph.get(path).json()


def test_text_is_sent_as_utf8_and_not_escaped(graph, connection):
    graph.patch(HERE, {"description": "Zürich 東京 🚲"})
    assert "Zürich 東京 🚲" in graph.get(HERE).content.decode()


# 401 ---------------------------------------------------------------------------------------------


def test_the_log_says_what_a_token_lacks(db, caplog):
    """Unmasked: the words are ours."""
    caplog.set_level("INFO", "operations")
    GraphClient().get(CONNECTIONS, Authorization="Bearer abc")
    said = "401 InvalidAuthenticationToken, 'CompactToken parsing failed with error code: 80049217'"
    assert said in printed(caplog.records)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (None, "Access token is empty."),
        ("", "Access token is empty."),
        ("Bearer", "Access token is empty."),
        ("Bearer  ", "Access token is empty."),
        ("Basic YTpi", "Access token is empty."),
        ("Token abc", "Access token is empty."),
        ("Bearer abc", "CompactToken parsing failed with error code: 80049217"),
        ("Bearer a.b.c", "CompactToken parsing failed with error code: 80049217"),
        ("Bearer é", "CompactToken parsing failed with error code: 80049217"),
    ],
)
def test_without_a_good_token(db, header, says):
    headers = {} if header is None else {"Authorization": header}
    response = GraphClient().get(CONNECTIONS, **headers)
    error = assert_refused(response, 401, "InvalidAuthenticationToken")
    assert error["message"] == says
    tenant = tokens.tenant_id()
    assert response["WWW-Authenticate"] == (
        f'Bearer realm="", authorization_uri="http://testserver/{tenant}/oauth2/v2.0/authorize", '
        'client_id="api://connectors-admin"'
    )


def test_the_scheme_is_read_in_any_case(application):
    client = GraphClient()
    token = tokens.issue_token(application)[0]
    assert client.get(CONNECTIONS, Authorization=f"bearer {token}").status_code == 200


# 500 and what Django refuses by itself -----------------------------------------------------------


def test_what_breaks_is_a_500_in_the_envelope_that_gives_nothing_away(
    graph, connection, monkeypatch, caplog
):
    def broken(*args, **kwargs):
        raise RuntimeError("password=hunter2 in /srv/secret.py")

    monkeypatch.setattr(provisioning, "request_registration", broken)
    with caplog.at_level(logging.ERROR, "django.request"):
        response = graph.patch(f"{HERE}/schema", a_schema(), client_request_id="mine")
    assert_refused(response, 500, "generalException", says="under this request-id")
    assert response["client-request-id"] == "mine"
    assert response["OData-Version"] == "4.0"
    for leak in (b"hunter2", b"RuntimeError", b"Traceback", b"secret.py"):
        assert leak not in response.content
    log = printed(caplog.records)
    for told in ("RuntimeError", "Traceback", "secret.py", "password=***"):
        assert told in log, "the log has what the answer keeps back, but for the password"
    assert "hunter2" not in log


def test_a_500_before_the_view_is_in_the_envelope_too(graph, monkeypatch):
    def broken(*args, **kwargs):
        raise KeyError("secret")

    monkeypatch.setattr(tokens, "verify_token", broken)
    response = graph.get(CONNECTIONS)
    assert_refused(response, 500, "generalException")
    assert b"secret" not in response.content


def test_a_host_that_is_not_ours(graph, settings):
    settings.ALLOWED_HOSTS = ["connectors.example"]
    assert_refused(graph.get(CONNECTIONS, Host="evil.example"), 400, "InvalidRequest")


def test_a_write_needs_no_csrf_token(application):
    client = GraphClient(application)
    client.http.handler.enforce_csrf_checks = True
    assert client.post(CONNECTIONS, HR).status_code == 201


# The order of the checks -------------------------------------------------------------------------


def test_the_checks_come_in_the_order_that_gives_least_away(connection):
    """Token, then method, role, sight, the right to write, and only then what was sent."""
    wrong = {"status": "nonsense"}
    path = f"{HERE}/operations"

    def answer(roles: tuple[str, ...]):
        return GraphClient(make_application(*roles)).post(f"{path}?$top=x", wrong)

    assert_refused(GraphClient().post(f"{path}?$top=x", wrong), 401, "InvalidAuthenticationToken")
    assert_refused(answer(()), 403, "Forbidden", says="Missing role")
    assert_refused(answer(("ExternalConnection.ReadWrite.OwnedBy",)), 404, "ItemNotFound")
    both = ("ExternalConnection.ReadWrite.OwnedBy", "ExternalConnection.Read.All")
    assert_refused(answer(both), 403, "Forbidden", inner="NotOwner")
    everything = ("ExternalConnection.ReadWrite.All",)
    assert_refused(answer(everything), 400, "BadRequest", target="$top")


def test_the_caller_is_found_once_per_request(graph, connection, monkeypatch):
    seen: list[Caller] = []
    verify = tokens.verify_token

    def counting(text: str) -> Caller:
        seen.append(verify(text))
        return seen[-1]

    monkeypatch.setattr(tokens, "verify_token", counting)
    graph.post(f"{HERE}/operations", {})
    assert len(seen) == 1
    assert ExternalConnection.objects.count() == 1
