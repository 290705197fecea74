"""The simulated Google as a process, Google's own client pointed at it, and a receiver for its notifications.

KALENDS_SIMULATORS_BIN names the binary (default target/debug/kalends-simulators).
"""

import base64
import hashlib
import http.server
import json
import os
import queue
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import google.oauth2.credentials
import google_auth_httplib2
import googleapiclient.discovery
import httplib2
from google_schema import Schemas

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("KALENDS_SIMULATORS_BIN", ROOT / "target" / "debug" / "kalends-simulators"))
SCOPES = "https://www.googleapis.com/auth/"
REDIRECT = "http://127.0.0.1:9/back"
ACCOUNT = "ada@example.com"


class Simulator:
    """A provider of its own, ended when the block ends."""

    def __enter__(self) -> "Simulator":
        self.process = subprocess.Popen([str(BINARY), "google"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = line.removeprefix("listening on ").strip()
        if not self.url.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"the simulator said {line!r}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def control(self, name: str, body: object = None, method: str | None = None) -> object:
        """Steers the provider, or looks into it."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_control/{name}", data=data, method=method)
        with DIRECT.open(request, timeout=30) as answer:
            return json.load(answer)

    def human(self, do: str, calendar: str = ACCOUNT, **more: object) -> str:
        return self.control("human", {"do": do, "calendar": calendar, **more})["id"]

    def fault(self, fault: object, **more: object) -> None:
        self.control("faults", {"fault": fault, **more})


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


# Straight to this machine, whatever proxies the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


class Watched(httplib2.Http):
    """Validates every answer of the API against Google's own description, as it comes in."""

    def __init__(self, tally, schemas: Schemas) -> None:
        super().__init__(proxy_info=None, timeout=30)
        self.tally, self.schemas = tally, schemas
        self.follow_redirects = False
        self.validated = 0
        self.wanted = True

    def request(self, uri, method="GET", body=None, headers=None, **more):
        answer, content = super().request(uri, method=method, body=body, headers=headers, **more)
        path = urllib.parse.urlsplit(uri).path
        if self.wanted and path.startswith("/calendar/v3/") and answer.status != 304:
            self.validate(method, path, answer.status, content)
        return answer, content

    def validate(self, method: str, path: str, status: int, content: bytes | str) -> None:
        try:
            body = json.loads(content) if content else None
        except ValueError as error:
            body = f"no JSON: {error}"
        wrong = self.schemas.response(method, path, body) if status < 300 else self.schemas.error(body)
        self.validated += 1
        self.tally.check(f"{method} {path} {status} answers in Google's own form", not wrong, wrong)


def sign_in(simulator: Simulator, scopes: list[str]) -> dict:
    """The whole way of a browser: consent (agreed to at once), code with PKCE, tokens."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": "client", "redirect_uri": REDIRECT, "response_type": "code", "state": "s", "access_type": "offline", "prompt": "consent",
        "scope": " ".join(SCOPES + scope for scope in scopes), "code_challenge": challenge, "code_challenge_method": "S256",
        "auto": "1", "login_hint": ACCOUNT,
    }  # fmt: skip
    try:
        DIRECT.open(f"{simulator.url}/o/oauth2/v2/auth?{urllib.parse.urlencode(query)}", timeout=30)
        raise RuntimeError("the consent did not redirect")
    except urllib.error.HTTPError as redirect:
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(redirect.headers["Location"]).query)
    form = {
        "grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": REDIRECT, "client_id": "client", "client_secret": "secret",
        "code_verifier": verifier,
    }  # fmt: skip
    with DIRECT.open(f"{simulator.url}/token", data=urllib.parse.urlencode(form).encode(), timeout=30) as answer:
        return json.load(answer)


def service(simulator: Simulator, tokens: dict, http: httplib2.Http):
    """Google's client, with the simulator in Google's place."""
    credentials = google.oauth2.credentials.Credentials(
        tokens["access_token"], refresh_token=tokens.get("refresh_token"), token_uri=f"{simulator.url}/token", client_id="client", client_secret="secret"
    )
    return googleapiclient.discovery.build(
        "calendar",
        "v3",
        http=google_auth_httplib2.AuthorizedHttp(credentials, http=http),
        static_discovery=True,
        client_options={"api_endpoint": f"{simulator.url}/calendar/v3/"},
    )


class Receiver:
    """Takes notifications on this machine: their headers, one after the other."""

    def __enter__(self) -> "Receiver":
        self.got: queue.Queue = queue.Queue()
        got = self.got

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.put(dict(self.headers))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()

    def next(self) -> dict:
        return self.got.get(timeout=10)
