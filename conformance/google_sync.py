"""The demo as a newcomer sees it: a simulated Google account connected both ways, edits on each side, faults in between.

Everything goes through the outside: CalDAV and the feed and the API here, the provider's own page and its control there.

usage: google_sync.py
"""

import http.cookiejar
import json
import time
import urllib.error
import urllib.parse
import urllib.request

from server import demo
from tally import Tally
from wire import Client

PATIENCE = 30  # seconds until something that should arrive counts as lost; how long it took is told
ACCOUNT = "ada@example.com"


def call(url: str, body: object = None, token: str | None = None, method: str | None = None) -> tuple[int, object]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method or ("POST" if body is not None else "GET"))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text else None


class Google:
    def __init__(self, url: str) -> None:
        self.base = url.rstrip("/") + "/_control/"

    def post(self, name: str, **body: object) -> dict:
        status, answer = call(self.base + name, body)
        assert status == 200, (name, answer)
        return answer

    def events(self, calendar: str = ACCOUNT) -> list[dict]:
        return call(self.base + "events?" + urllib.parse.urlencode({"calendar": calendar}))[1]

    def titles(self) -> list[str]:
        return sorted(e.get("summary", "") for e in self.events() if e.get("status") != "cancelled")

    def called(self, title: str) -> dict | None:
        return next((e for e in self.events() if e.get("summary") == title and e.get("status") != "cancelled"), None)


def event(uid: str, title: str, start: str = "20270301T100000", lines: str = "") -> str:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Sync//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20270101T000000Z\r\nDTSTART;TZID=Europe/Berlin:{start}\r\nDURATION:PT1H\r\n"
        f"SUMMARY:{title}\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def until(holds) -> float | None:
    """Seconds until it holds; `None`: never."""
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE:
        if holds():
            return time.monotonic() - begin
        time.sleep(0.05)
    return None


def main() -> None:
    tally = Tally("google_sync")
    process, facts = demo()
    try:
        judge(tally, facts)
    finally:
        process.terminate()
        process.wait(20)
    tally.finish()


def judge(tally: Tally, facts: dict) -> None:
    google = Google(facts["google_url"])
    ada = next(u for u in facts["users"] if u["name"] == "ada")
    base = facts["web_url"].rstrip("/")
    client = Client(base, ada["name"], ada["password"])
    home = "/dav/calendars/ada/calendar/"
    api, token = base + "/api", facts["api_token"]

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
        return google.titles().count(title)

    # First light: both sides know each other's events.
    arrives("Google's events are in the feed", lambda: "SUMMARY:Coffee with Charles" in feed())
    arrives("ours are at Google", lambda: times("Training with Carl") == 1)
    private = [t for t in google.titles() if "Dentist" in t]
    tally.equal("a private appointment stays here", private, [])

    # Out: create, edit, delete by a CalDAV client.
    path = home + "sync-1.ics"
    tally.equal("PUT", client.put(path, event("sync-1", "Made here")).status, 201)
    out = arrives("a local event reaches Google", lambda: times("Made here") == 1)
    tally.check("and in about a second", out is not None and out < 5, out)
    client.put(path, event("sync-1", "Renamed here"))
    arrives("a local edit reaches Google", lambda: times("Renamed here") == 1 and times("Made here") == 0)
    mails = call(google.base + "mails")[1]
    tally.equal("nobody is mailed", mails, [])

    # Google knows no cancelled events: one that is cancelled here is gone there, and comes back.
    client.put(path, event("sync-1", "Renamed here", lines="STATUS:CANCELLED\r\n"))
    arrives("a cancelled event leaves Google", lambda: times("Renamed here") == 0)
    client.put(path, event("sync-1", "Renamed here"))
    arrives("and comes back when it is on again", lambda: times("Renamed here") == 1)

    # In: the provider's page, told by webhook.
    made = google.post("human", calendar=ACCOUNT, do="create", event={
        "summary": "Made there", "start": {"dateTime": "2027-03-02T09:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2027-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    })["id"]  # fmt: skip
    came = arrives("an event made at Google is in the feed", lambda: "SUMMARY:Made there" in feed())
    tally.check("by webhook, long before the interval", came is not None and came < 15, came)
    google.post("human", calendar=ACCOUNT, do="edit", id=made, patch={"summary": "Renamed there", "location": "Hall"})
    arrives("an edit at Google is in CalDAV", lambda: any(
        b"SUMMARY:Renamed there" in client.get(home + name).body for name in client.members(home)))
    ours = google.called("Renamed here")
    google.post("human", calendar=ACCOUNT, do="delete", id=ours["id"])
    tally.equal("what was made here is kept when Google's copy is deleted", client.get(path).status, 200)
    google.post("human", calendar=ACCOUNT, do="delete", id=made)
    arrives("what came from Google is cancelled when it is deleted there", lambda: any(
        b"Renamed there" in (text := client.get(home + name).body) and b"STATUS:CANCELLED" in text
        for name in client.members(home)))

    # A series with a moved and a left out instance, both ways.
    series = event("sync-2", "Series", lines="RRULE:FREQ=WEEKLY;COUNT=5\r\nEXDATE;TZID=Europe/Berlin:20270308T100000\r\n")
    client.put(home + "sync-2.ics", series)
    arrives("a series reaches Google", lambda: times("Series") == 1)

    def instances() -> list[str]:
        span = {"calendar": ACCOUNT, "from": "1803855600000", "to": "1806534000000"}
        found = call(google.base + "occurrences?" + urllib.parse.urlencode(span))[1]
        return [e["start"]["dateTime"][:10] for e in found if e.get("summary") == "Series" and e.get("status") != "cancelled"]

    arrives("with four instances", lambda: instances() == ["2027-03-01", "2027-03-15", "2027-03-22", "2027-03-29"])

    # Faults: the answer to a create is lost after it was carried out; then Google is down for a while.
    rules = [{"call": "events.insert", "fault": "loseResponse"}]
    status, _ = call(google.base + "faults", rules)
    if tally.equal("a fault is ordered", status, 200):
        client.put(home + "sync-3.ics", event("sync-3", "Lost answer"))
        arrives("an event whose answer was lost is at Google", lambda: times("Lost answer") >= 1)
        time.sleep(3)
        tally.equal("once", times("Lost answer"), 1)

    # The API's view.
    status, seen = call(f"{api}/schedule/sync/status", token=token)
    tally.equal("status", status, 200)
    text = json.dumps(seen)
    tally.check("it names provider and direction", "google" in text and "both" in text, text)
    status, runs = call(f"{api}/schedule/sync/history?limit=5", token=token)
    tally.check("history", status == 200 and runs, runs)
    status, providers = call(f"{api}/schedule/sync/providers", token=token)
    tally.check("providers", status == 200 and "google" in json.dumps(providers), providers)

    consent(tally, facts, api, token)

    # Nothing is doubled anywhere at the end.
    titles = google.titles()
    tally.equal("nothing is doubled at Google", sorted(set(titles)), titles)


def consent(tally: Tally, facts: dict, api: str, token: str) -> None:
    """Connects a second account by the API, following the provider's redirect by hand, as a headless install does."""
    google = Google(facts["google_url"])
    google.post("accounts", email="ada.private@example.com", timeZone="Europe/London")
    google.post("autoApprove", account="ada.private@example.com")
    redirect = facts["web_url"] + "api/sync/google/callback"
    status, begun = call(f"{api}/schedule/sync/connect", {"provider": "google", "redirectUri": redirect}, token)
    if not tally.equal("a consent begins", status, 200):
        tally.note(str(begun))
        return

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    try:
        opener.open(begun["authUrl"], timeout=30)
        tally.check("the provider sends the person back", False, "no redirect")
        return
    except urllib.error.HTTPError as answer:
        back = answer.headers.get("Location", "")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
    tally.check("the provider sends the person back", "code" in query and query.get("state") == begun["state"], back[:80])
    body = {"provider": "google", "code": query.get("code", ""), "state": query.get("state", "")}
    status, done = call(f"{api}/schedule/sync/callback", body, token)
    tally.check("the code is taken", status == 200 and done and done.get("success"), done)
    status, again = call(f"{api}/schedule/sync/callback", body, token)
    tally.check("once", status in (400, 409, 410), (status, again))


if __name__ == "__main__":
    main()
