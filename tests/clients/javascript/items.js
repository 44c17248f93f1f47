// Items, groups, members and activities (client.js says how it is run).

import graph from "@microsoft/microsoft-graph-client";
import { client, clientFor, main, part, poll, refused, register, sendBatch } from "./client.js";

const { PageIterator } = graph;
const escaped = encodeURIComponent;
const EVERYONE = { accessType: "grant", type: "everyone", value: "everyone" };
const DATE = new Date(Date.UTC(2022, 0, 5, 9, 28, 31));
const SCHEMA = {
  baseType: "microsoft.graph.externalItem",
  properties: [
    { name: "title", type: "String", isSearchable: "true", isRetrievable: "true", labels: ["title"] },
    { name: "size", type: "Int64" },
    { name: "score", type: "Double" },
    { name: "due", type: "DateTime" },
    { name: "tags", type: "StringCollection" },
    { name: "owner", type: "Principal" },
  ],
};
const IDS = ["TSP 2/8", "it's", "a//b", "../up", "a#b?c%2Fd", "A&B=c;d,e+f", '\\ "', "$count", "Ü 日 😀"];

/** A connection whose schema is in force; the path of it. */
async function prepared(id) {
  await client.api("/external/connections").post({ id, name: "Tickets" });
  const path = `/external/connections/${id}`;
  const operation = await poll((await register(path, SCHEMA)).location);
  if (operation.status !== "completed") throw new Error(JSON.stringify(operation));
  return path;
}

function item(title = "A", rest = {}) {
  return { acl: [EVERYONE], properties: { title }, ...rest };
}

async function life(version = "v1.0") {
  const path = await prepared(`jsitems${version.replace(".", "")}`);
  const one = clientFor(version).api(`${path}/items/${escaped("TSP 2/8")}`);
  const sent = {
    id: "TSP 2/8",
    acl: [
      EVERYONE,
      { accessType: "deny", type: "user", value: "49103559-feac-4575-8b94-254814dfca72" },
      { accessType: "grant", type: "externalGroup", value: "HR / Köln" },
    ],
    properties: {
      title: "Größe 😀",
      size: Number.MAX_SAFE_INTEGER,
      score: 0.1,
      due: DATE, // JSON.stringify writes it as 2022-01-05T09:28:31.000Z
      "tags@odata.type": "Collection(String)",
      tags: ["blue", "größer", "2024-01-02"],
      owner: { upn: "ada@contoso.com", externalName: null },
    },
    content: { type: "html", value: "<p>Größe</p>" },
  };
  const seen = { sent };
  seen.missing = await refused(one.get());
  seen.put = await one.put(sent);
  seen.read = await one.get();
  seen.sentBack = await one.put(seen.read);
  seen.patched = await one.patch({ properties: { title: "B" } });
  seen.replaced = await one.put(item("C"));
  seen.deleted = (await one.delete()) ?? "nothing";
  seen.gone = await refused(one.get());
  return seen;
}

const lifeOnBeta = () => life("beta");

/** Every character that means something in an address, in OData or in JSON. */
async function ids() {
  const path = await prepared("jsids");
  const at = (id) => client.api(`${path}/items/${escaped(id)}`);
  for (const id of IDS) await at(id).put(item(id));
  const read = [];
  for (const id of IDS) read.push(await at(id).get());
  const count = await client.api(`${path}/items/$count`).get();
  for (const id of IDS) await at(id).delete();
  const left = await client.api(`${path}/items`).get();
  return { sent: IDS, read, count, left: left.value };
}

/** What JavaScript has no numbers for: read as text, it is exact. */
async function numbers() {
  const path = await prepared("jsnumbers");
  const one = client.api(`${path}/items/one`);
  const body = JSON.stringify(item()).replace('"title":"A"', '"size":9007199254740993,"score":1.0');
  await one.header("Content-Type", "application/json").put(body);
  return { read: await one.get(), text: await one.responseType("text").get() };
}

async function paging() {
  const path = await prepared("jsitempages");
  for (let number = 0; number < 7; number++) {
    await client.api(`${path}/items/${escaped(`TSP 2/${number}`)}`).put(item());
  }
  const first = await client.api(`${path}/items`).top(3).select("id").count(true).get();
  const ids = [];
  const iterator = new PageIterator(client, first, (row) => Boolean(ids.push(row.id)));
  await iterator.iterate();
  return { first, ids, complete: iterator.isComplete() };
}

async function errors() {
  const path = await prepared("jsitemerrors");
  const one = client.api(`${path}/items/one`);
  const faulty = { acl: [{ ...EVERYONE, type: "nobody" }], properties: { titel: "A", tags: ["a"] } };
  await client.api("/external/connections").post({ id: "jsdraft", name: "x" });
  await client.api(`${path}/items`).post(item("A", { id: "taken" }));
  return {
    faults: await refused(one.put(faulty)),
    empty: await refused(one.put({})),
    long: await refused(client.api(`${path}/items/${"x".repeat(129)}`).put(item())),
    draft: await refused(client.api("/external/connections/jsdraft/items/one").put(item())),
    missing: await refused(one.patch({ properties: { title: "B" } })),
    notDeleted: await refused(one.delete()),
    taken: await refused(client.api(`${path}/items`).post(item("A", { id: "taken" }))),
    quota: await refused(client.api(`${path}/quota`).get()),
    large: await refused(one.put(item("A", { content: { type: "text", value: "x".repeat(5e6) } }))),
  };
}

async function groups() {
  const path = await prepared("jsgroups");
  const all = client.api(`${path}/groups`);
  const one = client.api(`${path}/groups/${escaped("HR / Köln's")}`);
  const members = client.api(`${path}/groups/${escaped("HR / Köln's")}/members`);
  const bonn = `${path}/groups/${escaped("HR / Köln's")}/members/${escaped("everyone/Bonn")}`;
  const seen = {};
  seen.created = await all.post({ id: "HR / Köln's", displayName: "HR", description: "People" });
  seen.taken = await refused(all.post({ id: "HR / Köln's" }));
  seen.patched = (await one.patch({ displayName: "HR Cologne", description: null })) ?? "nothing";
  seen.read = await one.get();
  seen.listed = await all.get();
  seen.added = await members.post({ id: "everyone/Bonn", type: "externalGroup" });
  seen.again = await refused(members.post({ id: "everyone/Bonn", type: "externalGroup" }));
  const type = "#microsoft.graph.externalConnectors.identity";
  await members.post({ "@odata.type": type, id: "ada", type: "user" });
  seen.members = await members.get();
  seen.removed = (await client.api(bonn).delete()) ?? "nothing";
  seen.left = await members.get();
  seen.deleted = (await one.delete()) ?? "nothing";
  seen.gone = await refused(members.get());
  return seen;
}

async function activities() {
  const path = await prepared("jsactivities");
  const one = `${path}/items/${escaped("TSP 2/8")}`;
  await client.api(one).put(item());
  const done = {
    "@odata.type": "#microsoft.graph.externalConnectors.externalActivity",
    type: "created",
    startDateTime: DATE,
    performedBy: { type: "user", id: "12f91b0d-2c1b-4b0e-8b3e-3e5f6b1a7c11" },
  };
  const add = (list) => client.api(`${one}/addActivities`).post({ activities: list });
  return {
    added: await add([done, done]),
    partly: await add([done, { ...done, type: "nothing" }]),
    none: await refused(add([])),
  };
}

/** Each depends on the one before it, which is all that the client lets through. */
async function batch() {
  const path = await prepared("jsitembatch");
  const one = `${path}/items/${escaped("TSP 2/8")}`;
  return {
    chained: await sendBatch([
      { id: "put", request: part(one, "PUT", item("Größe")) },
      { id: "read", request: part(`/v1.0${one}`, "GET"), dependsOn: ["put"] },
      { id: "group", request: part(`${path}/groups`, "POST", { id: "HR" }), dependsOn: ["read"] },
      {
        id: "member",
        request: part(`${path}/groups/HR/members`, "POST", { id: "ada", type: "user" }),
        dependsOn: ["group"],
      },
      { id: "delete", request: part(one, "DELETE"), dependsOn: ["member"] },
      { id: "gone", request: part(one, "GET"), dependsOn: ["delete"] },
      { id: "after", request: part(`${path}/groups/HR`, "DELETE"), dependsOn: ["gone"] },
    ]),
    apart: await sendBatch([
      { id: "good", request: part(`${path}/items/good`, "PUT", item()) },
      { id: "bad", request: part(`${path}/items/bad`, "PUT", { acl: [] }) },
    ]),
    stays: await client.api(`${path}/groups/HR/members`).get(),
  };
}

await main({ life, lifeOnBeta, ids, numbers, paging, errors, groups, activities, batch });
