"""A real Thunderbird (Debian's, on a virtual screen): the account by the server's address alone, then events, series and tasks
both ways, a conflict, work while offline, a restart, a restored backup. What the server holds is read by plain HTTP and written
by python-caldav.

usage: thunderbird.py [--screenshot FILE] [sqlite] [postgres]      both databases by default
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import caldav
import icalendar
from server import HERE, PASSWORDS, Server
from tally import Tally
from thunderbird_app import Thunderbird
from wire import DAV, Client

CALENDAR, TASKS = "Calendar", "Tasks"  # what every user of ours begins with
FROM, TO = "20270101T000000Z", "20270201T000000Z"
SETTLE_SECONDS = 60  # most take less than one
LOGGED = {"KALENDS_LOG": "info,kalends=debug"}  # every request
OTHER = {"X-Correlation-Id": "other"}  # marks the requests that are not Thunderbird's
# What Thunderbird may be answered: 301 is /.well-known, 401 the first request of a session, 405 its search for an ICS file
# that it could write to, 412 the conflict.
USUAL = {200, 201, 204, 207, 301, 401, 405, 412}

ZONE = """BEGIN:VTIMEZONE
TZID:Europe/Vienna
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
END:DAYLIGHT
END:VTIMEZONE
"""


def ics(*components: str, zone: bool = True) -> str:
    """An iCalendar object of components given as lines."""
    body = "".join(f"{component.strip()}\n" for component in components)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.org//another client//EN\n{ZONE if zone else ''}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


def event(uid: str, title: str, start: str, end: str, *more: str) -> str:
    lines = [f"UID:{uid}", "DTSTAMP:20261101T080000Z", f"SUMMARY:{title}", f"DTSTART{start}", f"DTEND{end}", *more]
    return "\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT"])


def vienna(time_of_day: str) -> str:
    return f";TZID=Europe/Vienna:{time_of_day}"


class Elsewhere:
    """The other end: what the server holds, and a second client that writes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = Client(server.base, "ada", PASSWORDS["ada"])
        client = caldav.DAVClient(url=f"{server.base}/dav/", username="ada", password=PASSWORDS["ada"], headers=OTHER)
        self.calendars = {calendar.get_display_name(): calendar for calendar in client.principal().calendars()}

    def held(self, calendar: str) -> dict[str, icalendar.Calendar]:
        """UID → object, by PROPFIND and GET."""
        path = self.path(calendar)
        listing = self.http.send("PROPFIND", path, None, OTHER | {"Depth": "1"})
        found = {}
        for response in listing.xml().iter(DAV + "response"):
            href = response.findtext(DAV + "href", "")
            answer = self.http.send("GET", href, headers=OTHER) if href != path else None
            if answer is not None and answer.status == 200:  # else it was deleted after the listing
                got = icalendar.Calendar.from_ical(answer.body)
                found[str(next(part["UID"] for part in got.subcomponents if "UID" in part))] = got
        return found

    def component(self, calendar: str, uid: str) -> icalendar.Component | None:
        """The master of an object, None when it is not held."""
        got = self.held(calendar).get(uid)
        return next((part for part in got.subcomponents if "UID" in part and "RECURRENCE-ID" not in part), None) if got else None

    def occurrences(self) -> list[str]:
        """What takes place in the month, as the server expands it."""
        body = (
            '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data>'
            f'<C:expand start="{FROM}" end="{TO}"/></C:calendar-data></D:prop><C:filter><C:comp-filter name="VCALENDAR">'
            f'<C:comp-filter name="VEVENT"><C:time-range start="{FROM}" end="{TO}"/></C:comp-filter></C:comp-filter></C:filter>'
            "</C:calendar-query>"
        )
        headers = OTHER | {"Content-Type": "application/xml", "Depth": "1"}
        answer = self.http.send("REPORT", self.path(CALENDAR), body, headers)
        found = []
        for data in answer.xml().iter("{urn:ietf:params:xml:ns:caldav}calendar-data"):
            for part in icalendar.Calendar.from_ical(data.text).walk("VEVENT"):
                found.append(f"{part['DTSTART'].to_ical().decode()} {part['SUMMARY']}")
        return sorted(found)

    def path(self, calendar: str) -> str:
        return self.calendars[calendar].url.path

    def object(self, calendar: str, uid: str) -> caldav.CalendarObjectResource:
        return self.calendars[calendar].get_object_by_uid(uid)

    def edit(self, calendar: str, uid: str, old: str, new: str) -> None:
        found = self.object(calendar, uid)
        assert old in found.data, f"{old} is not in {found.data}"
        found.data = found.data.replace(old, new)
        found.save()


class Story:
    def __init__(self, tally: Tally, server: Server, app: Thunderbird, other: Elsewhere) -> None:
        self.tally, self.server, self.app, self.other = tally, server, app, other

    def agree(self, when: str) -> None:
        """Thunderbird shows the same occurrences as the server knows."""
        self.settles(f"the same occurrences here and there {when}", self.shown, self.other.occurrences())

    def shown(self) -> list[str]:
        return self.app.call("occurrences", CALENDAR, FROM, TO)

    def titles(self, calendar: str) -> list[str]:
        return sorted(item["title"] for item in self.app.call("items", calendar))

    # Scenes

    def detection(self) -> None:
        """The search from every address that a person may type."""
        want = sorted(f"{self.server.base}{self.other.path(name)}" for name in (CALENDAR, TASKS))
        for place in ("", "/", "/.well-known/caldav", "/dav/", "/dav/principals/ada/", self.server.home("ada")):
            found = self.app.call("detect", "ada", PASSWORDS["ada"], self.server.base + place)
            self.tally.equal(f"calendars found from {place or 'the bare address'}", sorted(found["caldav"]) if "caldav" in found else found, want)
        found = self.app.call("detect", "ada", PASSWORDS["ada"], self.server.base + self.other.path(CALENDAR))
        only = [self.server.base + self.other.path(CALENDAR)]
        self.tally.equal("a calendar's own address finds that calendar", found.get("caldav") if isinstance(found, dict) else found, only)
        self.tally.equal("a wrong password is told", self.app.call("detect", "ada", "wrong", self.server.base), "AuthFailedError")

    def account(self, screenshot: Path) -> None:
        """The dialog that a person goes through, with the user's name and the server's address."""
        check = self.tally.check
        self.app.call("openWizard")
        check("the dialog opens", self.app.until("wizardIsOpen"))
        self.app.call("chooseNetwork")
        self.tally.equal("it asks for name and place", self.app.call("wizardPanel"), "panel-network-calendar-settings")
        self.app.call("findCalendars", "ada", self.server.base)
        asked = self.app.until("prompt")
        if not check("it asks for the password", asked, self.app.call("wizardStatus")):
            return
        self.app.call("answerPassword", PASSWORDS["ada"])
        found = self.app.until("found")
        check("it offers both calendars", sorted(each["name"] for each in found) == [CALENDAR, TASKS], found)
        self.app.screenshot(screenshot)
        self.app.call("press", "accept")
        healthy = {"readOnly": False, "disabled": False, "failed": False, "cached": True}
        want = {CALENDAR: healthy | {"events": True, "tasks": False}, TASKS: healthy | {"events": False, "tasks": True}}
        self.settles("both are subscribed, writable, without a failure, for events and for tasks", self.subscribed, want)
        logins = self.app.call("logins")
        check("the password is kept for the realm", [(each["httpRealm"], each["username"]) for each in logins] == [("Kalends", "ada")], logins)

    def subscribed(self) -> dict[str, dict[str, bool]]:
        facts = ("readOnly", "disabled", "failed", "cached", "events", "tasks")
        return {each["name"]: {fact: each[fact] for fact in facts} for each in self.app.call("calendars") if each["type"] == "caldav"}

    def first_sync(self) -> None:
        want = [
            "20270105T080000Z Standup", "20270112 Founders' day", "20270112T090000Z Standup, later",
            "20270119T080000Z Standup", "20270120T170000Z Opera",
        ]  # fmt: skip
        self.settles("what takes place", self.shown, want)
        self.settles("the first sync brings the tasks", lambda: self.titles(TASKS), ["Tax return"])
        self.agree("after the first sync")

    def view(self, screenshot: Path) -> None:
        self.app.call("showMonth", "20270115T000000Z")
        want = ["Founders' day", "Opera", "Standup", "Standup", "Standup, later"]
        self.settles("what the month's view draws", lambda: self.app.call("shown"), want)
        self.app.screenshot(screenshot)

    def by_hand(self) -> None:
        """A person makes an event in its window, opens it again, and deletes it in the view."""
        self.app.call("openNew", CALENDAR, "20270113T120000", "20270113T130000", "Lunch")
        self.settles("the window of a new event", lambda: self.app.call("editorTitle"), "Lunch")
        self.app.call("saveAndClose", "Lunch with Mary")
        self.settles("the new event there", self.lunches, {"Lunch with Mary": "20270113T120000"})
        self.settles("the window closes", lambda: self.app.call("editorIsClosed"), True)
        self.settles("the new event drawn", lambda: "Lunch with Mary" in self.app.call("shown"), True)
        uid = next((item["uid"] for item in self.app.call("items", CALENDAR) if item["title"] == "Lunch with Mary"), None)
        if uid is None:
            return
        self.app.call("openToEdit", CALENDAR, uid)
        self.settles("the window of the event", lambda: self.app.call("editorTitle"), "Lunch with Mary")
        self.app.call("saveAndClose", "Lunch with Anne")
        self.settles("the edited event there", self.lunches, {"Lunch with Anne": "20270113T120000"})
        self.settles("the edited event drawn", lambda: "Lunch with Anne" in self.app.call("shown"), True)
        self.app.call("deleteSelected", CALENDAR, uid)
        self.settles("the event deleted there", self.lunches, {})
        self.agree("after work by hand")

    def lunches(self) -> dict[str, str]:
        events = [part for held in self.other.held(CALENDAR).values() for part in held.walk("VEVENT")]
        return {str(each["SUMMARY"]): each["DTSTART"].to_ical().decode() for each in events if "Lunch" in each["SUMMARY"]}

    def writes(self) -> None:
        """Thunderbird creates, edits and deletes."""
        add, modify = (lambda *given: self.app.call("add", *given)), (lambda *given: self.app.call("modify", *given))
        add(CALENDAR, ics(event("timed", "Dentist", vienna("20270107T143000"), vienna("20270107T153000"), "LOCATION:Näglergasse 7\\, 2nd floor")))
        add(CALENDAR, ics(event("days", "Holidays", ";VALUE=DATE:20270125", ";VALUE=DATE:20270130")))
        add(CALENDAR, ics(event("series", "Choir", vienna("20270104T190000"), vienna("20270104T210000"), "RRULE:FREQ=WEEKLY;COUNT=4")))
        add(TASKS, ics("BEGIN:VTODO\nUID:todo\nDTSTAMP:20261101T080000Z\nSUMMARY:Buy strings\nDUE;TZID=Europe/Vienna:20270110T180000\nEND:VTODO"))
        timed, days, todo = self.other.component(CALENDAR, "timed"), self.other.component(CALENDAR, "days"), self.other.component(TASKS, "todo")
        self.tally.check("a new event is there with its text", timed and timed["LOCATION"] == "Näglergasse 7, 2nd floor", timed)
        self.tally.check("a new all-day event is one", days and days["DTEND"].to_ical() == b"20270130", days)
        self.tally.check("a new task is there with its time", todo and todo["DUE"].params["TZID"] == "Europe/Vienna", todo)
        self.agree("after Thunderbird created")

        modify(CALENDAR, "timed", {"title": "Dentist (moved)", "hoursLater": 2})
        modify(CALENDAR, "series", {"title": "Choir, in the church", "hoursLater": 1}, "20270111T190000")
        self.app.call("removeInstance", CALENDAR, "series", "20270118T190000")
        modify(TASKS, "todo", {"completed": True})
        timed, series, todo = self.other.component(CALENDAR, "timed"), self.other.held(CALENDAR)["series"], self.other.component(TASKS, "todo")
        self.tally.check("an edited event", timed["SUMMARY"] == "Dentist (moved)" and timed["DTSTART"].to_ical() == b"20270107T163000", timed)
        parts = series.walk("VEVENT")
        self.tally.check("one instance of a series edited, one taken out", len(parts) == 2 and any("EXDATE" in part for part in parts), series.to_ical())
        self.tally.check("a task done", todo["STATUS"] == "COMPLETED" and "COMPLETED" in todo, todo)
        self.agree("after Thunderbird edited")
        choir = [text for text in self.shown() if "Choir" in text]
        self.tally.equal("the series", choir, ["20270104T180000Z Choir", "20270111T190000Z Choir, in the church", "20270125T180000Z Choir"])

        for calendar, uid in ((CALENDAR, "timed"), (CALENDAR, "days"), (TASKS, "todo")):
            self.app.call("remove", calendar, uid)
            self.tally.check(f"{uid} deleted", uid not in self.other.held(calendar))
        self.agree("after Thunderbird deleted")

    def reads(self) -> None:
        """Another client creates, edits and deletes; Thunderbird looks."""
        calendar = self.other.calendars[CALENDAR]
        calendar.save_event(ics(event("visit", "Visit", vienna("20270108T100000"), vienna("20270108T110000"))))
        self.other.edit(CALENDAR, "opera", "SUMMARY:Opera", "SUMMARY:Opera: Fidelio")
        moved = event("standup", "Standup in the park", vienna("20270119T110000"), vienna("20270119T111500"), f"RECURRENCE-ID{vienna('20270119T090000')}")
        self.other.edit(CALENDAR, "standup", "END:VCALENDAR", moved.replace("\n", "\r\n") + "\r\nEND:VCALENDAR")
        self.other.object(CALENDAR, "founders").delete()
        self.other.edit(TASKS, "tax", "SUMMARY:Tax return", "SUMMARY:Tax return\r\nPRIORITY:1")
        self.refresh()
        want = [
            "20270105T080000Z Standup", "20270108T090000Z Visit", "20270112T090000Z Standup, later",
            "20270119T100000Z Standup in the park", "20270120T170000Z Opera: Fidelio",
        ]  # fmt: skip
        self.settles("what another client did", lambda: [text for text in self.shown() if "Choir" not in text], want)
        self.agree("after another client wrote")
        self.settles("what another client did to a task", lambda: ["PRIORITY:1" in item["ics"] for item in self.app.call("items", TASKS)], [True])

    def conflicts(self) -> None:
        """Both edit: Thunderbird asks, and does what it is told."""
        for button, theirs, ours in (("cancel", "Visit at ten", "Visit at one"), ("accept", "Visit at two", "Visit at six")):
            wins = theirs if button == "cancel" else ours
            self.other.edit(CALENDAR, "visit", self.titled("visit"), f"SUMMARY:{theirs}")
            self.app.call("beginModify", CALENDAR, "visit", {"title": ours})
            if not self.tally.check(f"a conflict is asked about ({button})", self.app.until("conflict")):
                continue
            self.app.call("answerConflict", button)
            self.settles(f"the conflict is settled here ({button})", lambda wins=wins: wins in self.titles(CALENDAR), True)
            self.settles(f"and there ({button})", lambda: self.titled("visit"), f"SUMMARY:{wins}")
            self.refresh()
            self.agree(f"after a conflict ({button})")

    def titled(self, uid: str) -> str:
        return f"SUMMARY:{self.other.component(CALENDAR, uid)['SUMMARY']}"

    def offline(self) -> None:
        """What is done without the network reaches the server with it.

        In a session without earlier edits: Thunderbird 153 mistakes the first offline edit for its last online one, keeps the event
        twice and sends nothing after it (the callback that CalCachedCalendar leaves behind), with any server.
        """
        self.app.call("offline", True)
        self.app.call("add", CALENDAR, ics(event("train", "On the train", vienna("20270121T080000"), vienna("20270121T090000"))))
        self.app.call("modify", CALENDAR, "opera", {"title": "Opera: Tosca"})
        self.app.call("remove", CALENDAR, "visit")
        self.tally.check("nothing leaves while offline", "train" not in self.other.held(CALENDAR))
        self.app.call("offline", False)  # which begins a refresh; a second one beside it would send everything twice
        self.settles("what was done offline arrives", self.offline_work, {"added": True, "edited": True, "deleted": True})
        self.agree("after work offline")

    def offline_work(self) -> dict[str, bool]:
        held = self.other.held(CALENDAR)
        return {"added": "train" in held, "edited": self.titled("opera") == "SUMMARY:Opera: Tosca", "deleted": "visit" not in held}

    def after_restart(self) -> None:
        """The same profile again: it knows its account, and asks only for what changed."""
        self.settles("what changed in between", lambda: "While you were out" in self.titles(CALENDAR), True)
        self.agree("after a restart")
        self.refresh()  # joins what the start began
        before = self.answered()
        self.refresh()
        self.settles("a look when nothing changed asks for the changes and for nothing else", lambda: set(self.answered() - before), {("REPORT", 207)})

    def after_restore(self, database: str) -> None:
        """A backup takes the server's place: what came after it is gone here as well, and no old token fools anybody."""
        calendar = self.other.calendars[CALENDAR]
        copy = self.server.folder / "backup.kalends"
        self.server.cli("backup", str(copy))
        calendar.save_event(ics(event("lost", "After the backup", vienna("20270128T080000"), vienna("20270128T090000"))))
        self.other.object(CALENDAR, "out").delete()
        self.refresh()
        told = lambda: {"After the backup", "While you were out"} & set(self.titles(CALENDAR))  # noqa: E731
        self.settles("the last changes before the loss", told, {"After the backup"})
        port = int(self.server.base.rsplit(":", 1)[1])
        self.server.stop()
        with restored(database, copy, self.server.folder / "data" / "encryption.key", port) as server:
            self.other = Elsewhere(server)
            self.refresh()
            self.settles("what the backup has, and no more", told, {"While you were out"})
            self.agree("after a restore")
            self.app.call("modify", CALENDAR, "out", {"title": "Back again"})
            self.tally.equal("an edit after the restore", self.titled("out"), "SUMMARY:Back again")
            self.tally.check("the token of the life that was lost is refused", 'method="REPORT" status=403' in server.log())

    # Ways

    def refresh(self) -> None:
        for name in (CALENDAR, TASKS):
            self.app.call("refresh", name)

    def settles(self, what: str, look: Callable[[], object], want: object) -> None:
        """Looks again until it is so: Thunderbird goes on with what it fetched after a call is over."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (seen := look()) != want and time.monotonic() < deadline:
            time.sleep(0.2)
        self.tally.equal(what, seen, want)

    def answered(self) -> Counter:
        """What Thunderbird asked for and was answered so far: (method, status) → how often."""
        lines = (line for line in self.server.log().splitlines() if " answered " in line and 'correlation_id="other"' not in line)
        return Counter((re.search(r'method="(\w+)"', line)[1], int(re.search(r"status=(\d+)", line)[1])) for line in lines)


def before(other: Elsewhere) -> None:
    """What is in the calendar before Thunderbird comes: an evening, a day, a series with an exception; a task."""
    later = event("standup", "Standup, later", vienna("20270112T100000"), vienna("20270112T101500"), f"RECURRENCE-ID{vienna('20270112T090000')}")
    weekly = event("standup", "Standup", vienna("20270105T090000"), vienna("20270105T091500"), "RRULE:FREQ=WEEKLY;COUNT=3")
    calendar, tasks = other.calendars[CALENDAR], other.calendars[TASKS]
    calendar.save_event(ics(event("opera", "Opera", vienna("20270120T180000"), vienna("20270120T210000"))))
    calendar.save_event(ics(event("founders", "Founders' day", ";VALUE=DATE:20270112", ";VALUE=DATE:20270113"), zone=False))
    calendar.save_event(ics(weekly, later))
    tasks.save_todo(ics("BEGIN:VTODO\nUID:tax\nDTSTAMP:20261101T080000Z\nSUMMARY:Tax return\nDUE;VALUE=DATE:20270131\nEND:VTODO", zone=False))


@contextmanager
def restored(database: str, copy: Path, keys: Path, port: int) -> Iterator[Server]:
    """A server on another store, filled from a backup, at the same address."""
    server = Server(database, env=LOGGED, port=port)
    server.set_up = True  # the users come with the backup
    try:
        (server.folder / "data").mkdir(parents=True)
        shutil.copy(keys, server.folder / "data" / keys.name)
        server.cli("restore", str(copy))
        server.start()
        yield server
    finally:
        server.close()


def run(tally: Tally, database: str, screenshot: Path) -> None:
    with Server(database, env=LOGGED) as server, tempfile.TemporaryDirectory(prefix="kalends-thunderbird-") as name:
        other = Elsewhere(server)
        before(other)
        with Thunderbird(Path(name)) as app:
            tally.note(f"{database}: {app.call('version')}")
            tally.check("Thunderbird is ready", app.until("ready"))
            story = Story(tally, server, app, other)
            story.detection()
            story.account(screenshot.with_stem(screenshot.stem + "-account"))
            story.first_sync()
            story.view(screenshot)
            story.by_hand()
            story.writes()
            story.reads()
            story.conflicts()
        other.calendars[CALENDAR].save_event(ics(event("out", "While you were out", vienna("20270122T080000"), vienna("20270122T090000"))))
        with Thunderbird(Path(name)) as app:
            story.app = app
            tally.check("Thunderbird is ready again", app.until("ready"))
            story.after_restart()
            story.offline()
            story.after_restore(database)
        answered = story.answered()
        odd = {each: count for each, count in answered.items() if each[1] not in USUAL}
        tally.check("no answer that Thunderbird should not get", not odd, odd)
        tally.note(f"{database}: " + ", ".join(f"{method} {status}: {count}" for (method, status), count in sorted(answered.items())))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=[])
    parser.add_argument("--screenshot", type=Path, default=Path(tempfile.gettempdir()) / "kalends-thunderbird.png")
    given = parser.parse_args()
    if subprocess.run([str(HERE / "tools.sh"), "thunderbird"], stdout=subprocess.DEVNULL).returncode != 0:
        raise SystemExit("thunderbird: the tools cannot be installed")
    tally = Tally("thunderbird")
    for database in given.databases or ("sqlite", "postgres"):
        if database == "postgres" and os.environ.get("KALENDS_TEST_POSTGRES") == "none":
            continue
        run(tally, database, given.screenshot)
    tally.note(f"screenshot: {given.screenshot}")
    tally.finish()


if __name__ == "__main__":
    main()
