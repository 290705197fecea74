"""A notice by mail, taken by aiosmtpd: STARTTLS and a password are demanded, the certificate is checked, the sender's words are parsed.

The demo's Google account loses its consent; its user is told once. The server's trust is the one of the machine, set for this
process by SSL_CERT_FILE.

usage: notices_mail.py
"""

import email
import email.policy
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from google_sync import ACCOUNT, Google, call, event, until
from server import demo
from tally import Tally
from wire import Client

USER, PASSWORD = b"kalends@mail.example", b"post-geheim-1"
QUIET_SECONDS = 7  # longer than the sender looks away


class Postbox:
    """Takes what comes, after refusing the first one for now."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes, bool]] = []
        self.refused = 0

    async def handle_RCPT(self, server, session, envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if not self.refused:
            self.refused += 1
            return "451 later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content, session.authenticated and session.ssl is not None))
        return "250 OK"


def authenticate(server, session, envelope, mechanism: str, data: object) -> AuthResult:
    return AuthResult(success=isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD))


def certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def judge(tally: Tally, trusted: bool, folder: Path) -> None:
    cert, key = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    postbox = Postbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(postbox, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate)
    controller.start()
    clock = folder / "clock"
    clock.write_text("0")
    env = {
        "KALENDS_SMTP_URL": f"smtp://{USER.decode().replace('@', '%40')}:{PASSWORD.decode()}@localhost:{port}?tls=required",
        "KALENDS_MAIL_FROM": "Kalends <kalends@mail.example>",
        "KALENDS_CLOCK_FILE": str(clock),
    }
    if trusted:
        env["SSL_CERT_FILE"] = str(cert)
    process, facts = demo(env)
    try:
        google, base = Google(facts["google_url"]), facts["web_url"].rstrip("/")
        ada = next(u for u in facts["users"] if u["name"] == "ada")
        client = Client(base, ada["name"], ada["password"])
        until(lambda: "Training with Carl" in google.titles())
        google.post("revoke", account=ACCOUNT)
        client.put("/dav/calendars/ada/calendar/mail-1.ics", event("mail-1", "Nobody else's business"))

        def waiting() -> bool:
            notices = call(f"{base}/api/schedule/sync/notices", token=facts["api_token"])[1]["items"]
            return any(n["kind"] == "needs_reauth" for n in notices)

        # The access token goes on for a while; the refresh is what is refused.
        clock.write_text(str(2 * 3_600_000))
        if not tally.check("the user has a notice", until(waiting) is not None):
            return
        if not trusted:
            time.sleep(QUIET_SECONDS)
            tally.equal("nothing is said to a server that nobody vouches for", (postbox.taken, postbox.refused), ([], 0))
            return
        tally.check("the server is asked, and refuses", until(lambda: postbox.refused) is not None)
        clock.write_text(str(3 * 3_600_000))
        if not tally.check("it is asked again, and takes it", until(lambda: postbox.taken) is not None):
            return
        clock.write_text(str(30 * 3_600_000))
        time.sleep(QUIET_SECONDS)
        tally.equal("once", len(postbox.taken), 1)
        sender, receivers, content, sealed = postbox.taken[0]
        tally.equal("from and to", (sender, receivers), ("kalends@mail.example", ["ada@example.org"]))
        tally.check("signed in, under TLS", sealed)
        message = email.message_from_bytes(content, policy=email.policy.default)
        tally.equal("no defects", message.defects, [])
        tally.equal("subject", message["Subject"], "Kalends: an account has to be connected again")
        tally.equal("whose", (message["From"], message["To"], message["Auto-Submitted"]), ("Kalends <kalends@mail.example>", "ada@example.org", "auto-generated"))
        tally.check("it has its id and its date", message["Message-ID"].endswith("@mail.example>") and message["Date"], dict(message))
        text = message.get_content()
        tally.check("it has a link", f"{base}/sync" in text, text)
        tally.check("and no title, no secret", "business" not in text and "geheim" not in text, text)
    finally:
        process.terminate()
        process.wait(20)
        controller.stop()


def main() -> None:
    tally = Tally("notices_mail")
    for trusted in (True, False):
        with tempfile.TemporaryDirectory(prefix="kalends-mail-") as folder:
            judge(tally, trusted, Path(folder))
    tally.finish()


if __name__ == "__main__":
    main()
