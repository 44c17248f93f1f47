// What a JavaScript program does with the official client, against a server that speaks https.
//
//   node scenarios.js NAME    runs one of the functions below and prints what it saw as JSON
//
// BASE, TOKEN_URL, CLIENT_ID and CLIENT_SECRET say where; NODE_EXTRA_CA_CERTS makes Node trust it.

import graph from "@microsoft/microsoft-graph-client";

const { BatchRequestContent, BatchResponseContent, Client, GraphError, PageIterator } = graph;
const { BASE, TOKEN_URL, CLIENT_ID, CLIENT_SECRET } = process.env;

async function getAccessToken() {
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    scope: "https://graph.microsoft.com/.default",
  });
  const answer = await fetch(TOKEN_URL, { method: "POST", body: form });
  return (await answer.json()).access_token;
}

function clientFor(defaultVersion = "v1.0", provider = { getAccessToken }) {
  return Client.initWithMiddleware({
    baseUrl: `${BASE}/`,
    defaultVersion,
    customHosts: new Set([new URL(BASE).hostname]),
    authProvider: provider,
  });
}

const client = clientFor();
const SCHEMA = {
  baseType: "microsoft.graph.externalItem",
  properties: [
    { name: "title", type: "String", isSearchable: "true", isRetrievable: "true", labels: ["title"] },
  ],
};

/** What a call that must fail fails with. */
async function refused(call) {
  try {
    return { unexpected: await call };
  } catch (error) {
    const { statusCode, code, message, requestId, date } = error;
    const inner = error.body ? JSON.parse(error.body).innerError : null;
    const isGraphError = error instanceof GraphError;
    return { isGraphError, statusCode, code, message, requestId, date: String(date), inner };
  }
}

/** Follow a Location until the work has ended, as published connectors do. */
async function poll(location) {
  for (let turn = 0; turn < 200; turn++) {
    const operation = await client.api(location).get();
    if (operation.status !== "inprogress") return operation;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("still in progress");
}

/** PATCH the schema and give back the whole answer: the client hides its headers otherwise. */
async function register(path, schema = SCHEMA) {
  const response = await client.api(`${path}/schema`).responseType("raw").patch(schema);
  return { status: response.status, location: response.headers.get("Location") };
}

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
  const json = { "content-type": "application/json" };
  const request = (path, method, body) =>
    new Request(`${BASE}${path}`, { method, headers: json, body: body && JSON.stringify(body) });
  const content = new BatchRequestContent([
    { id: "1", request: request("/connections", "POST", { id: "jsbatch", name: "x" }) },
    { id: "2", request: request("/connections/jsbatch/operations", "POST", {}), dependsOn: ["1"] },
    { id: "3", request: request("/v1.0/connections/nowhere", "GET"), dependsOn: ["2"] },
    { id: "4", request: request("/connections/jsbatch", "GET"), dependsOn: ["3"] },
  ]);
  const answer = await client.api("/$batch").post(await content.getContent());
  const responses = new BatchResponseContent(answer);
  const seen = {};
  for (const [id, response] of responses.getResponses()) {
    const { status } = response;
    seen[id] = { status, body: await response.json(), type: response.headers.get("Content-Type") };
  }
  return seen;
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
console.log(JSON.stringify(await scenarios[process.argv[2]]()));
