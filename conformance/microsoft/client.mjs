// Microsoft's own Graph client, with the simulated provider in Graph's place. Prints JSON lines: {"check", "fine", "detail"} for what
// held or did not, {"exchange": {...}} for every request and its answer, which microsoft_client.py then holds against the metadata.
// usage: node client.mjs FOLDER_WITH_NODE_MODULES URL TOKEN
import path from "node:path";
import { createRequire } from "node:module";

const [folder, url, token] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "package.json"));
const { BatchRequestContent, BatchResponseContent, Client, PageIterator } = require("@microsoft/microsoft-graph-client");

const say = (line) => console.log(JSON.stringify(line));
const check = (what, fine, detail) => say({ check: what, fine: Boolean(fine), detail: fine ? null : (detail ?? null) });
const equal = (what, found, wanted) =>
  check(what, JSON.stringify(found) === JSON.stringify(wanted), { found, wanted });

// The client gives its token to Graph's own host alone and wants TLS there: what it sends there goes to the simulator, and links in the
// answers lead there. Every exchange is told.
const GRAPH = "https://graph.microsoft.com";
const plain = globalThis.fetch;
globalThis.fetch = async (target, options) => {
  const where = new URL(typeof target === "string" ? target : target.url);
  if (where.origin !== GRAPH) throw new Error(`the client went to ${where}`);
  const place = where.pathname + where.search;
  const answer = await plain(url + place, options);
  const text = (await answer.text()).replaceAll(url, GRAPH);
  const sent = typeof options?.body === "string" ? options.body : "";
  say({ exchange: { method: options?.method ?? "GET", path: place, body: sent, status: answer.status, answer: text } });
  const empty = [204, 205, 304].includes(answer.status);
  return new Response(empty ? null : text, { status: answer.status, headers: answer.headers });
};

const graph = Client.init({ defaultVersion: "v1.0", authProvider: (done) => done(null, token) });
const lasting = (request) => request.header("Prefer", 'IdType="ImmutableId"');
const refused = async (what, request, status, code) => {
  try {
    await request();
    check(what, false, "it was not refused");
  } catch (error) {
    equal(what, [error.statusCode, error.code], [status, code]);
  }
};
const at = (day, hour) => ({ dateTime: `2027-03-${day}T${hour}:00:00`, timeZone: "W. Europe Standard Time" });
const hour = (subject, more) => ({ subject, start: at("09", "09"), end: at("09", "10"), ...more });
const weekly = (subject) =>
  hour(subject, {
    recurrence: {
      pattern: { type: "weekly", interval: 1, daysOfWeek: ["tuesday"], firstDayOfWeek: "monday" },
      range: { type: "numbered", startDate: "2027-03-09", numberOfOccurrences: 6 },
    },
  });
const window = "startDateTime=2027-03-01T00:00:00Z&endDateTime=2027-06-01T00:00:00Z";

async function account() {
  equal("me is who signed in", (await graph.api("/me").get()).userPrincipalName, "ada@example.com");
  const calendar = await graph.api("/me/calendars").post({ name: "Lab", color: "lightTeal" });
  equal("a calendar has its colour", calendar.color, "lightTeal");
  const names = (await graph.api("/me/calendars").top(50).get()).value.map((one) => one.name);
  equal("calendars are listed", names, ["Calendar", "Lab"]);
  await graph.api("/me/calendarGroups").get();
  await graph.api("/me/mailboxSettings").get();
  return calendar.id;
}

async function events(calendar) {
  const place = `/me/calendars/${calendar}/events`;
  const property = "String {00020329-0000-0000-c000-000000000046} Name kalends";
  const made = await lasting(graph.api(place)).post(
    hour("One", {
      transactionId: "t-1",
      body: { contentType: "text", content: "a\nb" },
      location: { displayName: "Hall" },
      categories: ["Red"],
      showAs: "oof",
      sensitivity: "private",
      singleValueExtendedProperties: [{ id: property, value: "uid-1" }],
    }),
  );
  equal("a text becomes HTML", made.body.contentType, "html");
  const again = await lasting(graph.api(place)).post(
    hour("One", {
      transactionId: "t-1",
      body: { contentType: "text", content: "a\nb" },
      location: { displayName: "Hall" },
      categories: ["Red"],
      showAs: "oof",
      sensitivity: "private",
      singleValueExtendedProperties: [{ id: property, value: "uid-1" }],
    }),
  );
  equal("a transaction makes one event", again.id, made.id);
  await refused("a transaction makes no other", () => graph.api(place).post(hour("Two", { transactionId: "t-1" })), 400, "ErrorDuplicateTransactionId");
  const found = await graph
    .api(place)
    .filter(`singleValueExtendedProperties/any(ep: ep/id eq '${property}' and ep/value eq 'uid-1')`)
    .expand(`singleValueExtendedProperties($filter=id eq '${property}')`)
    .get();
  equal("it is found by its property", found.value.map((one) => one.singleValueExtendedProperties[0].value), ["uid-1"]);
  const one = `/me/events/${made.id}`;
  const changed = await lasting(graph.api(one)).header("If-Match", made["@odata.etag"]).patch({ subject: "Two" });
  equal("a patch changes what it names", [changed.subject, changed.showAs], ["Two", "oof"]);
  const stale = () => lasting(graph.api(one)).header("If-Match", made["@odata.etag"]).patch({ subject: "Three" });
  await refused("an old etag is refused", stale, 412, "ErrorIrresolvableConflict");
  const there = await lasting(graph.api(one)).header("Prefer", 'IdType="ImmutableId", outlook.timezone="Asia/Tokyo", outlook.body-content-type="text"').get();
  equal("a zone is asked for", there.start, { dateTime: "2027-03-09T17:00:00.0000000", timeZone: "Asia/Tokyo" });
  equal("and text", there.body, { contentType: "text", content: "a\r\nb\r\n" });
  await lasting(graph.api(one)).delete();
  await refused("what was deleted is gone", () => lasting(graph.api(one)).get(), 404, "ErrorItemNotFound");
  await refused("a day begins at midnight", () => graph.api(place).post(hour("Day", { isAllDay: true })), 400, "ErrorInvalidRequest");
  const midnight = (day) => ({ dateTime: `2027-03-${day}T00:00:00`, timeZone: "UTC" });
  const day = await graph.api(place).post({ subject: "Day", isAllDay: true, start: midnight("09"), end: midnight("10") });
  equal("a day stays a day", [day.isAllDay, day.start.dateTime], [true, "2027-03-09T00:00:00.0000000"]);
  const online = await graph.api(place).post(hour("Online", { isOnlineMeeting: true }));
  check("a meeting online has an address", online.onlineMeeting.joinUrl.startsWith("https://"), online.onlineMeeting);
}

async function series(calendar) {
  const place = `/me/calendars/${calendar}`;
  const master = await lasting(graph.api(`${place}/events`)).post(weekly("Group"));
  const instances = (await lasting(graph.api(`/me/events/${master.id}/instances?${window}`)).top(50).get()).value;
  equal("occurrences keep their hour on the wall", instances.map((one) => one.start.dateTime.slice(11, 13)), ["08", "08", "08", "07", "07", "07"]);
  const other = await lasting(graph.api(`/me/events/${instances[1].id}`)).patch({ subject: "Other" });
  equal("an occurrence becomes an exception", other.type, "exception");
  await lasting(graph.api(`/me/events/${instances[2].id}`)).delete();
  const crossing = () => lasting(graph.api(`/me/events/${instances[4].id}`)).patch({ start: at("30", "09"), end: at("30", "10") });
  await refused("neighbours are not crossed", crossing, 400, "ErrorOccurrenceCrossingBoundary");
  const whole = await lasting(graph.api(`/me/events/${master.id}`))
    .select("subject,recurrence,cancelledOccurrences")
    .expand("exceptionOccurrences($select=id,subject,originalStart,start,end)")
    .get();
  equal("a series tells of its exceptions", whole.exceptionOccurrences.map((one) => one.subject), ["Other"]);
  equal("and of what is gone", whole.cancelledOccurrences, [`OID.${master.id}.2027-03-23`]);
  let count = 0;
  const first = await lasting(graph.api(`${place}/calendarView?${window}`)).top(2).get();
  await new PageIterator(graph, first, () => (count += 1) > 0).iterate();
  equal("a view is walked to its end", count, 5 + 2);
  await refused("a view is not wider than 1825 days", () => graph.api(`${place}/calendarView?startDateTime=2020-01-01&endDateTime=2027-01-01`).get(), 400, "ErrorInvalidRequest");
  await refused("a pattern must hold together", () => graph.api(`${place}/events`).post({ ...weekly("x"), recurrence: { pattern: { type: "weekly", interval: 1 }, range: { type: "noEnd", startDate: "2027-03-09" } } }), 400, "ErrorPropertyValidationFailure");
}

async function deltas(calendar) {
  const place = `/me/calendars/${calendar}`;
  let page = await lasting(graph.api(`${place}/calendarView/delta?${window}`)).get();
  let told = 0;
  const walk = async () => {
    while (page["@odata.nextLink"]) {
      told += page.value.length;
      page = await lasting(graph.api(page["@odata.nextLink"])).get();
    }
    told += page.value.length;
    return page["@odata.deltaLink"];
  };
  let link = await walk();
  equal("a first round tells everything", told, 7);
  const fresh = await lasting(graph.api(`${place}/events`)).post(hour("Fresh"));
  page = await lasting(graph.api(link)).get();
  told = 0;
  link = await walk();
  equal("and the next what is new", told, 1);
  await lasting(graph.api(`/me/events/${fresh.id}`)).delete();
  page = await lasting(graph.api(link)).get();
  const removed = page.value.length ? page.value : (await lasting(graph.api(page["@odata.nextLink"])).get()).value;
  equal("and what is gone", removed.map((one) => [one.id, one["@removed"].reason]), [[fresh.id, "deleted"]]);
  await refused("a garbled state", () => graph.api(`${place}/calendarView/delta?$deltatoken=x`).get(), 410, "SyncStateNotFound");
}

async function batch(calendar) {
  const step = (id, request) => ({ id, request: new Request(`${GRAPH}${request[0]}`, request[1]) });
  const headers = { "Content-Type": "application/json" };
  const body = (value) => ({ method: "POST", headers, body: JSON.stringify(value) });
  const content = new BatchRequestContent([
    step("1", [`/me/calendars/${calendar}/events`, body(hour("Batch"))]),
    step("2", [`/me/calendars/${calendar}/events`, body({ subject: "no time" })]),
    step("3", [`/me/calendars`, { method: "GET" }]),
  ]);
  const answers = new BatchResponseContent(await graph.api("/$batch").post(await content.getContent()));
  const status = (id) => answers.getResponseById(id).status;
  equal("each request of a batch is answered on its own", [status("1"), status("2"), status("3")], [201, 400, 200]);
}

async function subscriptions(calendar) {
  const until = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
  const wanted = {
    changeType: "created,updated,deleted", notificationUrl: "http://127.0.0.1:9/hook", resource: `me/calendars/${calendar}/events`,
    clientState: "state", expirationDateTime: until(60),
  };
  await refused("a receiver must answer", () => graph.api("/subscriptions").post(wanted), 400, "ValidationError");
  await refused("a subscription is for less than seven days", () => graph.api("/subscriptions").post({ ...wanted, expirationDateTime: until(10_100) }), 400, "InvalidRequest");
  equal("there are none", (await graph.api("/subscriptions").get()).value, []);
}

const calendar = await account();
for (const part of [events, series, deltas, batch, subscriptions]) {
  await part(calendar);
}
check("all of it was done", true);
