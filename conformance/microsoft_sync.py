"""The demo as a newcomer sees it, from its Outlook side: an account at a simulated Microsoft Graph connected both ways to the calendar
that is connected to a simulated Google too, so that an edit on any of the three sides is seen on the others.

Everything goes through the outside: CalDAV, the feed and the API here, the providers' own pages and their control there. At the end
every request that the program sent to Graph is held against Graph's own metadata.

usage: microsoft_sync.py
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from google_sync import Google, call, event, until
from server import demo
from tally import Tally
from wire import Client

HERE = Path(__file__).resolve().parent
# The validator lives in a venv beside the one that runs this.
VALIDATOR = Path(sys.executable).parent.parent.parent / "google" / "bin" / "python"
ACCOUNT = "ada@example.com"
AT_ONCE_MAX = 3  # requests of ours to one mailbox
STRUCK_MIN = 5  # requests that a storm struck
STORM_PATIENCE = 120  # seconds until everything is calm again: what failed several times waits longer each time
# What goes wrong all at once, each time with its own chance; an item that is left out of a list must be asked for before it counts as gone.
# Members of a wrong type are not among it: what looks unreadable is laid aside, and waits for its next change or for a person.
STORM = [
    "loseRequest", "loseResponse", {"truncate": {"perMille": 500}}, {"throttled": {"retryAfterS": 1}}, {"throttled": {"retryAfterS": None}},
    {"backend": {"status": 503, "retryAfterS": 1}}, {"backendAfter": {"status": 504}}, "html", "wrongJson", "unauthorized",
    "claimsChallenge", {"conflict": {"status": 412}}, {"conflict": {"status": 409}}, {"shortPage": {"entries": 1}}, "repeatItem", "omitItem",
    "shuffle", "newChangeKeys", "noEtag", "noUid", "dropDelivery", "duplicateDelivery",
]  # fmt: skip


class Microsoft:
    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.calendar = next(one["calendar"] for one in self.look("accounts") if one["email"] == ACCOUNT)

    def look(self, name: str, **query: object) -> object:
        status, answer = call(f"{self.url}/_control/{name}?{urllib.parse.urlencode(query)}")
        assert status == 200, (name, answer)
        return answer

    def post(self, name: str, body: object) -> dict:
        status, answer = call(f"{self.url}/_control/{name}", body)
        assert status == 200, (name, answer)
        return answer

    def human(self, do: str, **more: object) -> dict:
        return self.post("human", {"calendar": self.calendar, "do": do, **more})

    def events(self) -> list[dict]:
        return self.look("events", calendar=self.calendar)

    def titles(self) -> list[str]:
        return sorted(one["subject"] for one in self.events())

    def called(self, title: str) -> dict | None:
        return next((one for one in self.events() if one["subject"] == title), None)

    def days(self, title: str) -> list[str]:
        """The days of the occurrences of March and April 2027."""
        found = self.look("occurrences", calendar=self.calendar, **{"from": 1803855600000, "to": 1809000000000})
        return [one["start"]["dateTime"][:10] for one in found if one["subject"] == title]


def at(day: str, hour: str) -> dict:
    return {"dateTime": f"2027-03-{day}T{hour}:00:00", "timeZone": "W. Europe Standard Time"}


def main() -> None:
    tally = Tally("microsoft_sync")
    process, facts = demo()
    try:
        judge(tally, facts)
    finally:
        process.terminate()
        process.wait(20)
    tally.finish()


def judge(tally: Tally, facts: dict) -> None:
    google, microsoft = Google(facts["google_url"]), Microsoft(facts["microsoft_url"])
    ada = next(user for user in facts["users"] if user["name"] == "ada")
    base = facts["web_url"].rstrip("/")
    client = Client(base, ada["name"], ada["password"])
    home = "/dav/calendars/ada/calendar/"

    def feed() -> str:
        with urllib.request.urlopen(facts["feed_url"], timeout=30) as answer:
            return answer.read().decode()

    def arrives(what: str, holds) -> float | None:
        took = until(holds)
        tally.check(what, took is not None)
        if took is not None:
            tally.note(f"{what}: after {took:.2f} s")
        return took

    def times(title: str) -> int:
        return microsoft.titles().count(title)

    def here(text: bytes) -> bool:
        return any(text in client.get(home + name).body for name in client.members(home))

    # First light: each of the three knows the others' events.
    arrives("Outlook's events are in the feed", lambda: "SUMMARY:Punched cards" in feed())
    arrives("ours are in Outlook", lambda: times("Training with Carl") == 1)
    arrives("Google's are in Outlook", lambda: times("Coffee with Charles") == 1)
    arrives("Outlook's are at Google", lambda: "Punched cards" in google.titles())
    arrives("Google's weekly club is a series in Outlook", lambda: (club := microsoft.called("Difference engine club")) and club["type"] == "seriesMaster")
    tally.equal("a private appointment stays here", [title for title in microsoft.titles() if "Dentist" in title], [])

    # Out: create, edit, delete by a CalDAV client.
    path = home + "outlook-1.ics"
    text = "DESCRIPTION:First line\\nsecond line\r\nLOCATION:Hall\r\nCATEGORIES:Red\r\nATTENDEE;CN=Eve:mailto:eve@elsewhere.example\r\n"
    tally.equal("PUT", client.put(path, event("outlook-1", "Made here", lines=text)).status, 201)
    out = arrives("a local event reaches Outlook", lambda: times("Made here") == 1)
    tally.check("and in some seconds", out is not None and out < 10, out)
    made = microsoft.called("Made here") or {}
    tally.equal("with its place", made.get("location", {}).get("displayName"), "Hall")
    tally.equal("without its guests", made.get("attendees"), [])
    client.put(path, event("outlook-1", "Renamed here", lines=text))
    arrives("a local edit reaches Outlook", lambda: times("Renamed here") == 1 and times("Made here") == 0)
    tally.equal("as the same event", (microsoft.called("Renamed here") or {}).get("id"), made.get("id"))

    # In: the provider's page, told by a notification.
    created = microsoft.human("create", event={"subject": "Made there", "start": at("02", "09"), "end": at("02", "10")})["id"]
    came = arrives("an event made in Outlook is in the feed", lambda: "SUMMARY:Made there" in feed())
    tally.check("by notification, long before the interval", came is not None and came < 15, came)
    arrives("and at Google", lambda: google.called("Made there") is not None)
    microsoft.human("edit", id=created, patch={"subject": "Renamed there", "location": {"displayName": "Attic"}})
    arrives("an edit in Outlook is in CalDAV", lambda: here(b"SUMMARY:Renamed there"))
    arrives("and at Google", lambda: (google.called("Renamed there") or {}).get("location") == "Attic")
    microsoft.human("delete", id=created)
    arrives("what is deleted there is cancelled here", lambda: any(
        b"Renamed there" in (body := client.get(home + name).body) and b"STATUS:CANCELLED" in body for name in client.members(home)))

    # Google to Outlook, through here.
    google.post("human", calendar=ACCOUNT, do="create", event={
        "summary": "From Google", "start": {"dateTime": "2027-03-03T09:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2027-03-03T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    })  # fmt: skip
    arrives("an event made at Google reaches Outlook", lambda: times("From Google") == 1)

    # A series with a left out instance; then one moved there, and one removed there.
    series = event("outlook-2", "Series", lines="RRULE:FREQ=WEEKLY;COUNT=5\r\nEXDATE;TZID=Europe/Berlin:20270308T100000\r\n")
    client.put(home + "outlook-2.ics", series)
    wanted = ["2027-03-01", "2027-03-15", "2027-03-22", "2027-03-29"]
    arrives("a series reaches Outlook without the instance that is left out", lambda: microsoft.days("Series") == wanted)
    master = microsoft.called("Series")
    if master:
        ids = microsoft.human("occurrences", id=master["id"])["ids"]
        microsoft.human("edit", id=ids[1], patch={"subject": "Moved", "start": at("16", "12"), "end": at("16", "13")})
        arrives("an instance changed there is an override here", lambda: here(b"SUMMARY:Moved"))
        microsoft.human("delete", id=ids[2])
        arrives("an instance removed there is gone here", lambda: here(b"20270322T100000") or here(b"20270322T090000Z"))
        arrives("and at Google the series is the same", lambda: google.called("Moved") is not None)

    # Faults: an answer that is lost after it was carried out, conflicts worded either way, being throttled.
    microsoft.post("faults", [{"call": "events.create", "fault": "loseResponse"}])
    client.put(home + "outlook-3.ics", event("outlook-3", "Lost answer"))
    arrives("an event whose answer was lost is in Outlook", lambda: times("Lost answer") >= 1)
    microsoft.post("faults", [{"fault": {"throttled": {"retryAfterS": 1}}, "times": 3}])
    client.put(home + "outlook-4.ics", event("outlook-4", "Throttled"))
    arrives("an event comes through when Graph is busy", lambda: times("Throttled") >= 1)
    for status in (412, 409):
        microsoft.post("faults", [{"fault": {"conflict": {"status": status}}, "call": "events.update"}])
        client.put(home + "outlook-4.ics", event("outlook-4", f"After {status}"))
        arrives(f"a change comes through after a conflict worded {status}", lambda status=status: times(f"After {status}") == 1)
    microsoft.post("expireAccess", {"account": ACCOUNT})
    client.put(home + "outlook-4.ics", event("outlook-4", "Signed in anew"))
    arrives("an expired token is renewed", lambda: times("Signed in anew") == 1)
    time.sleep(3)
    tally.equal("what was lost and throttled is there once", [times("Lost answer"), times("Signed in anew")], [1, 1])

    storm(tally, facts, microsoft, client, home)

    # At the end nothing is doubled, nobody was mailed, and every request was in order.
    titles = [title for title in microsoft.titles()]
    tally.equal("nothing is doubled in Outlook", sorted(set(titles)), titles)
    tally.equal("nobody is mailed", microsoft.look("mails"), [])
    tally.check("never too much at once", microsoft.look("concurrency")["mostAtOnce"] <= AT_ONCE_MAX, microsoft.look("concurrency"))
    requests(tally, microsoft)
    consent(tally, facts, microsoft)


def storm(tally: Tally, facts: dict, microsoft: Microsoft, client: Client, home: str) -> None:
    """Edits on both sides while every third request goes wrong; afterwards both sides are the same and nothing is doubled."""
    before = microsoft.look("struck")
    microsoft.post("faults/random", {"seed": 11, "perMille": 300, "faults": STORM})
    there = {}
    for number in range(10):
        client.put(home + f"storm-{number}.ics", event(f"storm-{number}", f"Storm here {number}"))
        day = f"{10 + number}"
        there[number] = microsoft.human("create", event={"subject": f"Storm there {number}", "start": at(day, "15"), "end": at(day, "16")})["id"]
        time.sleep(0.3)
    for number in range(0, 10, 2):
        client.put(home + f"storm-{number}.ics", event(f"storm-{number}", f"Storm over {number}"))
        microsoft.human("edit", id=there[number], patch={"subject": f"Gale there {number}"})
        time.sleep(0.3)
    call(f"{microsoft.url}/_control/faults", method="DELETE")
    struck = microsoft.look("struck") - before
    tally.check("it was a storm", struck >= STRUCK_MIN, struck)
    wanted = sorted(
        [f"Storm over {n}" if n % 2 == 0 else f"Storm here {n}" for n in range(10)]
        + [f"Gale there {n}" if n % 2 == 0 else f"Storm there {n}" for n in range(10)]
    )

    def titles() -> list[str]:
        return sorted(title for title in microsoft.titles() if title.startswith(("Storm", "Gale")))

    def ours() -> list[str]:
        found = []
        for name in client.members(home):
            text = client.get(home + name).body.decode()
            found += [line.removeprefix("SUMMARY:") for line in text.splitlines() if line.startswith(("SUMMARY:Storm", "SUMMARY:Gale"))]
        return sorted(found)

    begin, calm = time.monotonic(), False
    while not calm and time.monotonic() - begin < STORM_PATIENCE:
        calm = titles() == wanted and ours() == wanted
        time.sleep(0.5)
    tally.check("after a storm Outlook has everything once", titles() == wanted, titles())
    tally.check("and so do we", ours() == wanted, ours())
    tally.note(f"{struck} requests were struck; calm after {time.monotonic() - begin:.0f} s")


def requests(tally: Tally, microsoft: Microsoft) -> None:
    """What was sent to Graph, against Graph's own metadata."""
    sent = [one for one in microsoft.look("requests") if one["path"].startswith("/v1.0/")]
    about = [one for one in sent if one["path"].startswith(("/v1.0/me/events", "/v1.0/me/calendar", "/v1.0/subscriptions"))]
    mutable = [one["path"] for one in about if "ImmutableId" not in one["headers"].get("prefer", "")]
    tally.equal("every request asks for ids that stay", mutable, [])
    tally.equal("no request has guests", [one["path"] for one in sent if "attendees" in one["body"] and one["method"] != "GET"], [])
    with tempfile.TemporaryDirectory(prefix="kalends-microsoft-") as folder:
        lines = Path(folder) / "requests.jsonl"
        lines.write_text("".join(json.dumps(one) + "\n" for one in sent))
        command = [str(VALIDATOR), str(HERE / "microsoft_schema.py"), str(lines)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    tally.check("every request is in Graph's own form", done.returncode == 0, done.stdout[-2000:])
    tally.note(done.stdout.strip().splitlines()[-1] if done.stdout else "")


def consent(tally: Tally, facts: dict, microsoft: Microsoft) -> None:
    """Connects a second account as a headless install does: by a code that is typed elsewhere."""
    api, token = facts["web_url"].rstrip("/") + "/api/schedule/sync", facts["api_token"]
    microsoft.post("accounts", {"email": "ada.private@example.com", "timeZone": "Europe/London"})
    status, begun = call(f"{api}/device", {"provider": "microsoft"}, token)
    if not tally.equal("a code is shown", status, 200):
        tally.note(str(begun))
        return
    status, waiting = call(f"{api}/device/poll", {"state": begun["state"]}, token)
    tally.check("it waits for somebody to type it", status == 200 and waiting["pending"], waiting)
    microsoft.post("device", {"code": begun["userCode"], "account": "ada.private@example.com"})
    done = None

    def connected() -> bool:
        nonlocal done
        done = call(f"{api}/device/poll", {"state": begun["state"]}, token)
        return done[0] == 200 and not done[1]["pending"] and bool(done[1]["connection"])

    tally.check("and the account is connected when somebody did", until(connected) is not None, done)
    status, seen = call(f"{api}/status", token=token)
    tally.check("both accounts are told of", status == 200 and "ada.private@example.com" in json.dumps(seen), seen)


if __name__ == "__main__":
    main()
