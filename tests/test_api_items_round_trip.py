"""What is put comes back byte for byte: nothing is rounded, sorted, escaped or left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.item_bodies import EDM, PRINCIPAL, SCHEMA
from tests.ready import BETA, ITEMS, ready

ACL = '[{"accessType":"grant","type":"everyone","value":"everyone"}]'


@pytest.fixture
def graph(db):
    return ready()


def members(response) -> dict[str, str]:
    """The members of an item as the texts that they are in the answer."""
    assert response.status_code == 200, response.content
    text = response.content.decode()
    decoder, found = json.JSONDecoder(), {}
    for name in ("acl", "properties", "content", "informationProtectionLabel"):
        begin = text.find(f'"{name}":')
        if begin >= 0:
            begin += len(name) + 3
            found[name] = text[begin : decoder.raw_decode(text, begin)[1]]
    return found


def comes_back(graph, *, path: str = f"{ITEMS}/a", **sent: str) -> None:
    """Put these texts of members and get them, from the answer, the item and the list."""
    sent = {"acl": ACL, **sent}
    body = "{" + ",".join(f'"{name}":{text}' for name, text in sent.items()) + "}"
    for response in (
        graph.put(path, body),
        graph.get(path),
        graph.get(path.rpartition("/")[0]),
        graph.get(f"{path}?$select={','.join(sent)}"),
        graph.patch(path, body),
        graph.get(path),
        graph.get(path, Accept="application/json;IEEE754Compatible=true"),
    ):
        shown = members(response)
        if "content" not in sent and "content" in shown:
            assert shown.pop("content") == "null"
        assert shown == sent


def bag(name: str, value: str) -> str:
    note = f'"{name}@odata.type":"{EDM[name]}",' if "Collection" in EDM[name] else ""
    return f'{{{note}"{name}":{value}}}'


VALUES: dict[str, list[str]] = {
    "title": [
        '""',
        '" "',
        '"null"',
        '"2024-05-31T08:30:00Z"',
        '"3ed1595a-4bae-43c2-acda-ef973e581323"',
        '"Zürich · 東京 · 🚲 · é é"',
        '"\\u0001\\u001f\\b\\f\\n\\r\\t"',
        '"quote \\" backslash \\\\ slash / <script>&amp;\u2028\u2029\ufeff\u200d"',
        '"\x7f\x85\xa0\ufffe\uffff\U0010ffff"',
        f'"{"a" * 100_000}"',
    ],
    "size": [
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740993",
        "2147483648",
    ],
    "score": [
        "0.1",
        "1.0",
        "-0.0",
        "1.7976931348623157e+308",
        "5e-324",
        "2.2250738585072014e-308",
        "0.30000000000000004",
        "123456789.12345679",
        "1e+16",
        "1",
        "9007199254740993",
        '"INF"',
        '"-INF"',
        '"NaN"',
    ],
    "due": [
        '"2024-05-31T08:30:00Z"',
        '"2022-01-05T09:28:31.000Z"',
        '"2024-01-02T03:04:05+00:00"',
        '"2024-01-02T03:04:05.123456789012-23:59"',
        '"2024-02-29T23:59:59.9Z"',
        '"0001-01-01T00:00:00+01:00"',
        '"9999-12-31T23:59:59.999999999999-23:59"',
        '"2024-05-31t08:30z"',
    ],
    "open": ["true", "false"],
    "tags": ["[]", '["b","a","b",""]', '["東京","🚲"]', '["2024-05-31T08:30:00Z"]'],
    "sizes": ["[]", "[9223372036854775807,-9223372036854775808,0,0]"],
    "scores": ["[]", '[1.0,1,0.1,"NaN",-0.0]'],
    "dates": ["[]", '["2024-05-31T08:30:00Z","0001-01-01T00:00:00Z"]'],
    "owner": [
        "{}",
        '{"upn":"megan@contoso.com"}',
        f'{{"@odata.type":"#{PRINCIPAL}","upn":null,"email":"m@contoso.com","entraId":""}}',
        '{"upn":"u","tenantId":"t","externalName":"n","externalId":"i","entraId":"e",'
        '"entraDisplayName":"Zoë","email":"m"}',
    ],
    "people": [
        "[]",
        f'[{{"upn":"b"}},{{"@odata.type":"{PRINCIPAL}","upn":"a"}},{{}}]',
    ],
}
assert set(VALUES) == set(SCHEMA)


@pytest.mark.parametrize(
    "name, value",
    [(name, value) for name, values in VALUES.items() for value in values],
    ids=lambda text: ascii(text)[:30],
)
def test_a_value_of_each_type(graph, name, value):
    comes_back(graph, properties=bag(name, value))


@pytest.mark.parametrize("name", SCHEMA)
def test_null(graph, name):
    comes_back(graph, properties=f'{{"{name}":null}}')
    if "Collection" in EDM[name]:
        comes_back(graph, properties=bag(name, "null"))


def test_the_order_of_members_and_their_annotations(graph):
    texts = [
        '{"title":"A","size":1,"open":true,"due":null}',
        '{"due":null,"open":true,"size":1,"title":"A"}',
        '{"tags":["a"],"title":"A","tags@odata.type":"#Collection(String)"}',
        '{"title@odata.type":"String","title":"A","title@odata.mediaContentType":"text/plain"}',
        '{"@odata.type":"x","title":"A","size@odata.type":"#Int64","size":1,"@a.b":{"c":[1]}}',
        '{"tags@odata.type":"collection(string)","tags":[]}',
        '{"tags@odata.type":"Collection(Edm.String)","tags":[]}',
    ]
    for text in texts:
        comes_back(graph, properties=text)


def test_everything_at_once(graph):
    parts = [bag(name, values[-1])[1:-1] for name, values in reversed(VALUES.items())]
    comes_back(graph, properties="{" + ",".join(parts) + "}")


@pytest.mark.parametrize(
    "content",
    [
        "null",
        '{"type":"text","value":null}',
        '{"type":"text","value":""}',
        '{"type":"html","value":"<p>Zürich &amp; 東京 🚲</p>\\r\\n"}',
        '{"type":"text","value":"\\u0001\\t \u2028 \\\\ \\" \ufffe"}',
        f'{{"type":"text","value":"{"🚲" * 100_000}"}}',
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_content(graph, content):
    comes_back(graph, properties='{"title":"A"}', content=content)


@pytest.mark.parametrize(
    "acl",
    [
        "[]",
        ACL,
        '[{"accessType":"deny","type":"user","value":"b"},'
        '{"accessType":"grant","type":"externalGroup","value":"a/b \u200d"},'
        '{"accessType":"deny","type":"user","value":"b"}]',
        "["
        + ",".join(f'{{"accessType":"grant","type":"user","value":"{n}"}}' for n in range(5000))
        + "]",
    ],
    ids=["none", "everyone", "in their order, also twice", "many"],
)
def test_acl(graph, acl):
    comes_back(graph, acl=acl, properties='{"title":"A"}')


def test_acl_on_beta(graph):
    acl = (
        '[{"accessType":"grant","type":"user","value":"b","identitySource":"external"},'
        '{"accessType":"grant","type":"user","value":"b","identitySource":"azureActiveDirectory"},'
        '{"accessType":"grant","type":"user","value":"b"}]'
    )
    comes_back(graph, path=f"{BETA}/items/a", acl=acl, properties='{"title":"A"}')


@pytest.mark.parametrize("label", ['{"sensitivityLabelId":null}', '{"sensitivityLabelId":"ä"}'])
def test_label(graph, label):
    comes_back(graph, properties='{"title":"A"}', informationProtectionLabel=label)


@pytest.mark.parametrize(
    "sent, kept",
    [
        ("1E2", "100.0"),
        ("0.1000000000000000055", "0.1"),
        ("1.50", "1.5"),
        ("-0", "0"),
    ],
)
def test_another_way_to_write_a_number_is_the_same_number(graph, sent, kept):
    """Of a number the value is kept, and of a text the characters, not how either was written."""
    body = f'{{"acl":{ACL},"properties":{{"score":{sent},"title":"\\u00e4\\/"}}}}'
    shown = members(graph.put(f"{ITEMS}/a", body))
    assert shown == members(graph.get(f"{ITEMS}/a"))
    assert shown["properties"] == f'{{"score":{kept},"title":"ä/"}}'
    assert json.loads(sent) == json.loads(kept)


def test_spaces_and_a_byte_order_mark_around_it(graph):
    value: Any = {"acl": json.loads(ACL), "properties": {"title": " A "}}
    body = "\ufeff \n" + json.dumps(value, indent=4) + "\r\n"
    shown = members(graph.put(f"{ITEMS}/a", body))
    assert shown == {"acl": ACL, "properties": '{"title":" A "}', "content": "null"}


def test_in_a_batch(graph):
    texts = [bag(name, value) for name, values in VALUES.items() for value in values]
    for begin in range(0, len(texts), 20):
        some = texts[begin : begin + 20]
        parts = [
            f'{{"id":"{number}","method":"PUT","url":"/connections/contosohr/items/{number}",'
            f'"headers":{{"Content-Type":"application/json"}},'
            f'"body":{{"acl":{ACL},"properties":{text}}}}}'
            for number, text in enumerate(some)
        ]
        answered = graph.post("/v1.0/$batch", '{"requests":[' + ",".join(parts) + "]}").json()
        assert {part["status"] for part in answered["responses"]} == {200}
        for number, text in enumerate(some):
            assert members(graph.get(f"{ITEMS}/{number}"))["properties"] == text
