"""Connecting an account: in a browser from the start page to events on both sides, by the API, by a pasted address; what a consent
is bound to; too little granted; a grant that ends, and its reconnect; disconnecting; how tokens are kept.

usage: sync_consent.py [browser] [api]
"""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.parse

from server import HERE, PASSWORDS, ROOT
from sync_ground import CALLBACK, Ground, Pair, event, follow, until
from tally import Tally

TOOLS = os.environ.get("KALENDS_TOOLS", str(ROOT / ".cache" / "conformance"))
VISIT_SECONDS = 180


def browser(tally: Tally) -> None:
    if subprocess.run([str(HERE / "tools.sh"), "browser"], stdout=subprocess.DEVNULL).returncode != 0:
        raise SystemExit("sync_consent: the tools cannot be installed")
    # The provider is another site to the browser: what a session's cookie allows across sites is part of this.
    with Ground(elsewhere=True, hooks=False) as ground:
        google = ground.google
        google.steer("accounts", email="grace@example.com", timeZone="Europe/Berlin")
        google.steer("calendars", account="grace@example.com", id="team@group.example.com", name="Team", role="owner", timeZone="Europe/Berlin")
        google.steer("accounts", email="private@example.com", timeZone="Europe/Berlin")
        google.steer("human", calendar="team@group.example.com", do="create", event={"summary": "Theirs", "start": {"date": "2027-03-05"}, "end": {"date": "2027-03-06"}})
        ground.server.client("ada").put("/dav/calendars/ada/calendar/ours.ics", event("consent-ours", "Ours"))
        google.steer("autoApprove")
        visit = {
            "chromium": shutil.which("chromium") or shutil.which("google-chrome"), "base": ground.server.base,
            "users": {name: PASSWORDS[name] for name in ("ada", "bob")},
        }  # fmt: skip
        done = subprocess.run(
            ["node", str(HERE / "sync_consent.mjs"), str(TOOLS + "/node"), json.dumps(visit)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=VISIT_SECONDS,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            found = json.loads(line)
            tally.check(found["what"], found["holds"], found["seen"])
        tally.equal("the browser ends well", done.returncode, 0)
        there = lambda: sorted(e["summary"] for e in google.look("events", calendar="team@group.example.com"))  # noqa: E731
        tally.check("browser: ours is in the chosen calendar", until(lambda: there() == ["Ours", "Theirs"]), there())
        here = lambda: sorted(a["title"] for a in ground.ask("GET", "/api/appointments?calendar=calendar&limit=100")["items"])  # noqa: E731
        tally.check("browser: theirs is here", until(lambda: here() == ["Ours", "Theirs"]), here())
        states = {c["account"]: c["status"] for c in ground.status()["connections"] if not c["account"].startswith("bell")}
        tally.equal("browser: the account of which too little was granted waits", states, {"grace@example.com": "active", "private@example.com": "active", "ada@example.com": "needs_reauth"})
        tally.check("browser: no code and no token is in the log", not leaked(ground), leaked(ground))


def leaked(ground: Ground) -> list[str]:
    """What of secrets that the provider gave or saw is in the log, or readable in the database."""
    secrets = set()
    for request in ground.google.requests():
        secrets.add(request["headers"].get("authorization", "").removeprefix("Bearer "))
        form = urllib.parse.parse_qs(request["body"]) if request["call"] in ("oauth.token", "oauth.revoke") else {}
        secrets |= {value for name in ("code", "refresh_token", "token", "code_verifier", "client_secret") for value in form.get(name, [])}
    secrets -= {"", "secret"}
    places = {"log": ground.server.log().encode()} | {str(p): p.read_bytes() for p in (ground.server.folder / "data").glob("*.db*")}
    assert len(secrets) > 2, "nothing was asked"
    return [f"{secret[:6]}… in {place}" for place, text in places.items() for secret in secrets if secret.encode() in text]


def api(tally: Tally) -> None:
    with Ground() as ground:
        google, redirect = ground.google, ground.server.base + CALLBACK
        pair = ground.pair("consent")
        account = "consent@example.com"
        pair.put("ours.ics", event("consent-ours", "Ours"))
        theirs = pair.create_there("Theirs")
        pair.step()
        tally.equal("an account is connected, linked and in step", (pair.titles(), pair.titles_there()), (["Ours", "Theirs"], ["Ours", "Theirs"]))

        def begin(user: str = "ada") -> dict[str, str]:
            google.steer("autoApprove", account=account)
            back = follow(ground.ask("POST", "/api/schedule/sync/connect", {"provider": "google", "redirectUri": redirect}, user)["authUrl"])
            return {"provider": "google", "code": back["code"], "state": back["state"]}

        def finish(body: dict, user: str = "ada") -> tuple[int, object]:
            return ground.api("POST", "/api/schedule/sync/callback", body, user)

        # What a consent is bound to.
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(ground.ask("POST", "/api/schedule/sync/connect", {"provider": "google", "redirectUri": redirect})["authUrl"]).query)
        tally.equal("PKCE by SHA-256, offline, with both scopes", (asked["code_challenge_method"], asked["access_type"], asked["response_type"], len(asked["code_challenge"][0])), (["S256"], ["offline"], ["code"], 43))
        one = begin()
        status, answer = finish(one, "bob")
        tally.equal("another user cannot finish it", (status, answer["code"]), (400, "bad_consent"))
        status, answer = finish(one)
        tally.equal("and then it is used up", status, 400)
        two = begin()
        tally.equal("with a state of somebody's own it does not work", finish(two | {"state": "x" * 43})[0], 400)
        tally.equal("with its own it does", finish(two)[0], 200)
        tally.equal("once", finish(two)[0], 400)
        three = begin()
        ground.forward(16 * 60)
        tally.equal("nor after a quarter of an hour", finish(three)[0], 400)
        four = begin()
        tally.equal("a code of somebody else's does not work", finish(four | {"code": "4/0Astolen"})[0] >= 400, True)
        status, second = finish(begin())
        tally.equal("an account is one connection however often it consents", (status, second["connectionId"]), (200, pair.connection))

        # Tokens: renewed before they end, and when they are not taken.
        tokens = lambda: google.look("counts").get("oauth.token", 0)  # noqa: E731
        refused = lambda: len([r for r in pair.requests() if r["status"] == 401])  # noqa: E731
        count, bad = tokens(), refused()
        ground.forward(57 * 60)
        pair.step()
        tally.check("a token is renewed before it ends", tokens() > count and refused() == bad, (tokens() - count, refused() - bad))
        count = tokens()
        google.steer("expireAccess", account=account)
        run = pair.step()
        tally.equal("one that is not taken is renewed once", (run["status"], tokens() - count), ("success", 1))

        # A grant that ends, and its reconnect.
        google.steer("revoke", account=account, client="client")
        pair.put("meanwhile.ics", event("consent-meanwhile", "Ours, meanwhile"))
        connection = lambda: next(c for c in ground.status()["connections"] if c["connectionId"] == pair.connection)  # noqa: E731
        tally.check("a grant that ended needs consent", until(lambda: connection()["status"] == "needs_reauth"), connection())
        notices = ground.ask("GET", "/api/schedule/sync/notices")["items"]
        tally.check("its owner is told", [n for n in notices if n["kind"] == "needs_reauth"], notices)
        tally.equal("and nothing runs", pair.stand()["isActive"], False)
        asked_before = len(pair.requests())
        ground.forward(20 * 60)
        tally.equal("nor is the provider asked in vain", len(pair.requests()), asked_before)
        google.steer("human", calendar=account, do="edit", id=theirs, patch={"location": "Meanwhile"})
        status, again = ground.consent(account)
        tally.equal("consented again, it is the same connection", (status, again["connectionId"]), (200, pair.connection))
        tally.check("what was done here meanwhile is there", until(lambda: pair.there("Ours, meanwhile")), pair.titles_there())
        tally.check("what was done there is here", until(lambda: pair.appointment("Theirs")["location"] == "Meanwhile"))
        tally.equal("nothing is doubled", (pair.titles(), pair.titles_there()), (["Ours", "Ours, meanwhile", "Theirs"],) * 2)
        notices = [n for n in ground.ask("GET", "/api/schedule/sync/notices")["items"] if n["kind"] == "needs_reauth" and not n.get("seenAt")]
        tally.equal("the notice is settled", notices, [])

        # Too little granted.
        google.steer("accounts", email="little@example.com", timeZone="Europe/Berlin")
        google.steer("withholdScopes", scopes=["calendar.events"])
        status, little = ground.consent("little@example.com")
        tally.equal("too little granted is noticed", (status, little["success"], little["writable"]), (200, False, False))
        made = ground.api("POST", "/api/schedule/sync/links", {"connectionId": little["connectionId"], "remoteCalendarId": "little@example.com", "calendar": "consent"})
        tally.check("and no link is made with it", made[0] >= 400, made)
        google.steer("withholdScopes", scopes=[])
        status, enough = ground.consent("little@example.com")
        tally.equal("consented again with all of it, it works", (status, enough["success"], enough["connectionId"]), (200, True, little["connectionId"]))
        google.steer("accounts", email="reader@example.com", timeZone="Europe/Berlin")
        status, reader = ground.consent("reader@example.com", read_only=True)
        tally.equal("reading alone can be granted", (status, reader["success"], reader["writable"]), (200, True, False))

        kept(tally, ground, pair, connection)
        ended(tally, ground, pair, connection)
        tally.check("no secret is in the log or readable in the database", not leaked(ground), leaked(ground))


def kept(tally: Tally, ground: Ground, pair: Pair, connection) -> None:
    """How tokens are kept: sealed for their row, under a key that can be changed while the server runs."""
    google = ground.google
    other = ground.pair("other")
    database = ground.server.folder / "data" / "kalends.db"

    def sealed(connection: str, put: bytes | None = None) -> bytes:
        with sqlite3.connect(database, timeout=30) as db:
            if put is not None:
                db.execute("update connections set secret_sealed = ? where connection_id = ?", (put, connection))
            return db.execute("select secret_sealed from connections where connection_id = ?", (connection,)).fetchone()[0]

    theirs = sealed(other.connection)
    sealed(pair.connection, theirs)
    asked = len(google.requests())
    run = pair.run()
    tally.check("a ciphertext that was moved to another row does not open", run["status"] == "failed" and "cannot be opened" in run["errorSummary"], run)
    tally.equal("and nobody is asked with it", len(google.requests()), asked)
    tally.equal("it has to be consented again", connection()["status"], "needs_reauth")
    tally.equal("consented again, it is the same connection", ground.consent(pair.remote)[1]["connectionId"], pair.connection)
    tally.equal("and works", pair.step()["status"], "success")

    # As README has it: a new key in front of the old one, a restart, `rotate-key` while the server runs, the old one removed.
    file = ground.server.folder / "data" / "encryption.key"
    old = file.read_text().strip()
    new = base64.b64encode(os.urandom(32)).decode()
    ground.server.stop()
    file.write_text(f"{new},{old}\n")
    ground.server.start()
    mine = sealed(pair.connection)
    pair.put("rotating.ics", event("consent-rotating", "Rotating"))
    done = ground.server.cli("rotate-key", check=False)
    tally.equal("the key is rotated while the server runs", done.returncode, 0)
    tally.check("and everything is sealed anew", sealed(pair.connection) != mine, done.stdout + done.stderr)
    tally.check("and work goes on meanwhile", until(lambda: pair.there("Rotating")))
    pair.delete("rotating.ics")
    until(lambda: not pair.there("Rotating"))
    for one in (pair, other):
        tally.equal("the running server opens what is sealed anew", one.step()["status"], "success")
    ground.forward(58 * 60)
    tally.equal("and seals renewed tokens", pair.step()["status"], "success")
    ground.server.stop()
    file.write_text(f"{new}\n")
    ground.server.start()
    tally.equal("a server that knows the new key alone too", pair.step()["status"], "success")
    doctor = ground.server.cli("doctor", check=False)
    tally.equal("doctor finds nothing", doctor.returncode, 0)
    other.pause()


def ended(tally: Tally, ground: Ground, pair: Pair, connection) -> None:
    """Disconnected, kept and removed, and connected again."""
    google = ground.google
    revokes = google.look("counts").get("oauth.revoke", 0)
    done = ground.ask("DELETE", "/api/schedule/sync/disconnect", {"connectionId": pair.connection})
    tally.equal("disconnected, the grant is revoked at the provider", (done["success"], done["revokedAtProvider"], google.look("counts").get("oauth.revoke", 0) - revokes), (True, True, 1))
    tally.equal("the connection is so", connection()["status"], "revoked")
    with sqlite3.connect(ground.server.folder / "data" / "kalends.db", timeout=30) as db:
        tally.equal("its tokens are forgotten", db.execute("select secret_sealed from connections where connection_id = ?", (pair.connection,)).fetchone()[0], None)
    tally.equal("nothing was deleted on either side", (pair.titles(), pair.titles_there()), (["Ours", "Ours, meanwhile", "Theirs"],) * 2)
    pair.put("apart.ics", event("consent-apart", "Ours, apart"))
    pair.create_there("Theirs, apart")
    status, again = ground.consent("consent@example.com")
    tally.equal("connected again, it is the same connection", (status, again["connectionId"]), (200, pair.connection))
    wanted = ["Ours", "Ours, apart", "Ours, meanwhile", "Theirs", "Theirs, apart"]
    tally.check("and finds everything again, nothing doubled", until(lambda: (pair.titles(), pair.titles_there()) == (wanted, wanted)), (pair.titles(), pair.titles_there()))
    pair.settled()
    done = ground.ask("DELETE", "/api/schedule/sync/disconnect", {"connectionId": pair.connection, "imported": "remove"})
    tally.equal("disconnected with removal, what came from there is deleted here", (done["removed"], pair.titles()), (2, ["Ours", "Ours, apart", "Ours, meanwhile"]))
    tally.equal("and nothing there", pair.titles_there(), wanted)
    status, _ = ground.consent("consent@example.com")
    tally.check("connected once more, it is here again, once", until(lambda: pair.titles() == wanted), pair.titles())
    pair.settled()
    tally.equal("and there as it was", pair.titles_there(), wanted)


def main() -> None:
    wanted = sys.argv[1:]
    tally = Tally("sync_consent")
    for part in (api, browser):
        if wanted and part.__name__ not in wanted:
            continue
        print(f"-- {part.__name__}", flush=True)
        try:
            part(tally)
        except (AssertionError, KeyError, IndexError, StopIteration, TypeError) as error:
            tally.check(f"{part.__name__} comes to its end", False, f"{type(error).__name__} at line {error.__traceback__.tb_next.tb_lineno}: {error!r}")
    tally.finish()


if __name__ == "__main__":
    main()
