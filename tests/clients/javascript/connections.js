// Connections, schemas and operations (client.js says how it is run).

import graph from "@microsoft/microsoft-graph-client";
import { SCHEMA, client, clientFor, main, part, poll, refused, register, sendBatch } from "./client.js";

const { PageIterator } = graph;

async function life(root = "/external/connections", id = "jslife") {
  const path = `${root}/${id}`;
  const seen = {};
  seen.created = await client.api(root).post({ id, name: "Contoso HR", description: null });
  seen.noSchema = await refused(client.api(`${path}/schema`).get());
  seen.registered = await register(path);
  seen.operation = await poll(seen.registered.location);
  seen.ready = await client.api(path).get();
  seen.schema = await client.api(`${path}/schema`).get();
  seen.reported = await client.api(`${path}/operations`).create({ id: "1.weu-b.A1" });
  const error = { code: "SourceUnreachable", message: "No answer.", innerError: { attempts: 3 } };
  const one = client.api(`${path}/operations/1.weu-b.A1`);
  seen.failed = await one.update({ status: "failed", error });
  seen.read = await one.get();
  seen.sentBack = await one.patch(seen.read);
  seen.listed = await client.api(`${path}/operations`).get();
  seen.count = await client.api(`${path}/operations/$count`).get();
  seen.deletedOperation = (await one.delete()) ?? "nothing";
  const whole = await client.api(path).get();
  seen.patched = (await client.api(path).patch({ ...whole, name: "Contoso people" })) ?? "nothing";
  seen.renamed = await client.api(path).get();
  await client.api(path).delete();
  seen.gone = await refused(client.api(path).get());
  return seen;
}

const lifeAtTheRoot = () => life("/connections", "jsroot");

/** The pre-2024 form, and a call that goes on although the answer to it has no body. */
async function oldForms() {
  await client.api("/external/connections").post({ id: "jsold", name: "x" });
  const nothing = await client.api("/external/connections/jsold/schema").post(SCHEMA);
  const beta = await clientFor("beta").api("/external/connections/jsold").get();
  const keyed = await client.api("/connections('jsold')/operations").get();
  return { nothing: typeof nothing, beta, keyed };
}

async function errors() {
  await client.api("/connections").post({ id: "jserrors", name: "x" });
  const post = (body) => refused(client.api("/connections").post(body));
  return {
    bad: await post({ id: "a-b", name: "x" }),
    taken: await post({ id: "jserrors", name: "x" }),
    missing: await refused(client.api("/connections/nowhere").get()),
    move: await refused(client.api("/connections/jserrors/operations/nothing").delete()),
    method: await refused(client.api("/connections/jserrors").put({})),
    unknown: await refused(client.api("/nonsense").get()),
    unserved: await refused(client.api("/connections/jserrors/nonsense").get()),
    option: await refused(client.api("/connections").query("$nonsense=1").get()),
    token: await refused(
      clientFor("v1.0", { getAccessToken: async () => "nonsense" }).api("/connections").get(),
    ),
  };
}

async function paging() {
  const path = "/external/connections/jspages";
  await client.api("/external/connections").post({ id: "jspages", name: "x" });
  for (let number = 0; number < 7; number++) {
    await client.api(`${path}/operations`).post({ id: `op${number}` });
  }
  const first = await client.api(`${path}/operations`).top(3).select("id").count(true).get();
  const ids = [];
  const iterator = new PageIterator(client, first, (row) => Boolean(ids.push(row.id)));
  await iterator.iterate();
  const byHand = await client.api(first["@odata.nextLink"]).get();
  return { first, ids, complete: iterator.isComplete(), byHand };
}

/** The client takes dependencies only if there are none, if each is on the one before, or all on one. */
async function batch() {
  return sendBatch([
    { id: "1", request: part("/connections", "POST", { id: "jsbatch", name: "x" }) },
    { id: "2", request: part("/connections/jsbatch/operations", "POST", {}), dependsOn: ["1"] },
    { id: "3", request: part("/v1.0/connections/nowhere", "GET"), dependsOn: ["2"] },
    { id: "4", request: part("/connections/jsbatch", "GET"), dependsOn: ["3"] },
  ]);
}

/** Query options beyond paging. */
async function options() {
  for (const [id, name] of [["jsoptb", "Contoso J'b"], ["jsopta", "Contoso J'a"]]) {
    await client.api("/connections").post({ id, name });
  }
  await client.api("/connections/jsopta/operations").post({ id: "done", status: "completed" });
  await client.api("/connections/jsopta/operations").post({ id: "doing" });
  const ids = (page) => page.value.map((row) => row.id);
  const named = client.api("/external/connections").filter("startswith(name, 'Contoso J''')");
  const operations = () => client.api("/connections/jsopta/operations");
  return {
    filtered: ids(await operations().filter("status eq 'completed'").get()),
    ordered: ids(await named.orderby("name desc").select(["id", "name"]).count(true).get()),
    expanded: await client.api("/connections/jsopta").expand("operations,schema").get(),
    unsearchable: await refused(operations().search('"hr"').get()),
  };
}

/** Headers that ask for another form of the answer. */
async function preferences() {
  await client.api("/connections").post({ id: "jsprefer", name: "x" });
  const one = client.api("/connections/jsprefer").header("Prefer", "return=representation");
  const whole = await one.patch({ name: "y" });
  const found = await client.api("/connections/jsprefer").responseType("raw").get();
  const etag = found.headers.get("ETag");
  const stale = client.api("/connections/jsprefer").header("If-Match", 'W/"stale"');
  return { whole, etag, stale: await refused(stale.patch({ name: "z" })) };
}

const scenarios = { life, lifeAtTheRoot, oldForms, errors, paging, batch, options, preferences };
await main(scenarios);
