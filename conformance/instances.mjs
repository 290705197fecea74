// ical.js as a reader: each line of stdin is {path, first, last} (YYYYMMDD), each line of stdout {accepted, instances, error}.
// usage: node instances.mjs FOLDER_WITH_NODE_MODULES
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(path.resolve(process.argv[2], "package.json"));
const ICAL = (await import(pathToFileURL(require.resolve("ical.js")).href)).default;
ICAL.design.strict = true;

const STEPS_MAX = 50_000; // of one rule: a daily one of a hundred years

const pad = (number, width = 2) => String(number).padStart(width, "0");

/** A date, or an instant in UTC; a local time counts as UTC. */
function key(time) {
  if (time.isDate) return `${pad(time.year, 4)}${pad(time.month)}${pad(time.day)}`;
  if (time.zone && time.zone !== ICAL.Timezone.localTimezone) {
    const at = new Date(time.toUnixTime() * 1000);
    return `${pad(at.getUTCFullYear(), 4)}${pad(at.getUTCMonth() + 1)}${pad(at.getUTCDate())}T${pad(at.getUTCHours())}${pad(at.getUTCMinutes())}${pad(at.getUTCSeconds())}Z`;
  }
  return `${pad(time.year, 4)}${pad(time.month)}${pad(time.day)}T${pad(time.hour)}${pad(time.minute)}${pad(time.second)}Z`;
}

function instances(calendar, last) {
  ICAL.TimezoneService.reset();
  for (const zone of calendar.getAllSubcomponents("vtimezone")) ICAL.TimezoneService.register(zone);
  const events = calendar
    .getAllSubcomponents("vevent")
    .filter((component) => component.hasProperty("dtstart"))
    .map((component) => new ICAL.Event(component, { strictExceptions: true }));
  const found = [];
  const overrides = events.filter((event) => event.isRecurrenceException());
  for (const master of events.filter((event) => !event.isRecurrenceException())) {
    const own = overrides.filter((event) => event.uid === master.uid);
    if (!master.isRecurring()) {
      found.push([master.uid ?? "", key(master.startDate)]);
      continue;
    }
    for (const event of own) master.relateException(event);
    const iterator = master.iterator();
    let next;
    for (let step = 0; step < STEPS_MAX && (next = iterator.next()); step++) {
      // An override may lie earlier than the occurrence it replaces, so go a little further.
      if (key(next).slice(0, 4) > pad(Number(last.slice(0, 4)) + 1, 4)) break;
      found.push([master.uid ?? "", key(master.getOccurrenceDetails(next).startDate)]);
    }
    for (const event of own) found.push([event.uid ?? "", key(event.startDate)]);
  }
  for (const event of overrides) {
    if (!events.some((master) => !master.isRecurrenceException() && master.uid === event.uid)) found.push([event.uid ?? "", key(event.startDate)]);
  }
  return found;
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { path: file, first, last } = JSON.parse(line);
  const answer = { accepted: false, instances: [], error: "" };
  try {
    const parsed = ICAL.parse(fs.readFileSync(file, "utf8"));
    const roots = (Array.isArray(parsed[0]) ? parsed : [parsed]).map((root) => new ICAL.Component(root));
    if (!roots.some((root) => root.name === "vcalendar")) throw new Error("no VCALENDAR");
    answer.accepted = true;
    answer.instances = roots.flatMap((root) => instances(root, last)).filter(([, start]) => first <= start.slice(0, 8) && start.slice(0, 8) < last);
  } catch (error) {
    answer.error = String(error?.message ?? error).slice(0, 300);
  }
  console.log(JSON.stringify(answer));
}
