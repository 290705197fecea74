"""Is the simulated Microsoft Graph what Microsoft's own client takes for Graph?

Signs in as a headless program and as a browser, drives the simulator with Microsoft's JavaScript client (microsoft/client.mjs), and
holds every request and every answer against the types of Graph's metadata.
"""

import base64
import hashlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from microsoft_schema import TOOLS, Schemas
from tally import Tally

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "conformance"
BINARY = Path(os.environ.get("KALENDS_SIMULATORS_BIN", ROOT / "target" / "debug" / "kalends-simulators"))
ACCOUNT = "ada@example.com"
REDIRECT = "http://localhost:9/back"
SCOPES = "offline_access openid User.Read MailboxSettings.Read Calendars.ReadWrite Calendars.ReadWrite.Shared"
EXCHANGES_MIN = 40
CLIENT_S = 240


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


# Straight to this machine, whatever proxies the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


class Simulator:
    """A provider of its own, ended when the block ends."""

    def __enter__(self) -> "Simulator":
        self.process = subprocess.Popen([str(BINARY), "microsoft"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = line.removeprefix("listening on ").strip()
        if not self.url.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"the simulator said {line!r}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def send(self, path: str, body: object = None, form: dict | None = None, headers: dict | None = None) -> tuple[int, dict]:
        """One request: its status and its JSON."""
        data, kind = None, "application/json"
        if body is not None:
            data = json.dumps(body).encode()
        elif form is not None:
            data, kind = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers={"Content-Type": kind, **(headers or {})})
        try:
            with DIRECT.open(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            text = error.read()
            if error.code == 302:
                return 302, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(error.headers["Location"]).query))
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {}

    def control(self, name: str, body: object = None) -> object:
        """Steers the provider, or looks into it."""
        status, answer = self.send(f"/_control/{name}", body)
        if status != 200:
            raise RuntimeError(f"{name}: {answer}")
        return answer

    def token(self, **form: str) -> tuple[int, dict]:
        return self.send("/common/oauth2/v2.0/token", form=form)


def device(tally: Tally, simulator: Simulator) -> None:
    """A program without a browser."""
    _, asked = simulator.send("/common/oauth2/v2.0/devicecode", form={"client_id": "public", "scope": SCOPES})
    wanted = {"user_code", "device_code", "verification_uri", "expires_in", "interval", "message"}
    tally.equal("a device gets a code", set(asked), wanted)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "public", "device_code": asked["device_code"]}
    status, waiting = simulator.token(**form)
    tally.equal("and waits", (status, waiting["error"], waiting["error_codes"]), (400, "authorization_pending", [70016]))
    simulator.control("device", {"code": asked["user_code"], "account": ACCOUNT})
    status, tokens = simulator.token(**form)
    tally.check("until somebody agrees", status == 200 and tokens["refresh_token"], tokens)


def sign_in(tally: Tally, simulator: Simulator) -> str:
    """The whole way of a browser: consent (agreed to at once), code with PKCE, tokens, and the next tokens."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": "client", "redirect_uri": REDIRECT, "response_type": "code", "state": "s", "scope": SCOPES,
        "code_challenge": challenge, "code_challenge_method": "S256", "auto": "1", "login_hint": ACCOUNT,
    }  # fmt: skip
    status, back = simulator.send(f"/common/oauth2/v2.0/authorize?{urllib.parse.urlencode(query)}")
    tally.equal("the consent leads back", (status, back.get("state")), (302, "s"))
    own = {"client_id": "client", "client_secret": "secret"}
    code = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": REDIRECT, **own}
    status, refused = simulator.token(**code, code_verifier="w" * 43)
    tally.equal("another verifier is refused", (status, refused["error_codes"]), (400, [501481]))
    status, tokens = simulator.token(**code, code_verifier=verifier)
    tally.equal("a code gives tokens", (status, tokens["token_type"]), (200, "Bearer"))
    status, next_tokens = simulator.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **own)
    tally.check("refresh tokens rotate", status == 200 and next_tokens["refresh_token"] != tokens["refresh_token"], next_tokens)
    status, refused = simulator.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id="client", client_secret="x")
    tally.equal("a wrong secret has its number", (status, refused["error_codes"]), (401, [7000215]))
    return next_tokens["access_token"]


def schemas_bite(tally: Tally, schemas: Schemas) -> None:
    """A validator that takes everything would prove nothing."""
    path = "/v1.0/me/calendars/x/events"
    good = {"subject": "x", "start": {"dateTime": "2027-03-09T09:00:00", "timeZone": "UTC"}, "attendees": [{"emailAddress": {"address": "a@b.c"}, "type": "required"}]}
    tally.equal("a good event is good", schemas.request("POST", path, good), [])
    for what, sentences in [
        ("an unknown member", schemas.request("POST", path, {**good, "summary": "x"})),
        ("an unknown value", schemas.request("POST", path, {**good, "showAs": "away"})),
        ("a wrong type", schemas.request("POST", path, {**good, "subject": 7})),
        ("a wrong type within", schemas.request("POST", path, {**good, "start": {"dateTime": 7}})),
        ("an unknown member within", schemas.request("POST", path, {**good, "recurrence": {"pattern": {"type": "weekly", "byDay": ["MO"]}}})),
        ("an unknown parameter", schemas.request("GET", path + "?maxResults=7", None)),
        ("a selection of a delta", schemas.request("GET", "/v1.0/me/calendarView/delta?$select=id", None)),
        ("an unknown address", schemas.request("GET", "/v1.0/me/appointments", None)),
        ("a body where none belongs", schemas.request("GET", path, good)),
        ("a list that is none", schemas.response("GET", path, 200, good)),
        ("an entry of another kind", schemas.response("GET", path, 200, {"value": [{"kind": "x"}]})),
        ("an error in another form", schemas.response("GET", path, 404, {"error": "x"})),
        ("a bad request within a batch", schemas.request("POST", "/v1.0/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/me/appointments"}]})),
    ]:
        tally.check(f"{what} is found", sentences)


def client(tally: Tally, schemas: Schemas, simulator: Simulator, token: str) -> int:
    """What Microsoft's client did, and whether both sides of it were in Graph's own form."""
    command = ["node", str(HERE / "microsoft" / "client.mjs"), str(TOOLS / "microsoft"), simulator.url, token]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=CLIENT_S)
    tally.equal("the client ends well", done.returncode, 0)
    exchanges = 0
    for line in done.stdout.splitlines():
        said = json.loads(line)
        if "check" in said:
            tally.check(said["check"], said["fine"], said["detail"])
            continue
        exchanges += 1
        one = said["exchange"]
        where = f"{one['method']} {one['path'].split('?')[0][:60]} {one['status']}"
        answer = json.loads(one["answer"]) if one["answer"] else None
        wrong = schemas.response(one["method"], one["path"], one["status"], answer)
        tally.check(f"{where} answers in Graph's own form", not wrong, wrong)
        if one["status"] < 300:
            body = json.loads(one["body"]) if one["body"] else None
            wrong = schemas.request(one["method"], one["path"], body)
            tally.check(f"{where} is asked in Graph's own form", not wrong, wrong)
    return exchanges


def main() -> None:
    tally = Tally("graph_client")
    start = time.monotonic()
    schemas = Schemas()
    schemas_bite(tally, schemas)
    with Simulator() as simulator:
        device(tally, simulator)
        token = sign_in(tally, simulator)
        exchanges = client(tally, schemas, simulator, token)
        tally.check("enough exchanges were validated", exchanges >= EXCHANGES_MIN, exchanges)
        counts = simulator.control("counts")
        tally.note(f"{exchanges} exchanges validated, {sum(counts.values())} requests, {time.monotonic() - start:.1f} s")
    tally.finish()


if __name__ == "__main__":
    main()
