"""Google's own Python client drives the simulated Google over HTTP, and every answer is held against Google's description.

What our connector is tested on must be what Google's client takes for Google: forms by the description, rules by use. What the
connector sends is held against the same description.
"""

import http.client
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import googleapiclient.http
from google.auth.exceptions import RefreshError
from google_ground import ACCOUNT, ROOT, SCOPES, Receiver, Simulator, Watched, service, sign_in
from google_schema import Schemas
from googleapiclient.errors import HttpError
from tally import Tally

ZONE = "America/Los_Angeles"
VALIDATED_MIN = 100  # fewer means that the checks did not run


def hour(summary: str, **more: object) -> dict:
    start, end = {"dateTime": "2027-03-09T09:00:00", "timeZone": ZONE}, {"dateTime": "2027-03-09T10:00:00", "timeZone": ZONE}
    return {"summary": summary, "start": start, "end": end, **more}


def weekly(summary: str) -> dict:
    return hour(summary, recurrence=["RRULE:FREQ=WEEKLY;COUNT=5"])


class Suite:
    def __init__(self, tally: Tally, simulator: Simulator) -> None:
        self.tally, self.simulator = tally, simulator
        self.schemas = Schemas()
        self.http = Watched(tally, self.schemas)
        self.tokens = sign_in(simulator, ["calendar"])
        self.api = service(simulator, self.tokens, self.http)
        self.events = self.api.events()

    def refused(self, what: str, request, status: int, reason: str | None) -> None:
        """A request that is refused so."""
        try:
            request.execute()
            self.tally.check(what, False, "it was not refused")
        except HttpError as error:
            details = error.error_details
            seen = details[0].get("reason") if details and isinstance(details, list) and isinstance(details[0], dict) else None
            self.tally.equal(what, (error.status_code, seen if reason else None), (status, reason))

    def insert(self, body: dict, **more: object) -> dict:
        return self.events.insert(calendarId="primary", body=body, **more).execute()

    def conditional(self, request, header: str, etag: str):
        request.headers[header] = etag
        return request

    def pages(self, **more: object) -> tuple[list[dict], str | None, int]:
        request, items, count = self.events.list(calendarId="primary", **more), [], 0
        while request is not None:
            answer = request.execute()
            count += 1
            items += answer["items"]
            request = self.events.list_next(request, answer)
        return items, answer.get("nextSyncToken"), count

    # The parts

    def lists(self) -> None:
        answer = self.api.calendarList().list().execute()
        self.tally.equal("the calendar list has the primary", [(item["id"], item.get("primary")) for item in answer["items"]], [(ACCOUNT, True)])
        token = answer["nextSyncToken"]
        made = self.api.calendars().insert(body={"summary": "Second", "timeZone": "Asia/Tokyo"}).execute()
        delta = self.api.calendarList().list(syncToken=token).execute()
        self.tally.equal("its delta has the new calendar", [item["id"] for item in delta["items"]], [made["id"]])
        self.refused("its sync token stands alone", self.api.calendarList().list(syncToken=token, minAccessRole="owner"), 400, None)
        self.simulator.control("expireListTokens", {"account": ACCOUNT})
        self.refused("its sync token dies", self.api.calendarList().list(syncToken=token), 410, "fullSyncRequired")
        entry = self.api.calendarList().patch(calendarId=made["id"], body={"summaryOverride": "Mine", "selected": False}).execute()
        self.tally.equal("an entry is changed", entry["summaryOverride"], "Mine")
        self.api.calendars().patch(calendarId=made["id"], body={"description": "x"}).execute()
        self.tally.equal("a calendar is read", self.api.calendars().get(calendarId=made["id"]).execute()["description"], "x")
        self.api.calendars().delete(calendarId=made["id"]).execute()
        self.refused("a deleted calendar is gone", self.api.calendars().get(calendarId=made["id"]), 404, "notFound")

    def writes(self) -> None:
        event = self.insert(hour("One", id="abcdefgh01234"))
        self.refused("an id is taken once", self.events.insert(calendarId="primary", body=hour("One", id="abcdefgh01234")), 409, "duplicate")
        self.refused("an id has its letters", self.events.insert(calendarId="primary", body=hour("One", id="wxyz-wxyz")), 400, "invalid")
        self.refused("an end is needed", self.events.insert(calendarId="primary", body={"start": hour("")["start"]}), 400, "required")
        whole = self.events.update(calendarId="primary", eventId=event["id"], body=hour("Two", location="Here")).execute()
        part = self.events.patch(calendarId="primary", eventId=event["id"], body={"location": None}).execute()
        self.tally.equal("an update and a patch", (whole["location"], part["summary"], part.get("location")), ("Here", "Two", None))
        stale = self.events.patch(calendarId="primary", eventId=event["id"], body={"summary": "Three"})
        self.refused("a stale etag holds", self.conditional(stale, "If-Match", event["etag"]), 412, "conditionNotMet")
        self.conditional(self.events.patch(calendarId="primary", eventId=event["id"], body={"summary": "Three"}), "If-Match", part["etag"]).execute()
        now = self.events.get(calendarId="primary", eventId=event["id"]).execute()
        same = self.conditional(self.events.get(calendarId="primary", eventId=event["id"]), "If-None-Match", now["etag"])
        self.refused("an etag that is known needs no body", same, 304, None)
        self.events.delete(calendarId="primary", eventId=event["id"]).execute()
        self.refused("a second delete", self.events.delete(calendarId="primary", eventId=event["id"]), 410, "deleted")
        self.refused("an event that never was", self.events.delete(calendarId="primary", eventId="never0"), 404, "notFound")
        self.refused("a deleted id is not inserted again", self.events.insert(calendarId="primary", body=hour("x", id="abcdefgh01234")), 409, "duplicate")
        back = self.events.update(calendarId="primary", eventId=event["id"], body=hour("Back", status="confirmed")).execute()
        self.tally.equal("an update revives", back["status"], "confirmed")
        guests = self.insert(hour("Guests", attendees=[{"email": "eve@elsewhere.example"}]), sendUpdates="all")
        self.tally.equal("a guest would be mailed", [mail["recipient"] for mail in self.simulator.control("mails")], ["eve@elsewhere.example"])
        self.events.delete(calendarId="primary", eventId=guests["id"], sendUpdates="none").execute()
        self.tally.equal("and is not when nobody asks", len(self.simulator.control("mails")), 1)
        day = self.insert({"summary": "Day", "start": {"date": "2027-03-09"}, "end": {"date": "2027-03-10"}})
        self.tally.equal("a day stays a day", day["start"], {"date": "2027-03-09"})
        self.events.quickAdd(calendarId="primary", text="Quick").execute()

    def syncing(self) -> None:
        items, token, count = self.pages(maxResults=1, showDeleted=True)
        self.tally.check("pages follow each other", count == len(items) > 2, (count, len(items)))
        empty, token, _ = self.pages(syncToken=token)
        self.tally.equal("nothing changed", empty, [])
        new, gone = self.insert(hour("New")), items[-1]["id"]
        self.events.delete(calendarId="primary", eventId=gone).execute()
        delta, token, _ = self.pages(syncToken=token, maxResults=1)
        said = [(item["id"], item["status"]) for item in delta]
        self.tally.equal("a delta has what is new and what is gone", said, [(new["id"], "confirmed"), (gone, "cancelled")])
        self.tally.equal("a tombstone is an id", set(delta[1]), {"kind", "etag", "id", "status"})
        for name, value in [
            ("iCalUID", "x"), ("orderBy", "updated"), ("privateExtendedProperty", "a=b"), ("q", "x"), ("sharedExtendedProperty", "a=b"),
            ("timeMin", "2026-01-01T00:00:00Z"), ("timeMax", "2026-01-01T00:00:00Z"), ("updatedMin", "2026-01-01T00:00:00Z"), ("showDeleted", False),
        ]:  # fmt: skip
            self.refused(f"no {name} beside a sync token", self.events.list(calendarId="primary", syncToken=token, **{name: value}), 400, None)
        self.refused("a garbled token", self.events.list(calendarId="primary", syncToken="garbled"), 410, "fullSyncRequired")
        self.simulator.control("expireSyncTokens", {"calendar": ACCOUNT})
        self.refused("an expired token", self.events.list(calendarId="primary", syncToken=token), 410, "fullSyncRequired")
        self.refused("an order that is not there", self.events.list(calendarId="primary", orderBy="startTime"), 400, "badRequest")
        self.refused("too long ago", self.events.list(calendarId="primary", updatedMin="2020-01-01T00:00:00Z"), 410, "updatedMinTooLongAgo")
        self.simulator.fault("fullSyncRequired", part="pageToken=")
        first = self.events.list(calendarId="primary", maxResults=1)
        second = self.events.list_next(first, first.execute())
        self.refused("410 in the midst of pages", second, 410, "fullSyncRequired")
        self.simulator.fault({"shortPage": {"entries": 0}})
        page = self.events.list(calendarId="primary").execute()
        self.tally.check("an empty page that goes on", page["items"] == [] and page["nextPageToken"], page)

    def series(self) -> None:
        master = self.insert(weekly("Group"))
        path = {"calendarId": "primary", "eventId": master["id"]}
        instances = self.events.instances(**path, maxResults=3).execute()
        rest = self.events.instances_next(self.events.instances(**path, maxResults=3), instances).execute()
        ids = [item["id"] for item in instances["items"] + rest["items"]]
        # The clocks change on 14 March.
        self.tally.equal("instances are named by their start in UTC", ids[:2], [f"{master['id']}_20270309T170000Z", f"{master['id']}_20270316T160000Z"])
        times = {"start": {"dateTime": "2027-03-24T09:00:00-07:00"}, "end": {"dateTime": "2027-03-24T10:00:00-07:00"}}
        moved = self.events.patch(calendarId="primary", eventId=ids[2], body=times)
        self.tally.equal("an exception keeps its slot", moved.execute()["originalStartTime"]["dateTime"], "2027-03-23T17:00:00+01:00")
        self.events.delete(calendarId="primary", eventId=ids[3]).execute()
        listed = [item for item in self.pages()[0] if item.get("recurringEventId") == master["id"]]
        self.tally.equal("both are entries of their own", [(item["id"], item["status"]) for item in listed], [(ids[2], "confirmed"), (ids[3], "cancelled")])
        single = self.pages(singleEvents=True, orderBy="startTime", q="Group")[0]
        self.tally.equal("expanded, four are left", len(single), 4)
        found = self.events.instances(**path, originalStart=listed[0]["originalStartTime"]["dateTime"]).execute()["items"]
        self.tally.equal("an instance is found by its original start", [item["id"] for item in found], [ids[2]])
        token = self.pages(showDeleted=True)[1]
        new = self.simulator.human("split", id=ids[1], patch={"summary": "Rest"})
        delta = self.pages(syncToken=token)[0]
        self.tally.equal("this-and-following makes a second series", new, f"{master['id']}_R20270316T090000")
        self.tally.check("which arrives", new in [item["id"] for item in delta], delta)
        bare = {"start": {"dateTime": "2027-03-09T09:00:00Z"}, "end": {"dateTime": "2027-03-09T10:00:00Z"}, "recurrence": ["RRULE:FREQ=DAILY"]}
        self.refused("a series has a zone", self.events.insert(calendarId="primary", body=bare), 400, "required")

    def foreign(self) -> None:
        body = hour("Theirs", iCalUID="meeting@elsewhere.example", organizer={"email": "eve@elsewhere.example"})
        self.refused("an import has the owner in it", self.events.import_(calendarId="primary", body=body), 400, "participantIsNeitherOrganizerNorAttendee")
        body["attendees"] = [{"email": ACCOUNT}]
        event = self.events.import_(calendarId="primary", body=body).execute()
        again = self.events.import_(calendarId="primary", body={**body, "summary": "Changed"}).execute()
        self.tally.equal("an import repeats as an update", (again["id"], again["summary"], again["privateCopy"]), (event["id"], "Changed", True))
        self.refused("an import has no id", self.events.import_(calendarId="primary", body={**body, "id": "abcdef"}), 400, "invalid")
        other = self.api.calendars().insert(body={"summary": "Other"}).execute()["id"]
        mine = self.insert(hour("Mine"))
        there = self.events.move(calendarId="primary", eventId=mine["id"], destination=other).execute()
        self.tally.equal("a move changes the organizer", (there["id"], there["organizer"]["email"]), (mine["id"], other))
        self.tally.equal("and leaves a tombstone", self.events.get(calendarId="primary", eventId=mine["id"]).execute()["status"], "cancelled")
        body = {"timeMin": "2027-03-09T00:00:00Z", "timeMax": "2027-03-10T00:00:00Z", "items": [{"id": other}, {"id": "nobody@example.com"}]}
        busy = self.api.freebusy().query(body=body).execute()["calendars"]
        self.tally.equal("free and busy", busy[other]["busy"], [{"start": "2027-03-09T17:00:00Z", "end": "2027-03-09T18:00:00Z"}])
        self.tally.equal("a calendar that is not there", busy["nobody@example.com"]["errors"][0]["reason"], "notFound")
        self.api.colors().get().execute()
        self.api.settings().list().execute()
        self.tally.equal("a setting", self.api.settings().get(setting="timezone").execute()["value"], "Europe/Berlin")

    def channels(self) -> None:
        with Receiver() as receiver:
            body = {"id": "channel-1", "type": "web_hook", "address": receiver.url, "token": "secret", "params": {"ttl": "3600"}}
            channel = self.events.watch(calendarId="primary", body=body).execute()
            first = receiver.next()
            self.tally.equal("a sync message comes first", (first["X-Goog-Resource-State"], first["X-Goog-Message-Number"]), ("sync", "1"))
            named = (first["X-Goog-Channel-ID"], first["X-Goog-Channel-Token"], first["X-Goog-Resource-ID"])
            self.tally.equal("it names channel, token and resource", named, ("channel-1", "secret", channel["resourceId"]))
            self.refused("a channel's id is unique", self.events.watch(calendarId="primary", body=body), 400, "channelIdNotUnique")
            self.insert(hour("Watched"))
            self.tally.equal("a change is told", receiver.next()["X-Goog-Resource-State"], "exists")
            self.simulator.fault("duplicateDelivery")
            self.simulator.human("create", event=hour("By hand"))
            numbers = [int(receiver.next()["X-Goog-Message-Number"]) for _ in range(2)]
            self.tally.check("a person's change too, and twice on demand", numbers[0] == numbers[1] > 1, numbers)
            self.api.channels().stop(body={"id": "channel-1", "resourceId": channel["resourceId"]}).execute()
            twice = self.api.channels().stop(body={"id": "channel-1", "resourceId": channel["resourceId"]})
            self.refused("a stopped channel is gone", twice, 404, "notFound")
            plain = {"id": "channel-2", "type": "web_hook", "address": "http://hooks.example/"}
            self.refused("an address has TLS", self.events.watch(calendarId="primary", body=plain), 400, "webhookUrlNotHttps")

    def batches(self) -> None:
        got: dict[str, object] = {}
        address = f"{self.simulator.url}/batch/calendar/v3"
        batch = googleapiclient.http.BatchHttpRequest(lambda name, answer, error: got.__setitem__(name, error or answer), address)
        for name in ("a", "b"):
            batch.add(self.events.insert(calendarId="primary", body=hour(name)), request_id=name)
        batch.add(self.events.get(calendarId="primary", eventId="never0"), request_id="c")
        self.simulator.fault("conflict", call="events.insert", skip=1)
        batch.execute(http=self.api._http)
        self.tally.equal("a part is answered", got["a"]["summary"], "a")
        self.tally.equal("and validates", self.schemas.response("POST", "/calendar/v3/calendars/primary/events", got["a"]), [])
        self.tally.equal("parts fail one by one", [got[name].error_details[0]["reason"] for name in ("b", "c")], ["conflict", "notFound"])
        full = googleapiclient.http.BatchHttpRequest(batch_uri=address)
        for _ in range(51):
            full.add(self.events.get(calendarId="primary", eventId="never0"))
        try:
            full.execute(http=self.api._http)
            self.tally.check("fifty calls at most", False)
        except HttpError as error:
            self.tally.equal("fifty calls at most", error.status_code, 400)

    def rights(self) -> None:
        reading = service(self.simulator, sign_in(self.simulator, ["calendar.events.readonly", "calendar.calendarlist.readonly"]), self.http)
        reading.events().list(calendarId="primary").execute()
        reading.calendarList().list().execute()
        self.refused("a reader does not write", reading.events().insert(calendarId="primary", body=hour("x")), 403, None)
        self.simulator.control("withholdScopes", {"scopes": ["calendarlist.readonly"]})
        tokens = sign_in(self.simulator, ["calendar.events", "calendar.calendarlist.readonly"])
        self.simulator.control("withholdScopes", {"scopes": []})
        self.tally.equal("an unticked scope is not in the grant", tokens["scope"], SCOPES + "calendar.events")
        self.refused("and does not serve", service(self.simulator, tokens, self.http).calendarList().list(), 403, None)
        only = service(self.simulator, sign_in(self.simulator, ["calendar.app.created"]), self.http)
        self.refused("least trust sees nothing else", only.events().list(calendarId="primary"), 403, None)
        made = only.calendars().insert(body={"summary": "Ours"}).execute()
        self.tally.equal("and what it made", only.events().list(calendarId=made["id"]).execute()["items"], [])
        self.simulator.control("role", {"account": ACCOUNT, "calendar": made["id"], "role": "reader"})
        self.refused("a read-only calendar", self.events.insert(calendarId=made["id"], body=hour("x")), 403, "requiredAccessLevel")
        self.simulator.control("role", {"account": ACCOUNT, "calendar": made["id"], "role": "owner"})

    def limits(self) -> None:
        before = self.simulator.control("counts").get("oauth.token", 0)
        self.simulator.control("expireAccess", {"account": ACCOUNT})
        self.events.list(calendarId="primary").execute()
        self.tally.equal("the client refreshes and goes on", self.simulator.control("counts")["oauth.token"], before + 1)
        for fault, status in [({"backend": {"status": 503}}, 503), ("userRateLimit", 403), ({"tooManyRequests": {"retryAfterS": 1}}, 429)]:
            self.simulator.fault(fault, call="events.list")
            request = self.events.list(calendarId="primary")
            request._sleep = lambda seconds: None
            self.tally.check(f"the client takes {status} for what it is and tries again", request.execute(num_retries=1)["items"], status)
        self.simulator.fault("quotaExceeded", call="events.list")
        self.refused("use limits", self.events.list(calendarId="primary"), 403, "quotaExceeded")
        self.simulator.control("settings", {"userPerMinute": 1})
        self.refused("the minute's quota", self.events.list(calendarId="primary"), 403, "userRateLimitExceeded")
        self.simulator.control("settings", {"userPerMinute": 600})
        self.http.wanted = False
        # httplib2 sends a request anew by itself when nothing came back: the second one finds the first one's work.
        self.simulator.fault("loseResponse", call="events.insert")
        self.refused("what was lost on the way back is there", self.events.insert(calendarId="primary", body=hour("x", id="unsure0")), 409, "duplicate")
        for fault in ({"truncate": {"perMille": 500}}, "wrongJson", "html"):
            self.simulator.fault(fault, call="events.insert")
            self.http.connections.clear()
            try:
                got = self.insert(hour("Unsure"))
            except (OSError, http.client.HTTPException, HttpError) as error:
                got = error
            self.tally.check(f"{fault} brings no event", not isinstance(got, dict), got)
        self.http.connections.clear()
        self.http.wanted = True
        self.simulator.control("revoke", {"account": ACCOUNT})
        try:
            self.events.list(calendarId="primary").execute()
            self.tally.check("a revoked grant is at its end", False)
        except RefreshError as error:
            self.tally.check("a revoked grant is at its end", "invalid_grant" in str(error), error)


def schemas_bite(tally: Tally, schemas: Schemas) -> None:
    """The judge finds what is wrong."""
    path = "/calendar/v3/calendars/primary/events"
    good = hour("x", reminders={"useDefault": False})
    tally.equal("a good body passes", schemas.request("POST", path + "?sendUpdates=none", good), [])
    for what, sentences in [
        ("an unknown member", schemas.request("POST", path, hour("x", colour="3"))),
        ("a wrong type", schemas.request("POST", path, hour("x", location=7))),
        ("a bad day", schemas.request("POST", path, {"start": {"date": "2027-02-30"}})),
        ("an unknown parameter", schemas.request("POST", path + "?sendUpdate=none", good)),
        ("a bad value", schemas.request("POST", path + "?sendUpdates=some", good)),
        ("null in what is no patch", schemas.request("POST", path, hour("x", location=None))),
        ("a time without offset in an answer", schemas.response("GET", path + "/x", good)),
        ("an unknown address", schemas.request("POST", "/calendar/v3/calendar", good)),
        ("a parameter that is missing", schemas.request("POST", path + "/x/move", None)),
    ]:
        tally.check(f"{what} is found", sentences)
    tally.equal("null in a patch clears", schemas.request("PATCH", path + "/x", {"location": None, "start": {"date": None}}), [])


def connector_requests(tally: Tally, schemas: Schemas) -> None:
    """What our own connector sends, written down by its test against the same provider."""
    with tempfile.TemporaryDirectory(prefix="kalends-google-") as folder:
        lines = Path(folder) / "requests.jsonl"
        command = ["cargo", "test", "--quiet", "--locked", "--test", "google"]
        done = subprocess.run(command, cwd=ROOT, env=dict(os.environ, KALENDS_GOOGLE_REQUESTS=str(lines)), stdin=subprocess.DEVNULL)
        if not tally.check("the connector's own test passes", done.returncode == 0 and lines.exists(), f"exit {done.returncode}"):
            return
        sent = [json.loads(line) for line in lines.read_text().splitlines()]
    tally.check("it sent something of each kind", {request["method"] for request in sent} == {"GET", "POST", "PUT", "PATCH", "DELETE"}, len(sent))
    for request in sent:
        body = json.loads(request["body"]) if request["body"] else None
        wrong = schemas.request(request["method"], request["path"], body)
        tally.check(f"our {request['method']} {request['path']} is in Google's own form", not wrong, wrong)
    tally.note(f"{len(sent)} requests of the connector validated")


def main() -> None:
    tally = Tally("google_client")
    start = time.monotonic()
    with Simulator() as simulator:
        suite = Suite(tally, simulator)
        schemas_bite(tally, suite.schemas)
        for part in (suite.lists, suite.writes, suite.syncing, suite.series, suite.foreign, suite.channels, suite.batches, suite.rights, suite.limits):
            part()
        connector_requests(tally, suite.schemas)
        tally.check("enough answers were validated", suite.http.validated >= VALIDATED_MIN, suite.http.validated)
        tally.note(f"{suite.http.validated} answers validated, {sum(simulator.control('counts').values())} requests, {time.monotonic() - start:.1f} s")
    tally.finish()


if __name__ == "__main__":
    main()
