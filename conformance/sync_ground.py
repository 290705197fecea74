"""A server with a simulated Google beside it: accounts, calendars on both sides, links between them, and a clock that both follow.

    with Ground() as ground:
        pair = ground.pair("story", direction="both")   # a calendar here, one there, linked
        pair.put("a.ics", event("a", "Made here"))
        pair.settled()                                   # whatever was to be done is done

KALENDS_BIN and KALENDS_SIMULATORS_BIN name the binaries. Nothing here sleeps to be right: what should come is polled for, with a
deadline; retries and intervals pass by setting the clock forward (KALENDS_CLOCK_FILE), not by waiting.
"""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

from server import ROOT, Server
from wire import Client

SIMULATOR = Path(os.environ.get("KALENDS_SIMULATORS_BIN", ROOT / "target" / "debug" / "kalends-simulators"))
PATIENCE = 20  # seconds until something that should come counts as lost
CALLBACK = "/api/sync/google/callback"
ZONE = "Europe/Berlin"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


# Straight to this machine, whatever proxies the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def call(method: str, url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, object]:
    """One request with JSON in and out; the status and what came, whatever the status."""
    sent = {"Content-Type": "application/json"} | (headers or {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), sent, method=method)
    try:
        with DIRECT.open(request, timeout=120) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text.decode(errors="replace")


def until(holds, patience: float = PATIENCE):
    """What it gives once that is true; `None`: never."""
    deadline = time.monotonic() + patience
    while True:
        seen = holds()
        if seen:
            return seen
        if time.monotonic() > deadline:
            return None
        time.sleep(0.05)


class Google:
    """The simulated provider as a process of its own, steered over its control."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([str(SIMULATOR), "google", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()
        if not self.url.startswith("http://127.0.0.1:"):
            raise SystemExit(f"{SIMULATOR} said {self.url!r}")

    def look(self, name: str, **query: object):
        status, answer = call("GET", f"{self.url}/_control/{name}?{urllib.parse.urlencode(query)}")
        assert status == 200, (name, status, answer)
        return answer

    def steer(self, what: str, body: object = None, **more: object):
        status, answer = call("POST", f"{self.url}/_control/{what}", more if body is None else body)
        assert status == 200, (what, status, answer)
        return answer

    def fault(self, fault: object, **more: object) -> None:
        """Something goes wrong: at the next request it fits, or as `call`, `part`, `skip` and `times` say (`times=None`: for ever)."""
        self.steer("faults", {"fault": fault, **more})

    def mend(self) -> None:
        call("DELETE", f"{self.url}/_control/faults")

    def requests(self) -> list[dict]:
        return self.look("requests")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Ground:
    def __init__(self, database: str = "sqlite", env: dict[str, str] | None = None, hooks: bool = True, elsewhere: bool = False) -> None:
        self.google = Google()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        setting = {
            "GOOGLE_CLIENT_ID": "client", "GOOGLE_CLIENT_SECRET": "secret", "GOOGLE_REDIRECT_URI": base + CALLBACK,
            "GOOGLE_API_URL": f"{self.google.url}/calendar/v3/", "GOOGLE_AUTH_URL": f"{self.google.url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URL": f"{self.google.url}/token", "GOOGLE_REVOKE_URL": f"{self.google.url}/revoke",
        }  # fmt: skip
        if elsewhere:  # another name, and so another site to a browser; and nobody told the server where people come back to
            setting["GOOGLE_AUTH_URL"] = setting["GOOGLE_AUTH_URL"].replace("127.0.0.1", "localhost")
            del setting["GOOGLE_REDIRECT_URI"]
        if hooks:
            setting["KALENDS_BASE_URL"] = base
        self.server = Server(database, env=setting | (env or {}), port=port)
        self.clock = self.server.folder / "clock"
        self.server.env["KALENDS_CLOCK_FILE"] = str(self.clock)
        self.ahead_ms = 0
        self.tokens: dict[str, str] = {}
        self.bell: "Pair | None" = None

    def __enter__(self) -> "Ground":
        self.server.start()
        self.ring()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.google.close()

    # The API here

    def api(self, method: str, path: str, body: object = None, user: str = "ada") -> tuple[int, object]:
        if user not in self.tokens:
            self.tokens[user] = self.server.secret("token", "add", user, "--scope", "appointments,sync")
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        return call(method, self.server.base + path, body, headers)

    def ask(self, method: str, path: str, body: object = None, user: str = "ada"):
        """As `api`, for what has to succeed."""
        status, answer = self.api(method, path, body, user)
        assert 200 <= status < 300, (method, path, status, answer)
        return answer

    # Accounts and links

    def consent(self, account: str, user: str = "ada", read_only: bool = False, more: dict | None = None) -> tuple[int, object]:
        """The whole way of a headless install: connect, the provider's page (agreed to at once), the code by the API."""
        self.google.steer("autoApprove", account=account)
        redirect = self.server.base + CALLBACK
        begun = self.ask("POST", "/api/schedule/sync/connect", {"provider": "google", "redirectUri": redirect, "readOnly": read_only} | (more or {}), user)
        back = follow(begun["authUrl"])
        return self.api("POST", "/api/schedule/sync/callback", {"provider": "google", "code": back.get("code", ""), "state": back.get("state", "")}, user)

    def connect(self, account: str, user: str = "ada") -> str:
        """A new account there, connected here; the connection's id."""
        self.google.steer("accounts", email=account, timeZone=ZONE)
        status, connected = self.consent(account, user)
        assert status == 200 and connected["success"], (status, connected)
        return connected["connectionId"]

    def pair(self, name: str, user: str = "ada", before=None, connection: str | None = None, remote: str | None = None, calendar: str | None = None, wait: bool = True, **settings: object) -> "Pair":
        """A calendar here and an account's main one there, linked; `before(pair)` puts into them what is there before that."""
        account = remote or f"{name}@example.com"
        connection = connection or self.connect(account, user)
        slug = calendar or name
        if calendar is None:
            self.server.cli("calendar", "add", user, slug)
        pair = Pair(self, user, slug, account, connection)
        if before:
            before(pair)
        body = {"connectionId": connection, "remoteCalendarId": account, "calendar": slug, **settings}
        pair.link = self.ask("POST", "/api/schedule/sync/links", body, user)["linkId"]
        if wait:
            pair.settled()
        return pair

    def status(self, user: str = "ada") -> dict:
        return self.ask("GET", "/api/schedule/sync/status", user=user)

    # Time

    def forward(self, seconds: float) -> None:
        """Sets both clocks forward, and has the server look what is due. What the provider notifies of comes before."""
        until(lambda: not self.google.look("channels")["unanswered"])
        self.ahead_ms += int(seconds * 1000)
        whole = self.clock.with_suffix(".new")
        whole.write_text(str(self.ahead_ms))
        whole.rename(self.clock)
        self.google.steer("clock", advanceMs=int(seconds * 1000))
        self.ring()

    def now(self) -> float:
        return time.time() + self.ahead_ms / 1000

    def ring(self) -> None:
        """A change in the calendar of a paused link: it is queued, so that the server looks at once what is due."""
        if self.bell is None:
            self.bell = self.pair("bell")
            self.ask("POST", "/api/schedule/sync/pause", {"linkId": self.bell.link})
        self.bell.put(f"{uuid.uuid4().hex}.ics", event(uuid.uuid4().hex, "ring"))


class Pair:
    """A calendar here, a calendar there, and their link."""

    def __init__(self, ground: Ground, user: str, slug: str, remote: str, connection: str) -> None:
        self.ground, self.google, self.user, self.slug, self.remote, self.connection = ground, ground.google, user, slug, remote, connection
        self.link = ""
        self.home = f"/dav/calendars/{user}/{slug}/"
        self.client: Client = ground.server.client(user)

    # Here

    def put(self, name: str, body: str, **headers: str):
        answer = self.client.put(self.home + name, body, **headers)
        assert answer.status in (201, 204), answer
        return answer

    def delete(self, name: str) -> None:
        answer = self.client.delete(self.home + name)
        assert answer.status == 204, answer

    def text(self, name: str) -> str:
        answer = self.client.get(self.home + name)
        return answer.body.decode() if answer.status == 200 else ""

    def texts(self) -> dict[str, str]:
        return {name: unfolded(self.text(name)) for name in self.client.members(self.home)}

    def titled(self, title: str) -> str:
        """The text of the object here that has this title; empty: none."""
        return next((text for text in self.texts().values() if f"\r\nSUMMARY:{title}\r\n" in text), "")

    def titles(self) -> list[str]:
        return sorted(line.removeprefix("SUMMARY:") for text in self.texts().values() for line in text.split("\r\n") if line.startswith("SUMMARY:"))

    def appointments(self) -> list[dict]:
        found = self.ground.ask("GET", f"/api/appointments?calendar={self.slug}&limit=500", user=self.user)
        return found["items"]

    def appointment(self, title: str) -> dict | None:
        return next((a for a in self.appointments() if a["title"] == title), None)

    def make(self, title: str, start: str = "2027-03-01T10:00:00", end: str = "2027-03-01T11:00:00", **more: object) -> dict:
        body = {"calendar": self.slug, "title": title, "start": start, "end": end, "time_zone": ZONE, **more}
        return self.ground.ask("POST", "/api/appointments", body, self.user)

    def change(self, appointment: str, **fields: object) -> dict:
        return self.ground.ask("PATCH", f"/api/appointments/{appointment}", fields, self.user)

    # There

    def events(self) -> list[dict]:
        return [e for e in self.google.look("events", calendar=self.remote) if e.get("status") != "cancelled"]

    def there(self, title: str) -> dict | None:
        return next((e for e in self.events() if e.get("summary") == title), None)

    def titles_there(self) -> list[str]:
        return sorted(e.get("summary", "") for e in self.events())

    def human(self, do: str, **more: object) -> str:
        return self.google.steer("human", calendar=self.remote, do=do, **more)["id"]

    def create_there(self, title: str, **more: object) -> str:
        return self.human("create", event=remote_event(title, **more))

    def edit_there(self, id: str, **patch: object) -> str:
        return self.human("edit", id=id, patch=patch)

    def requests(self, calls: str = "") -> list[dict]:
        """What was asked of this calendar, `calls` only if their names begin so."""
        part = f"/calendars/{urllib.parse.quote(self.remote, safe='')}/"
        return [r for r in self.google.requests() if (part in r["path"] or part.replace("%40", "@") in r["path"]) and r["call"].startswith(calls)]

    # The link

    def stand(self) -> dict:
        return next(link for link in self.ground.status(self.user)["links"] if link["linkId"] == self.link)

    def run(self) -> dict:
        """A run by hand, and what it did. One that cannot begin at once begins as soon as another is over."""
        before = {run["syncId"] for run in self.runs()}
        asked = self.ground.ask("POST", "/api/schedule/sync/sync-now", {"linkId": self.link}, self.user)

        def ended() -> dict | None:
            ids = [asked["syncId"]] if asked["syncId"] else [r["syncId"] for r in self.runs() if r["syncId"] not in before and r["syncType"] != "push"]
            run = self.details(ids[0]) if ids else None
            return run if run and run["status"] != "running" else None

        run = until(ended, 60)
        assert run is not None, asked
        return run

    def details(self, run: str) -> dict:
        return self.ground.ask("GET", f"/api/schedule/sync/history/{run}", user=self.user)

    def runs(self, limit: int = 20, **more: object) -> list[dict]:
        query = urllib.parse.urlencode({"linkId": self.link, "limit": limit, **more})
        return self.ground.ask("GET", f"/api/schedule/sync/history?{query}", user=self.user)["items"]

    def attempts(self) -> list[dict]:
        """The recorded calls of the link's last runs, newest run first."""
        found = []
        for run in self.runs():
            found += self.details(run["syncId"])["attempts"]
        return found

    def settled(self, patience: float = PATIENCE) -> dict:
        """Waits until nothing of the link is under way."""

        def rests():
            link = self.stand()
            first = self.runs(1)
            return link if link["lastSyncAt"] and link["itemsWaiting"] == 0 and first and first[0]["status"] != "running" else None

        link = until(rests, patience)
        assert link is not None, self.stand()
        return link

    def step(self) -> dict:
        """Everything in both directions, until nothing is under way."""
        run = self.run()
        self.settled()
        return run

    def set(self, **settings: object) -> dict:
        return self.ground.ask("PUT", "/api/schedule/sync/settings", {"linkId": self.link, **settings}, self.user)

    def pause(self) -> None:
        self.ground.ask("POST", "/api/schedule/sync/pause", {"linkId": self.link}, self.user)

    def resume(self) -> None:
        self.ground.ask("POST", "/api/schedule/sync/resume", {"linkId": self.link}, self.user)

    def conflicts(self, status: str = "open") -> list[dict]:
        return self.ground.ask("GET", f"/api/schedule/sync/conflicts?linkId={self.link}&status={status}&limit=500", user=self.user)["items"]

    def preview(self) -> dict:
        return self.ground.ask("POST", "/api/schedule/sync/preview", {"linkId": self.link}, self.user)


def follow(url: str, **query: str) -> dict[str, str]:
    """Where the provider sends the person back to: the query."""
    try:
        DIRECT.open(url, timeout=30)
    except urllib.error.HTTPError as answer:
        back = answer.headers.get("Location", "")
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
    return {}


def unfolded(text: str) -> str:
    """Without folds, and commas and semicolons as they are read."""
    return text.replace("\r\n ", "").replace("\r\n\t", "").replace("\\,", ",").replace("\\;", ";")


def event(uid: str, title: str, start: str = "20270301T100000", lines: str = "", more: str = "") -> str:
    """An object as a client writes it; `lines` within the event, `more` after it."""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Sync//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20270101T000000Z\r\nDTSTART;TZID={ZONE}:{start}\r\nDURATION:PT1H\r\n"
        f"SUMMARY:{title}\r\n{lines}END:VEVENT\r\n{more}END:VCALENDAR\r\n"
    )


def remote_event(title: str, day: str = "2027-03-02", hour: int = 9, **more: object) -> dict:
    at = lambda hour: {"dateTime": f"{day}T{hour:02}:00:00", "timeZone": ZONE}  # noqa: E731
    return {"summary": title, "start": at(hour), "end": at(hour + 1), **more}
