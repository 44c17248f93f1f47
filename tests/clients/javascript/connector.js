// The connector of ../connector.py once more, in JavaScript: only the host is ours.
//
//   node connector.js CONNECTION FOLDER STATE
//
// BASE, VERSION, TOKEN_URL, CLIENT_ID, CLIENT_SECRET, SCHEMA_METHOD and DELAY are as told there.

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import graph from "@microsoft/microsoft-graph-client";

const { Client, MiddlewareFactory } = graph;
const { BASE, VERSION = "v1.0", TOKEN_URL, CLIENT_ID, CLIENT_SECRET } = process.env;
const { SCHEMA_METHOD = "PATCH", DELAY = "60" } = process.env;
const SITE = "https://docs.contoso.com";
const done = {
  made_connection: false,
  made_schema: false,
  statuses: [],
  consents_waited_for: 0,
  put: [],
  deleted: [],
};

const pause = () => new Promise((resolve) => setTimeout(resolve, Number(DELAY) * 1000));

// The client ---------------------------------------------------------------------------------

let token;

async function getAccessToken() {
  if (token) return token;
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    scope: "https://graph.microsoft.com/.default",
  });
  const answer = await (await fetch(TOKEN_URL, { method: "POST", body: form })).json();
  if (!answer.access_token) throw new Error(answer.error_description);
  token = answer.access_token;
  return token;
}

/** Answers a request that starts a long job with the end of that job. */
class CompleteJobWithDelay {
  async execute(context) {
    await this.next.execute(context);
    const location = context.response.headers.get("Location") ?? "";
    if (!location.includes("/operations/")) return;
    context.request = location;
    context.options.method = "GET";
    delete context.options.body;
    for (;;) {
      await pause();
      await this.next.execute(context); // with the headers of the request before
      if (context.response.headers.get("Location")) throw new Error("It would be followed again");
      const operation = await context.response.clone().json();
      done.statuses.push(operation.status);
      if (operation.status !== "inprogress") return;
    }
  }

  setNext(next) {
    this.next = next;
  }
}

const middleware = MiddlewareFactory.getDefaultMiddlewareChain({ getAccessToken });
middleware.splice(-1, 0, new CompleteJobWithDelay());
const client = Client.initWithMiddleware({
  baseUrl: `${BASE}/`,
  defaultVersion: VERSION,
  customHosts: new Set([new URL(BASE).hostname]),
  middleware,
});

// The connection and its schema --------------------------------------------------------------

const card = {
  type: "AdaptiveCard",
  version: "1.3",
  $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
  body: [
    { type: "TextBlock", text: "[${title}](${url})", weight: "Bolder", maxLines: 3 },
    { type: "TextBlock", text: "${description}", maxLines: 3, wrap: true },
    {
      type: "Container",
      $when: "${tags != ''}",
      items: [{ type: "TextBlock", text: "${tags}", isSubtle: true }],
    },
  ],
};

const connection = (id) => ({
  id,
  name: "Contoso documents",
  description: "The documents of Contoso: guides and release notes, by tag.",
  activitySettings: {
    urlToItemResolvers: [
      {
        "@odata.type": "#microsoft.graph.externalConnectors.itemIdResolver",
        urlMatchInfo: { baseUrls: [SITE], urlPattern: "/(?<path>.+)" },
        itemId: "{path}",
        priority: 1,
      },
    ],
  },
  searchSettings: { searchResultTemplates: [{ id: "docs", priority: 1, layout: card }] },
});

// types in capitals and texts for booleans, as in the documented example
const schema = {
  baseType: "microsoft.graph.externalItem",
  properties: [
    {
      name: "title",
      type: "String",
      isSearchable: "true",
      isQueryable: "true",
      isRetrievable: "true",
      labels: ["title"],
    },
    { name: "description", type: "String", isSearchable: "true", isRetrievable: "true" },
    { name: "url", type: "String", isRetrievable: "true", labels: ["url"] },
    { name: "iconUrl", type: "String", isRetrievable: "true", labels: ["iconUrl"] },
    {
      name: "tags",
      type: "StringCollection",
      isQueryable: "true",
      isRetrievable: "true",
      isRefinable: "true",
    },
    {
      name: "lastModified",
      type: "DateTime",
      isQueryable: "true",
      isRetrievable: "true",
      isRefinable: "true",
      labels: ["lastModifiedDateTime"],
    },
  ],
};

/** Whether something can be read. Waits for as long as nobody has allowed it. */
async function isThere(path) {
  for (;;) {
    try {
      await client.api(path).get();
      return true;
    } catch (error) {
      if (error.statusCode === 404) return false;
      if (![401, 403].includes(error.statusCode)) throw error;
      console.error("Waiting for consent");
      done.consents_waited_for += 1;
      token = undefined;
      await pause();
    }
  }
}

async function ensureConnection(id) {
  if (await isThere(`/external/connections/${id}`)) return;
  await client.api("/external/connections").post(connection(id));
  done.made_connection = true;
}

async function ensureSchema(id) {
  const path = `/external/connections/${id}/schema`;
  if (await isThere(path)) return;
  const call = client.api(path);
  const operation = await (SCHEMA_METHOD === "POST" ? call.post(schema) : call.patch(schema));
  if (operation.status !== "completed") {
    throw new Error(`The schema was not registered: ${operation.error.message}`);
  }
  done.made_schema = true;
}

// The items ----------------------------------------------------------------------------------

/** A Markdown file: a few lines of "name: value" between dashes, and its text. */
function read(folder, id) {
  const [, head, ...rest] = readFileSync(join(folder, id), "utf8").split("---\n");
  const values = {};
  for (const [, name, value] of head.matchAll(/^(\w+): (.*)$/gm)) values[name] = value;
  return { id, text: rest.join("---\n"), changed: Date.parse(values.lastModified), ...values };
}

function asItem(document) {
  return {
    id: document.id,
    acl: [{ accessType: "grant", type: "everyone", value: "everyone" }],
    properties: {
      title: document.title,
      description: document.description,
      url: `${SITE}/${document.id}`,
      iconUrl: `${SITE}/icon.png`,
      "tags@odata.type": "Collection(String)",
      tags: document.tags.split(", ").filter(Boolean),
      lastModified: document.lastModified,
    },
    content: { type: "text", value: document.text },
  };
}

async function ingest(id, folder, state) {
  const kept = existsSync(state) ? JSON.parse(readFileSync(state)) : { since: -Infinity, ids: [] };
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".md"));
  const documents = files.sort().map((name) => read(folder, name));
  const at = (item) => client.api(`/external/connections/${id}/items/${encodeURIComponent(item)}`);
  for (const document of documents.filter(({ changed }) => changed > kept.since)) {
    await at(document.id).put(asItem(document));
    done.put.push(document.id);
  }
  for (const gone of kept.ids.filter((name) => !files.includes(name))) {
    await at(gone).delete();
    done.deleted.push(gone);
  }
  const since = Math.max(...documents.map(({ changed }) => changed));
  writeFileSync(state, JSON.stringify({ since, ids: files }));
}

const [id, folder, state] = process.argv.slice(2);
await ensureConnection(id);
await ensureSchema(id);
await ingest(id, folder, state);
console.log(JSON.stringify(done));
