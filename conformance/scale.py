"""How a sync grows: a first import of 10,000 events with a run in which nothing and one in which ten things changed, and a node
with 2,000 links and 400,000 mappings.

Seeding is honest: the provider's events are made at the provider, and everything here by the engine's own first import. Time is
taken from the runs themselves, requests are counted by the provider, memory is the server's high-water mark (VmHWM).

usage: scale.py [import|links]... [--events N] [--links N] [--of N]     (10,000; 2,000 links of 200 events)
KALENDS_BIN and KALENDS_SIMULATORS_BIN name the binaries; figures mean something for release builds only.
"""

import argparse
import concurrent.futures
import time
import uuid
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from server import PASSWORDS
from sync_ground import ZONE, Ground, Pair, event, until
from tally import Tally

class Meter:
    """Memory and processor time of the server since it was last asked."""

    def __init__(self, ground: Ground) -> None:
        self.process = f"/proc/{ground.server.process.pid}"

    def line(self, name: str) -> float:
        for line in Path(f"{self.process}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        return 0.0

    def peak(self) -> float:
        return self.line("VmHWM:")

    def resident(self) -> float:
        return self.line("VmRSS:")

    def cpu(self) -> float:
        fields = Path(f"{self.process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


def seconds(run: dict, key: str = "completedAt") -> float:
    return datetime.fromisoformat(run[key]).timestamp()


def at(day: date, hour: int) -> dict:
    return {"dateTime": f"{day}T{hour:02}:00:00", "timeZone": ZONE}


def fill(pair: Pair, count: int) -> None:
    """Events at the provider: one in ten is a series, with an occurrence moved and one deleted."""
    first = date(2027, 1, 4)
    days = [first + timedelta(days=number % 700) for number in range(count)]
    bodies = []
    for number, day in enumerate(days):
        body = {
            "summary": f"Event {number}", "start": at(day, 8 + number % 9), "end": at(day, 9 + number % 9),
            "location": f"Room {number % 40}", "description": f"What event {number} is about.\n" * 4,
        }  # fmt: skip
        if number % 10 == 0:
            body["recurrence"] = ["RRULE:FREQ=WEEKLY;COUNT=12"]
        bodies.append(body)
    ids = pair.google.steer("fill", calendar=pair.remote, events=bodies)["ids"]
    for number in range(0, count, 10):
        second, third = (occurrence(ids[number], days[number] + timedelta(days=7 * week), 8 + number % 9) for week in (1, 2))
        day = days[number] + timedelta(days=7)
        pair.edit_there(second, start=at(day, 18), end=at(day, 19), summary=f"Event {number}, moved")
        pair.human("delete", id=third)


def occurrence(series: str, day: date, hour: int) -> str:
    """The id of one occurrence: the series' id and the start in UTC."""
    start = datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(ZONE)).astimezone(ZoneInfo("UTC"))
    return f"{series}_{start:%Y%m%dT%H%M%SZ}"


def one_import(tally: Tally, given: argparse.Namespace, database: str) -> None:
    with Ground(database) as ground:
        google, meter = ground.google, Meter(ground)
        google.steer("settings", userPerMinute=1_000_000, projectPerMinute=1_000_000)
        begin = time.monotonic()
        pair = ground.pair("import", before=lambda pair: fill(pair, given.events), wait=False)
        tally.note(f"{database}: made at the provider in {time.monotonic() - begin:.0f} s")
        before, cpu = meter.peak(), meter.cpu()

        def done() -> dict | None:
            runs = [r for r in pair.runs(5) if r["syncType"] == "full" and r["status"] != "running"]
            return runs[-1] if runs else None

        begin = time.monotonic()
        run = until(done, 1200)
        if not tally.check(f"{database}: the import ends", run, pair.stand()):
            return
        took = time.monotonic() - begin
        pair.settled(600)
        calls = requests(pair)
        tally.equal(f"{database}: everything is here", (run["status"], len(pair.client.members(pair.home))), ("success", given.events))
        report(tally, f"{database}: import of {given.events} events", took, calls, meter, cpu, f"{given.events / took:.0f} events/s, {before:.0f} MiB before")

        def step(what: str, wanted_calls: int | None = None) -> dict:
            cpu, count, begin = meter.cpu(), len(pair.requests()), time.monotonic()
            run = pair.run()
            took = time.monotonic() - begin
            made = len(pair.requests()) - count
            report(tally, f"{database}: {what}", took, made, meter, cpu)
            if wanted_calls is not None:
                tally.equal(f"{database}: {what} costs {wanted_calls} request", made, wanted_calls)
            return run

        run = step("a run in which nothing changed", 1)
        tally.equal(f"{database}: nothing is done", (run["itemsPulled"], run["itemsPushed"], run["itemsDeleted"]), (0, 0, 0))
        ids = [e["id"] for e in pair.events() if "recurringEventId" not in e]
        for number in range(10):
            pair.edit_there(ids[number * len(ids) // 10 + 1], location="Changed")
        run = step("a run in which ten events changed")
        tally.equal(f"{database}: ten are done", run["itemsPulled"], 10)
        google.steer("expireSyncTokens", calendar=pair.remote)
        run = step("a full listing after a lost cursor")
        tally.equal(f"{database}: nothing is done or lost", (run["status"], run["itemsPulled"], run["itemsDeleted"]), ("success", 0, 0))
        # The other way: everything goes out, within what Google allows (which we keep to by 500 calls a minute and account).
        tally.check(f"{database}: memory stays below 512 MiB", meter.peak() < 512, meter.peak())


def requests(pair: Pair) -> int:
    return len(pair.requests())


def report(tally: Tally, what: str, took: float, calls: int, meter: Meter, cpu: float, more: str = "") -> None:
    tally.note(f"{what}: {took:.2f} s, {meter.cpu() - cpu:.2f} s of processor, {calls} requests, peak {meter.peak():.0f} MiB {more}")


def many_links(tally: Tally, given: argparse.Namespace, database: str) -> None:
    """Links of many accounts, each with its calendar on both sides: first imports all at once, then the schedule as it comes."""
    with Ground(database, hooks=False) as ground:
        google, meter = ground.google, Meter(ground)
        google.steer("settings", userPerMinute=1_000_000, projectPerMinute=1_000_000)
        days = [date(2027, 1, 4) + timedelta(days=n) for n in range(given.of)]
        bodies = [{"summary": f"Event {n}", "location": f"Room {n % 40}", "start": at(day, 9), "end": at(day, 10)} for n, day in enumerate(days)]
        # A user may have so many links; the rest are other users'.
        users = ["ada"]
        while len(users) * 400 < given.links:
            name = f"user{len(users)}"
            ground.server.cli("user", "add", name, "--role", "staff", "--password-stdin", stdin=f"{name}-password-1234\n")
            PASSWORDS[name] = f"{name}-password-1234"
            users.append(name)
        begin = time.monotonic()

        def make(number: int) -> None:
            user = users[number % len(users)]
            remote = f"calendar{number}@group.example.com"
            account = accounts[number % len(users)]
            google.steer("calendars", account=account[0], id=remote, name=f"Calendar {number}", role="owner", timeZone=ZONE)
            google.steer("fill", calendar=remote, events=bodies)
            slug = f"c{number}"
            ground.ask("POST", "/api/calendars", {"slug": slug, "name": slug}, user)
            body = {"connectionId": account[1], "remoteCalendarId": remote, "calendar": slug, "direction": "pull", "frequency": 15}
            ground.ask("POST", "/api/schedule/sync/links", body, user)

        accounts = [(f"{user}@example.com", ground.connect(f"{user}@example.com", user)) for user in users]
        ground.api("GET", "/api/me")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(make, range(given.links)))
        tally.note(f"{database}: {given.links} links of {given.of} events made in {time.monotonic() - begin:.0f} s, peak {meter.peak():.0f} MiB")

        def stand() -> tuple[int, int]:
            links = [link for user in users for link in ground.status(user)["links"] if link["remoteCalendarId"].startswith("calendar")]
            return sum(link["lastSyncStatus"] == "success" for link in links), sum(link["itemsSynced"] for link in links)

        wanted = (given.links, given.links * given.of)
        reached = until(lambda: (time.sleep(2), stand() == wanted)[1], 3600)
        tally.check(f"{database}: all are imported", reached, stand())
        tally.note(f"{database}: imported after {time.monotonic() - begin:.0f} s, {meter.cpu():.0f} s of processor in all, peak {meter.peak():.0f} MiB")

        # The schedule: every link comes due within a quarter of an hour; all of them at once is the worst it can be.
        def lists() -> int:
            return google.look("counts").get("events.list", 0)

        time.sleep(5)  # what a server at rest costs is a figure, not a condition
        cpu, begin = meter.cpu(), time.monotonic()
        time.sleep(20)
        tally.note(f"{database}: at rest: {(meter.cpu() - cpu) / (time.monotonic() - begin) * 100:.1f} % of a processor, {meter.resident():.0f} MiB")
        count, cpu, begin = lists(), meter.cpu(), time.monotonic()
        ground.forward(16 * 60)
        done = until(lambda: lists() >= count + given.links, 900)
        took = time.monotonic() - begin
        tally.check(f"{database}: a round of all links ends", done, lists() - count)
        tally.check(f"{database}: well within its quarter of an hour", took < 15 * 60, took)
        until(lambda: stand()[0] == given.links, 120)
        tally.note(f"{database}: a round of {given.links} links, all due at once: {took:.1f} s, {given.links / took:.0f} links/s, {meter.cpu() - cpu:.1f} s of processor, {lists() - count} requests")
        tally.check(f"{database}: one request a link", lists() - count <= given.links + 8, lists() - count)
        # While that goes on, a change is still sent at once.
        pair = ground.pair("quick")
        ground.forward(16 * 60)
        begin = time.monotonic()
        pair.put("quick.ics", event(uuid.uuid4().hex, "Quick"))
        until(lambda: pair.there("Quick"), 120)
        tally.note(f"{database}: a local change is at the provider after {time.monotonic() - begin:.2f} s, with all links due")
        begin = time.monotonic()
        ground.status("ada")
        tally.note(f"{database}: the status of one user with {given.links // len(users)} links takes {time.monotonic() - begin:.2f} s")
        peak = meter.peak()
        tally.check(f"{database}: memory stays below 512 MiB", peak < 512, peak)
        tally.note(f"{database}: peak {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--links", type=int, default=2_000)
    parser.add_argument("--of", type=int, default=200)
    parser.add_argument("--database", default="sqlite")
    given = parser.parse_args()
    tally = Tally("scale")
    parts = given.parts or ["import", "links"]
    if "import" in parts:
        one_import(tally, given, given.database)
    if "links" in parts:
        many_links(tally, given, given.database)
    tally.finish()


if __name__ == "__main__":
    main()
