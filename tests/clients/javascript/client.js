// The official client over https, and what each program below does with it.
//
//   node PROGRAM.js NAME    runs one of a program's scenarios and prints what it saw as JSON
//
// BASE, TOKEN_URL, CLIENT_ID and CLIENT_SECRET say where; NODE_EXTRA_CA_CERTS makes Node trust it.

import graph from "@microsoft/microsoft-graph-client";

const { BatchRequestContent, BatchResponseContent, Client, GraphError } = graph;
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

export function clientFor(defaultVersion = "v1.0", provider = { getAccessToken }) {
  return Client.initWithMiddleware({
    baseUrl: `${BASE}/`,
    defaultVersion,
    customHosts: new Set([new URL(BASE).hostname]),
    authProvider: provider,
  });
}

export const client = clientFor();
export const SCHEMA = {
  baseType: "microsoft.graph.externalItem",
  properties: [
    { name: "title", type: "String", isSearchable: "true", isRetrievable: "true", labels: ["title"] },
  ],
};

/** What a call that must fail fails with. */
export async function refused(call) {
  try {
    return { unexpected: await call };
  } catch (error) {
    const { statusCode, code, message, requestId, date } = error;
    const body = error.body ? JSON.parse(error.body) : {}; // what is below "error" in the answer
    const { innerError: inner, target, details } = body;
    const isGraphError = error instanceof GraphError;
    const fields = { statusCode, code, message, requestId, date: String(date) };
    return { isGraphError, ...fields, inner, target, details };
  }
}

/** Follow a Location until the work has ended, as published connectors do. */
export async function poll(location) {
  for (let turn = 0; turn < 200; turn++) {
    const operation = await client.api(location).get();
    if (operation.status !== "inprogress") return operation;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("still in progress");
}

/** PATCH the schema and give back the whole answer: the client hides its headers otherwise. */
export async function register(path, schema = SCHEMA) {
  const response = await client.api(`${path}/schema`).responseType("raw").patch(schema);
  if (response.status !== 202) throw new Error(await response.text());
  return { status: response.status, location: response.headers.get("Location") };
}

/** One request of a batch. The client cuts the origin off. */
export function part(path, method, body) {
  const headers = { "content-type": "application/json" };
  return new Request(`${BASE}${path}`, { method, headers, body: body && JSON.stringify(body) });
}

/** Send a batch; what each part answers. */
export async function sendBatch(parts) {
  const content = new BatchRequestContent(parts);
  const answer = await client.api("/$batch").post(await content.getContent());
  const seen = {};
  for (const [id, response] of new BatchResponseContent(answer).getResponses()) {
    const { status } = response;
    const text = await response.text();
    const type = response.headers.get("Content-Type");
    seen[id] = { status, body: text ? JSON.parse(text) : null, type };
  }
  return seen;
}

/** Run the scenario that was asked for. */
export async function main(scenarios) {
  console.log(JSON.stringify(await scenarios[process.argv[2]]()));
}
