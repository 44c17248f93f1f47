"""``/$metadata``, the service document and ``/external``: what there is, told before it is asked.

The model is held against what the API really answers, and read by an OData client that was
written by others.
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import requests

from operations.api import edm
from operations.models import ConnectionState, ExternalConnection
from tests.factories import (
    a_property,
    a_schema,
    make_application,
    make_connection,
    register_schema,
    report,
    work_off,
)
from tests.graph import ITEMS_OWNED, OWNED, GraphClient, assert_refused

EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
CORE = "Org.OData.Core.V1"
CONNECTORS = "microsoft.graph.externalConnectors"
VERSIONS = ("v1.0", "beta")
#: What must be described: all that has a name of its own.
DESCRIBED = (
    "EnumType Member ComplexType EntityType Property NavigationProperty EntityContainer EntitySet "
    "Singleton Action"
).split()


@pytest.fixture
def application(db):
    return make_application(OWNED, ITEMS_OWNED)


def csdl(version: str = "v1.0") -> ElementTree.Element:
    response = GraphClient().get(f"/{version}/$metadata")
    assert response.status_code == 200, response.content
    return ElementTree.fromstring(response.content)


def annotation(element: ElementTree.Element, term: str) -> dict[str, str]:
    found = [
        child.attrib
        for child in element.findall(f"{EDM}Annotation")
        if child.get("Term") == f"{CORE}.{term}"
    ]
    assert len(found) <= 1, element.attrib
    return found[0] if found else {}


def declared(document: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """Every type by its full name."""
    return {
        f"{schema.get('Namespace')}.{child.get('Name')}": child
        for schema in document.iter(f"{EDM}Schema")
        for child in schema
    }


def property_of(document: ElementTree.Element, kind: str, name: str) -> ElementTree.Element:
    found = declared(document)[f"{CONNECTORS}.{kind}"].find(f"{EDM}Property[@Name='{name}']")
    assert found is not None
    return found


# The document -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_csdl_4_in_xml_and_needs_no_token(db, version):
    response = GraphClient().get(f"/{version}/$metadata", Accept="application/json")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/xml;charset=utf-8"
    assert response["OData-Version"] == "4.0"
    document = ElementTree.fromstring(response.content)
    assert document.tag == f"{EDMX}Edmx" and document.get("Version") == "4.0"
    assert document.find(f"{EDMX}Reference/{EDMX}Include").get("Namespace") == CORE


def test_a_token_that_is_no_good_does_no_harm(db):
    assert GraphClient(token="nonsense").get("/v1.0/$metadata").status_code == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_with_a_name_has_a_sentence(db, version):
    elements = [
        element
        for element in csdl(version).iter()
        if element.tag.removeprefix(EDM) in DESCRIBED and element.tag.startswith(EDM)
    ]
    assert len(elements) > 150
    for element in elements:
        sentence = annotation(element, "Description").get("String", "")
        assert sentence[:1].isupper() and sentence.endswith("."), (element.tag, element.attrib)
        assert "TODO" not in sentence


@pytest.mark.parametrize("version", VERSIONS)
def test_every_type_that_is_named_is_declared(db, version):
    document = csdl(version)
    types = declared(document)
    named = [
        value.removeprefix("Collection(").removesuffix(")")
        for element in document.iter()
        for attribute in ("Type", "BaseType", "EntityType")
        if (value := element.get(attribute))
    ]
    assert "microsoft.graph.publicError" in named
    assert [name for name in named if name not in types and not name.startswith("Edm.")] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_derived_type_declares_nothing_twice(db, version):
    types = declared(csdl(version))
    for name, element in types.items():
        own = [prop.get("Name") for prop in element.findall(f"{EDM}Property")]
        base = types.get(element.get("BaseType"))
        inherited = [] if base is None else [p.get("Name") for p in base.findall(f"{EDM}Property")]
        assert len({*own, *inherited}) == len(own) + len(inherited), name


def test_the_operation_is_what_the_seed_says(db):
    operation = declared(csdl())[f"{CONNECTORS}.connectionOperation"]
    assert operation.get("BaseType") == "microsoft.graph.entity"
    assert {
        prop.get("Name"): (prop.get("Type"), prop.get("Nullable"))
        for prop in operation.findall(f"{EDM}Property")
    } == {
        "status": (f"{CONNECTORS}.connectionOperationStatus", None),
        "error": ("microsoft.graph.publicError", None),
    }
    status = declared(csdl())[f"{CONNECTORS}.connectionOperationStatus"]
    assert [(word.get("Name"), word.get("Value")) for word in status.findall(f"{EDM}Member")] == [
        ("unspecified", "0"),
        ("inprogress", "1"),
        ("completed", "2"),
        ("failed", "3"),
        ("unknownFutureValue", "4"),
    ]


def test_facets_are_graphs(db):
    document = csdl()
    assert annotation(property_of(document, "externalConnection", "state"), "Computed") == {
        "Term": f"{CORE}.Computed",
        "Bool": "true",
    }
    category = property_of(document, "externalConnection", "contentCategory")
    assert (category.get("Nullable"), category.get("DefaultValue")) == ("false", "uncategorized")
    assert property_of(document, "property", "labels").get("Type") == (
        f"Collection({CONNECTORS}.label)"
    )
    types = declared(document)
    assert types["microsoft.graph.entity"].find(f"{EDM}Key/{EDM}PropertyRef").get("Name") == "id"
    assert types["microsoft.graph.publicInnerError"].get("OpenType") == "true"
    assert types["microsoft.graph.publicError"].get("OpenType") is None
    assert types[f"{CONNECTORS}.urlToItemResolverBase"].get("Abstract") == "true"
    resolver = types[f"{CONNECTORS}.itemIdResolver"]
    assert resolver.get("BaseType") == f"{CONNECTORS}.urlToItemResolverBase"
    labels = {word.get("Name"): word.get("Value") for word in types[f"{CONNECTORS}.label"]}
    assert [labels[word] for word in ("title", "fileExtension", "unknownFutureValue")] == [
        "0",
        "8",
        "12",
    ]
    assert [labels[word] for word in ("containerName", "personWorkPositions")] == ["13", "57"]


def navigations(element: ElementTree.Element) -> dict[str, tuple[str, str]]:
    return {
        navigation.get("Name"): (navigation.get("Type"), navigation.get("ContainsTarget"))
        for navigation in element.findall(f"{EDM}NavigationProperty")
    }


def test_what_a_connection_contains(db):
    types = declared(csdl())
    contained = {
        "operations": (f"Collection({CONNECTORS}.connectionOperation)", "true"),
        "schema": (f"{CONNECTORS}.schema", "true"),
        "items": (f"Collection({CONNECTORS}.externalItem)", "true"),
        "groups": (f"Collection({CONNECTORS}.externalGroup)", "true"),
    }
    assert navigations(types[f"{CONNECTORS}.externalConnection"]) == contained
    on_beta = declared(csdl("beta"))[f"{CONNECTORS}.externalConnection"]
    quota = {"quota": (f"{CONNECTORS}.connectionQuota", "true")}
    assert navigations(on_beta) == contained | quota
    container = types["microsoft.graph.GraphService"]
    assert container.find(f"{EDM}EntitySet").attrib == {
        "Name": "connections",
        "EntityType": f"{CONNECTORS}.externalConnection",
    }
    assert container.find(f"{EDM}Singleton").attrib == {
        "Name": "external",
        "Type": f"{CONNECTORS}.external",
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_items_and_groups_are_graphs(db, version):
    types = declared(csdl(version))
    assert navigations(types[f"{CONNECTORS}.externalItem"]) == {
        "activities": (f"Collection({CONNECTORS}.externalActivity)", "true")
    }
    assert navigations(types[f"{CONNECTORS}.externalGroup"]) == {
        "members": (f"Collection({CONNECTORS}.identity)", "true")
    }
    activity = navigations(types[f"{CONNECTORS}.externalActivity"])
    assert activity == {"performedBy": (f"{CONNECTORS}.identity", "true")}
    result = types[f"{CONNECTORS}.externalActivityResult"]
    assert result.get("BaseType") == f"{CONNECTORS}.externalActivity"
    assert navigations(result) == {}  # inherited
    assert types[f"{CONNECTORS}.properties"].get("OpenType") == "true"
    facets = {
        (kind, prop.get("Name")): (prop.get("Type").rpartition(".")[2], prop.get("Nullable"))
        for kind in ("acl", "externalItemContent", "identity", "externalActivity")
        for prop in types[f"{CONNECTORS}.{kind}"].findall(f"{EDM}Property")
    }
    beta_only = facets.pop(("acl", "identitySource"), None)
    assert beta_only == (("identitySourceType", None) if version == "beta" else None)
    assert facets == {
        ("acl", "accessType"): ("accessType", "false"),
        ("acl", "type"): ("aclType", "false"),
        ("acl", "value"): ("String", "false"),
        ("externalItemContent", "type"): ("externalItemContentType", "false"),
        ("externalItemContent", "value"): ("String", None),
        ("identity", "type"): ("identityType", None),
        ("externalActivity", "startDateTime"): ("DateTimeOffset", "false"),
        ("externalActivity", "type"): ("externalActivityType", "false"),
    }
    words = {
        kind: [(word.get("Name"), word.get("Value")) for word in types[f"{CONNECTORS}.{kind}"]]
        for kind in ("aclType", "identityType")
    }
    assert [entry for entry in words["aclType"] if entry[0]] == [
        ("user", "1"),
        ("group", "2"),
        ("everyone", "3"),
        ("everyoneExceptGuests", "4"),
        ("externalGroup", "5"),
        ("unknownFutureValue", "6"),
    ]
    assert ("externalGroup", "3") in words["identityType"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_action_is_bound_to_an_item(db, version):
    action = declared(csdl(version))[f"{CONNECTORS}.addActivities"]
    assert action.tag == f"{EDM}Action" and action.get("IsBound") == "true"
    assert [(each.get("Name"), each.get("Type")) for each in action.findall(f"{EDM}Parameter")] == [
        ("bindingParameter", f"{CONNECTORS}.externalItem"),
        ("activities", f"Collection({CONNECTORS}.externalActivity)"),
    ]
    returned = action.find(f"{EDM}ReturnType").get("Type")
    assert returned == f"Collection({CONNECTORS}.externalActivityResult)"


def test_beta_has_more_than_v1(db):
    on_v1, on_beta = declared(csdl("v1.0")), declared(csdl("beta"))
    assert set(on_beta) - set(on_v1) == {
        f"{CONNECTORS}.{name}"
        for name in (
            "complianceSettings connectionQuota contentExperienceType identitySourceType "
            "importanceScore rankingHint"
        ).split()
    }
    assert set(on_v1) <= set(on_beta)
    names = [
        prop.get("Name") for prop in on_beta[f"{CONNECTORS}.externalConnection"] if prop.get("Name")
    ]
    assert "ingestedItemsCount" in names and "complianceSettings" in names
    assert on_beta[f"{CONNECTORS}.contentExperienceType"].get("IsFlags") == "true"


def test_a_lookup_gives_the_names_that_full_metadata_needs():
    assert edm.CONNECTION.full_name == f"{CONNECTORS}.externalConnection"
    properties = edm.CONNECTION.properties
    assert properties["state"].type_name == f"{CONNECTORS}.connectionState"
    assert properties["configuration"].type.properties["authorizedAppIds"].type_name == (
        "Collection(Edm.String)"
    )
    assert properties["id"].type_name == "Edm.String"
    assert edm.CONNECTION_OPERATION.properties["error"].type is edm.PUBLIC_ERROR


# The model against the answers --------------------------------------------------------------------


def full_connection(application) -> ExternalConnection:
    """Everything that a connection can have, with a schema and an operation that failed."""
    template = {
        "id": "one",
        "priority": 1,
        "layout": {"type": "AdaptiveCard"},
        "rules": [
            {
                "property": "title",
                "operation": "equals",
                "values": ["x"],
                "valuesJoinedBy": "or",
            }
        ],
    }
    resolver = {
        "@odata.type": f"#{CONNECTORS}.itemIdResolver",
        "priority": 1,
        "itemId": "{id}",
        "urlMatchInfo": {"baseUrls": ["https://x.example"], "urlPattern": "/(?<id>.+)"},
    }
    body = {
        "id": "contosohr",
        "name": "Contoso HR",
        "description": "Handbook",
        "configuration": {"authorizedAppIds": [str(application.app_id)]},
        "activitySettings": {"urlToItemResolvers": [resolver]},
        "searchSettings": {"searchResultTemplates": [template]},
        "connectorId": "02580d67-8a46-4d4e-8d5a-3a6c1fd1b3a2",
        "contentCategory": "people",
        "complianceSettings": {"eDiscoveryResultTemplates": [template]},
        "enabledContentExperiences": "search, compliance",
    }
    created = GraphClient(application).post("/beta/connections", body)
    assert created.status_code == 201, created.content
    connection = ExternalConnection.objects.get(graph_id="contosohr")
    document = a_schema(
        a_property("title", isSearchable=True, isRetrievable=True, labels=["title"]),
        a_property("code", isExactMatchRequired=True, aliases=["number"], description="A code."),
        a_property("owner", type="principal", rankingHint={"importanceScore": "high"}),
    )
    patched = GraphClient(application).patch("/beta/connections/contosohr/schema", document)
    assert patched.status_code == 202, patched.content
    work_off()
    connection.refresh_from_db()
    assert connection.state == ConnectionState.READY
    return connection


IDENTITY = {"id": "g/1", "type": "externalGroup"}
ACTIVITY = {"type": "viewed", "startDateTime": "2026-05-04T20:11:12Z", "performedBy": IDENTITY}


def full_content(client: GraphClient, here: str) -> dict:
    """An item and a group with everything that they can have; what addActivities answers."""
    entry = {"accessType": "deny", "type": "externalGroup", "value": "g/1"}
    if here.startswith("/beta"):
        entry["identitySource"] = "external"
    principal = dict.fromkeys(
        "email entraDisplayName entraId externalId externalName tenantId upn".split(), "x"
    )
    item = {
        "acl": [entry],
        "properties": {"title": "A", "code": "B", "owner": principal},
        "content": {"type": "text", "value": "C"},
        "informationProtectionLabel": {"sensitivityLabelId": "D"},
    }
    group = {"id": "g/1", "displayName": "Group", "description": "A group."}
    for method, path, body in (
        ("PUT", "/items/i", item),
        ("POST", "/groups", group),
        ("POST", "/groups/g%2F1/members", IDENTITY),
    ):
        written = client.request(method, here + path, body)
        assert written.status_code in (200, 201), written.content
    added = client.post(f"{here}/items/i/addActivities", {"activities": [ACTIVITY, {}]})
    assert added.status_code == 207, added.content
    return added.json()


def assert_declared(document: object, kind: object, *, beta: bool, seen: set[str]) -> None:
    """Each member of an answer is declared, its value fits; ``seen`` collects ``type/member``."""
    if isinstance(kind, edm.EnumType):
        assert isinstance(document, str)
        words = document.split(", ") if kind.is_flags else [document]
        assert set(words) <= set(kind.words), document
        return
    if isinstance(kind, edm.Primitive):
        expected = {
            "String": str,
            "Boolean": bool,
            "Int32": int,
            "Int64": int,
            "DateTimeOffset": str,
        }[kind.name]
        assert type(document) is expected, (kind.name, document)
        return
    assert isinstance(kind, edm.StructuredType) and isinstance(document, dict)
    if kind.is_abstract:
        name = document["@odata.type"].removeprefix("#")
        kind = next(derived for derived in edm.MODEL.derived(kind) if derived.full_name == name)
    for member, value in document.items():
        if "@" in member:
            continue
        leads = kind.navigation if isinstance(kind, edm.EntityType) else ()
        inline = [each for each in leads if each.inline and each.name == member]
        if inline:
            assert_declared(value, inline[0].type, beta=beta, seen=seen)
            continue
        prop = kind.properties.get(member)
        if prop is None:
            assert kind.is_open, f"{kind.full_name} does not declare {member}"
            continue
        assert beta or not prop.beta, member
        seen.add(f"{kind.name}/{member}")
        if value is None:
            assert prop.nullable, member
            continue
        for entry in value if prop.collection else [value]:
            assert_declared(entry, prop.type, beta=beta, seen=seen)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_answered_is_declared_and_what_is_declared_is_answered(
    db, application, graph, version
):
    beta = version == "beta"
    connection = full_connection(application)
    inner = {"code": "c", "message": "m", "target": "t", "details": [{"code": "d"}], "own": 1}
    details = [{"code": "c", "message": "m", "target": "t"}]
    error = {"code": "c", "message": "m", "target": "t", "details": details, "innerError": inner}
    report(connection, graph_id="o", status="failed", error=error)
    here = f"/{version}/connections/contosohr"
    seen: set[str] = set()
    [kept, refused] = full_content(graph, here)["value"]
    assert_declared(kept, edm.EXTERNAL_ACTIVITY_RESULT, beta=beta, seen=seen)
    assert_declared(refused["error"], edm.PUBLIC_ERROR, beta=beta, seen=seen)
    answered = [
        ("", edm.CONNECTION),
        ("/schema", edm.SCHEMA),
        ("/operations/o", edm.CONNECTION_OPERATION),
        ("/items/i", edm.EXTERNAL_ITEM),
        ("/groups/g%2F1", edm.EXTERNAL_GROUP),
        ("/groups/g%2F1/members/g%2F1", edm.IDENTITY),
    ]
    if beta:
        answered.append(("/quota", edm.CONNECTION_QUOTA))
    for path, kind in answered:
        body = graph.get(here + path, Prefer="include-unknown-enum-members").json()
        assert_declared(body, kind, beta=beta, seen=seen)
    for address, kind in (
        (f"/{version}/connections", edm.CONNECTION),
        (f"{here}/operations", edm.CONNECTION_OPERATION),
        (f"{here}/items", edm.EXTERNAL_ITEM),
        (f"{here}/groups", edm.EXTERNAL_GROUP),
        (f"{here}/groups/g%2F1/members", edm.IDENTITY),
    ):
        rows = graph.get(address).json()["value"]
        assert rows
        for row in rows:
            assert_declared(row, kind, beta=beta, seen=seen)
    expected = {
        f"{kind.name}/{member}"
        for kind in edm.MODEL.structured(beta=beta)
        if not kind.is_abstract
        for member in kind.members(beta=beta)
    }
    # an activity is shown as its result; an id is inherited by all entities, and never shown of an
    # activity, nor of the one schema and the one quota that a connection has
    never = {"schema/id", "externalActivityResult/id", "connectionQuota/id"}
    never |= {f"externalActivity/{name}" for name in edm.EXTERNAL_ACTIVITY.members()}
    # a principal stands in the open bag of an item
    never |= {name for name in expected if name.startswith("principal/")}
    assert expected - seen == {name for name in never if name in expected}


def test_every_member_that_is_declared_can_be_selected(db, application, graph):
    full_connection(application)
    full_content(graph, "/beta/connections/contosohr")
    for path, kind in (
        ("", edm.CONNECTION),
        ("/schema", edm.SCHEMA),
        ("/items/i", edm.EXTERNAL_ITEM),
        ("/groups/g%2F1", edm.EXTERNAL_GROUP),
        ("/groups/g%2F1/members/g%2F1", edm.IDENTITY),
        ("/quota", edm.CONNECTION_QUOTA),
    ):
        here = f"/beta/connections/contosohr{path}"
        for member in kind.members(beta=True):
            assert graph.get(f"{here}?$select={member}").status_code == 200, member
        assert_refused(graph.get(f"{here}?$select=nosuch"), 400, "BadRequest", says=kind.full_name)


# The other documents of the root ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1.0", "/v1.0/", "/beta", "/BETA//"])
def test_the_service_document(db, path):
    response = GraphClient().get(path)
    assert response.status_code == 200, response.content
    root = "http://testserver/" + path.strip("/").lower()
    assert response.json() == {
        "@odata.context": f"{root}/$metadata",
        "value": [
            {"name": "connections", "kind": "EntitySet", "url": "connections"},
            {"name": "external", "kind": "Singleton", "url": "external"},
        ],
    }
    assert response["OData-Version"] == "4.0"


@pytest.mark.parametrize("path", ["/v1.0", "/v1.0/$metadata"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_documents_can_only_be_read(db, path, method):
    refused = GraphClient().request(method, path)
    assert_refused(refused, 405, "Request_BadRequest")
    assert refused["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/v1.0", "/v1.0/$metadata"])
def test_the_documents_take_no_options(db, path):
    assert_refused(GraphClient().get(f"{path}?$top=1"), 400, "BadRequest", target="$top")


@pytest.mark.parametrize("version", VERSIONS)
def test_external_is_a_singleton_of_its_own(graph, version):
    response = graph.get(f"/{version}/external")
    assert response.json() == {"@odata.context": f"http://testserver/{version}/$metadata#external"}


def test_external_is_for_callers_with_a_role_and_only_read(graph):
    assert_refused(GraphClient().get("/v1.0/external"), 401, "InvalidAuthenticationToken")
    without = GraphClient(make_application())
    assert_refused(without.get("/v1.0/external"), 403, "Forbidden", says="Missing role")
    for method in ("PATCH", "POST", "PUT", "DELETE"):
        refused = graph.request(method, "/v1.0/external", {})
        assert_refused(refused, 405, "Request_BadRequest")
        assert refused["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("name", ["$metadata", "$batch"])
def test_only_the_root_has_them(graph, name):
    for path in (f"/v1.0/external/{name}", f"/v1.0/connections/contosohr/{name}"):
        assert_refused(graph.get(path), 404, "ResourceNotFound", target=name)


# A client that others wrote -----------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_odata_client_reads_the_model_and_works_with_it(transactional_db, live_server, version):
    from odata import ODataService

    application = make_application(OWNED)
    connection = make_connection("contosohr", owner=application, name="Contoso HR")
    register_schema(connection)
    report(connection, graph_id="o", status="failed", error={"message": "Did not answer."})
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {GraphClient(application).token}"
        service = ODataService(
            f"{live_server.url}/{version}/",
            session=session,
            reflect_entities=True,
            quiet_progress=True,
        )
        assert set(service.entities) == {"connections", "external"}
        kind = service.entities["connections"]
        assert set(edm.CONNECTION.members(beta=version == "beta")) <= set(dir(kind))
        [found] = service.query(kind).all()
        assert (found.id, found.name, found.state.name) == ("contosohr", "Contoso HR", "ready")
        operations = {operation.id: operation for operation in found.operations}
        assert operations["o"].status.name == "failed"
        assert operations["o"].error["message"] == "Did not answer."
        assert len(operations) == 2
