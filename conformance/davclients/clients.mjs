// Two JavaScript libraries do what their users do: tsdav, and @nextcloud/cdav-library with what it needs of a browser's DOM.
// usage: node clients.mjs BASE USER PASSWORD     one line a check; ends with 1 if one fails
import { DOMImplementation, DOMParser, XMLSerializer } from "@xmldom/xmldom";
import { createDAVClient } from "tsdav";
import xpath from "xpath";

const [base, username, password] = process.argv.slice(2);
let failed = 0;
let passed = 0;
function check(what, holds, seen = "") {
  if (holds) passed += 1;
  else {
    failed += 1;
    console.log(`FAIL ${what}: ${typeof seen === "string" ? seen : JSON.stringify(seen)}`.slice(0, 600));
  }
}

const event = (uid, summary, day = "20260601") =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//judge//EN", "BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20260101T000000Z",
    `DTSTART:${day}T100000Z`, `DTEND:${day}T110000Z`, `SUMMARY:${summary}`, "END:VEVENT", "END:VCALENDAR", ""].join("\r\n");

async function tsdav() {
  const client = await createDAVClient({
    serverUrl: base, credentials: { username, password }, authMethod: "Basic", defaultAccountType: "caldav",
  });
  const before = await client.fetchCalendars();
  check("tsdav finds the calendars of a new user", before.length >= 2, before);
  const home = new URL(".", before[0].url.replace(/\/$/, "")).href;
  const made = await client.makeCalendar({ url: `${home}tsdav/`, props: { displayname: "Of tsdav" } });
  check("tsdav makes a calendar", made.every((answer) => answer.ok), made);
  const calendar = (await client.fetchCalendars()).find((c) => c.displayName === "Of tsdav");
  check("tsdav finds its calendar with its kinds", calendar?.components?.includes("VEVENT"), calendar);
  for (const number of [1, 2, 3]) {
    const answer = await client.createCalendarObject({ calendar, filename: `t${number}.ics`, iCalString: event(`t${number}`, "Piano", `2026060${number}`) });
    check("tsdav creates an object", answer.status === 201 && answer.headers.get("etag"), answer.status);
  }
  const again = await client.createCalendarObject({ calendar, filename: "t1.ics", iCalString: event("t1", "x") });
  check("tsdav creates no object over another", again.status === 412, again.status);
  let objects = await client.fetchCalendarObjects({ calendar });
  check("tsdav reads all objects", objects.length === 3 && objects.every((o) => o.data.includes("SUMMARY:Piano") && o.etag), objects);
  const some = await client.fetchCalendarObjects({ calendar, timeRange: { start: "2026-06-02T00:00:00Z", end: "2026-06-03T00:00:00Z" } });
  check("tsdav finds by time", some.length === 1 && some[0].url.endsWith("t2.ics"), some);
  const expanded = await client.fetchCalendarObjects({ calendar, expand: true, timeRange: { start: "2026-06-02T00:00:00Z", end: "2026-06-04T00:00:00Z" } });
  check("tsdav expands", expanded.length === 2, expanded);
  let synced = await client.smartCollectionSync({ collection: { ...calendar, objects, objectMultiGet: client.calendarMultiGet }, method: "webdav", detailedResult: true });
  check("tsdav syncs what it has", synced.objects.updated.length + synced.objects.deleted.length === 0, synced);
  const first = objects.find((o) => o.url.endsWith("t1.ics"));
  const updated = await client.updateCalendarObject({ calendarObject: { ...first, data: event("t1", "Organ") } });
  check("tsdav changes under the tag it has", updated.status === 204, updated.status);
  const stale = await client.updateCalendarObject({ calendarObject: { ...first, data: event("t1", "Stale") } });
  check("tsdav changes nothing under a stale tag", stale.status === 412, stale.status);
  const gone = await client.deleteCalendarObject({ calendarObject: objects.find((o) => o.url.endsWith("t3.ics")) });
  check("tsdav deletes", gone.status === 204, gone.status);
  synced = await client.smartCollectionSync({ collection: { ...calendar, syncToken: calendar.syncToken, objects, objectMultiGet: client.calendarMultiGet }, method: "webdav", detailedResult: true });
  check("tsdav syncs a change", synced.objects.updated.some((o) => o.data?.includes("Organ")), synced);
  check("tsdav syncs a deletion", synced.objects.deleted.some((o) => o.url.endsWith("t3.ics")), synced);
  objects = await client.calendarMultiGet({
    url: calendar.url, props: { "d:getetag": {}, "c:calendar-data": {} },
    // One that is gone, whose 404 the RFC asks for, would end tsdav's whole answer.
    objectUrls: objects.map((o) => new URL(o.url).pathname).filter((path) => !path.endsWith("t3.ics")), depth: "1",
  });
  check("tsdav reads by multiget", objects.length === 2, objects);
  const busy = await client.freeBusyQuery({ url: calendar.url, timeRange: { start: "2026-06-01T00:00:00Z", end: "2026-06-05T00:00:00Z" } }).catch((error) => error);
  check("tsdav asks for free and busy times", busy && !(busy instanceof Error), String(busy));
  const dropped = await client.deleteObject({ url: calendar.url });
  check("tsdav deletes its calendar", dropped.status === 204, dropped.status);
}

// What the library takes from a browser. (jsdom's XPath knows no namespace-uri.)
function browser() {
  const evaluated = (document) => {
    document.evaluate = (expression, node, resolve, type, result) => {
      const found = xpath.evaluate(expression, node, { lookupNamespaceURI: resolve }, type, result);
      const next = found.iterateNext?.bind(found);
      found.iterateNext = () => next() ?? null; // as browsers end a list
      return found;
    };
    return document;
  };
  globalThis.DOMParser = class { parseFromString(text, type) { return evaluated(new DOMParser().parseFromString(text, type)); } };
  globalThis.XMLSerializer = XMLSerializer;
  globalThis.XPathResult = xpath.XPathResult;
  globalThis.document = { implementation: new DOMImplementation(), getElementsByTagName: () => [], head: { dataset: {} }, documentElement: {} };
  globalThis.window = Object.assign(globalThis, { location: new URL(base), addEventListener() {} });
}

async function cdav() {
  browser();
  const { default: DavClient } = await import("@nextcloud/cdav-library");
  const { default: axios } = await import("@nextcloud/axios");
  axios.defaults.adapter = "http";
  axios.defaults.headers.common.Authorization = `Basic ${btoa(`${username}:${password}`)}`;
  const client = new DavClient({ rootUrl: `${base}dav/` });
  await client.connect({ enableCalDAV: true });
  check("cdav connects", client.currentUserPrincipal?.url?.includes("/principals/"), client.currentUserPrincipal?.url);
  check("cdav finds one home", client.calendarHomes.length === 1, client.calendarHomes.length);
  const [home] = client.calendarHomes;
  const before = await home.findAllCalendars();
  check("cdav finds the calendars of a new user", before.length >= 2 && before.every((c) => c.displayname), before.length);
  const calendar = await home.createCalendarCollection("Of cdav", "#FF7A66", ["VEVENT", "VTODO"], 3, null);
  check("cdav makes a calendar", calendar.displayname === "Of cdav" && calendar.color === "#FF7A66", calendar.displayname);
  check("cdav sees its kinds and its rights", calendar.components.includes("VTODO") && calendar.isWriteable(), calendar.components);
  const { url } = await calendar.createVObject(event("c1", "Violin"));
  // By a query: the library also asks for calendar-data with PROPFIND, which RFC 4791 9.6 gives to reports alone.
  const read = async () => (await calendar.findByType("VEVENT")).find((o) => o.url === url);
  const object = await read();
  check("cdav creates an object", object.etag && object.data.includes("Violin"), object.etag);
  const todo = event("c2", "Task").replaceAll("VEVENT", "VTODO").replace(/DTEND:.*\r\n/, "");
  await calendar.createVObject(todo);
  check("cdav finds all", (await calendar.findAllVObjects()).length === 2);
  check("cdav finds by kind", (await calendar.findByType("VTODO")).length === 1);
  const found = await calendar.findByTypeInTimeRange("VEVENT", new Date("2026-06-01T00:00:00Z"), new Date("2026-06-02T00:00:00Z"));
  check("cdav finds by time", found.length === 1 && found[0].data.includes("Violin"), found.length);
  check("cdav finds nothing elsewhere", (await calendar.findByTypeInTimeRange("VEVENT", new Date("2026-07-01T00:00:00Z"), new Date("2026-07-02T00:00:00Z"))).length === 0);
  object.data = event("c1", "Viola");
  const tag = object.etag;
  await object.update();
  check("cdav changes", object.etag !== tag, object.etag);
  const other = await read();
  check("cdav reads the change", other.data.includes("Viola"), other.data);
  other._props["{DAV:}getetag"] = '"stale"';
  other.data = event("c1", "Stale");
  const refused = await other.update().then(() => "taken", () => "refused");
  check("cdav changes nothing under a stale tag", refused === "refused" && (await read()).data.includes("Viola"), refused);
  calendar.displayname = "Renamed";
  calendar.color = "#00FF00";
  await calendar.update();
  const renamed = (await home.findAllCalendars()).find((c) => c.url === calendar.url);
  check("cdav changes a calendar's properties", renamed.displayname === "Renamed" && renamed.color === "#00FF00", renamed.displayname);
  await object.delete();
  check("cdav deletes an object", (await calendar.findAllVObjects()).length === 1);
  await calendar.delete();
  check("cdav deletes its calendar", (await home.findAllCalendars()).length === before.length);
}

for (const flow of [tsdav, cdav]) {
  await flow().catch((error) => check(flow.name, false, String(error?.stack ?? error)));
}
console.log(`javascript clients: ${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
