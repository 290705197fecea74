"""Stands between litmus, which knows files and folders, and a calendar server: the least that makes its questions sensible.

Litmus works in a collection of its own, `litmus/`, made by a plain MKCOL. Such a collection may be nothing but a calendar here:

- a MKCOL without a body becomes an extended MKCOL (RFC 5689) for a calendar, and what litmus makes within `litmus/` is made beside
  it, since a calendar cannot be in a calendar;
- "objects": a file that is PUT is wrapped into an event, and unwrapped from what the server gives back;
- "calendars": a file is a calendar, and `litmus/` another name of the home.

Everything else passes as it is: methods, headers, conditions, statuses, bodies.
"""

import base64
import http.client
import socket
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

MAKE_CALENDAR = (
    b'<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><D:resourcetype><D:collection/><C:calendar/>'
    b"</D:resourcetype></D:prop></D:set></D:mkcol>"
)
HOP_BY_HOP = {"connection", "keep-alive", "te", "transfer-encoding", "content-length", "expect"}
CARRIER = "X-LITMUS-FILE"
SECONDS = 30


def wrap(content: bytes, uid: str) -> bytes:
    """A file as an event."""
    line = f"{CARRIER}:{base64.b64encode(content).decode()}"
    folded = "\r\n ".join(line[at : at + 70] for at in range(0, len(line), 70))
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//litmus//EN", "BEGIN:VEVENT", f"UID:{uid}",
        "DTSTAMP:20260101T000000Z", "DTSTART:20260101T000000Z", folded, "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def value(body: bytes, name: str) -> str | None:
    """The value of a property in an object, unfolded."""
    for line in body.decode().replace("\r\n ", "").split("\r\n"):
        if line.startswith(f"{name}:"):
            return line.partition(":")[2]
    return None


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, base: str, home: str, files_are: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        parts = urlsplit(base)
        self.upstream = (parts.hostname, parts.port)
        self.home, self.root, self.calendars = home, f"{home}litmus/", files_are == "calendars"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.home}"

    def inward(self, text: str) -> str:
        """A path, or a header with a URL at its end, as the server knows it."""
        before, root, name = text.partition(self.root)
        if not root:
            return text
        if self.calendars:
            return before + self.home + (name.rstrip("/") + "/" if name else "")
        return before + (self.home if "/" in name else root) + name


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def handle_expect_100(self) -> bool:
        return True  # the server says it, or does not; see `relay`

    def relay(self) -> None:
        proxy = self.server
        path = proxy.inward(self.path)
        if self.command == "MKCOL" and not proxy.calendars and self.is_file(self.path.rstrip("/")):
            path = self.path  # over a file, where the server is asked whether it may
        headers = {name: proxy.inward(text) for name, text in self.headers.items() if name.lower() not in HOP_BY_HOP}
        if proxy.calendars and self.path == proxy.root and self.command in ("MKCOL", "DELETE"):
            # The home is there and stays; a suite wants to make its collection when it begins and to remove it when it ends.
            self.answer(201 if self.command == "MKCOL" else 204, [], b"")
            return
        if self.headers.get("Expect", "").lower() == "100-continue":
            status, answered, body = self.expecting(path, headers)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            method = "MKCOL" if self.command == "PUT" and proxy.calendars else self.command
            if method == "MKCOL" and (method != self.command or not body):
                headers["Content-Type"], body = "application/xml", MAKE_CALENDAR
            elif method == "PUT":
                headers["Content-Type"], body = "text/calendar", wrap(body, self.uid(path, headers))
            status, answered, body = self.ask(method, path, body, headers)
        if proxy.calendars and status == 207:
            body = body.replace(f"<D:href>{proxy.home}".encode(), f"<D:href>{proxy.root}".encode())
        if self.command == "GET" and (carried := value(body, CARRIER) if b"VCALENDAR" in body else None) is not None:
            body = base64.b64decode(carried)
        self.answer(status, answered, body)

    do_OPTIONS = do_HEAD = do_GET = do_PUT = do_DELETE = do_MKCOL = do_COPY = do_MOVE = do_PROPFIND = do_PROPPATCH = relay
    do_LOCK = do_UNLOCK = relay

    def uid(self, path: str, headers: dict[str, str]) -> str:
        """An object keeps its UID for life, and a new one has a new one."""
        who = {name: text for name, text in headers.items() if name.lower() in ("authorization", "host")}
        status, _, body = self.ask("GET", path, b"", who)
        return (value(body, "UID") if status == 200 else None) or str(uuid.uuid4())

    def is_file(self, path: str) -> bool:
        return self.ask("HEAD", path, b"", {"Authorization": self.headers.get("Authorization", "")})[0] == 200

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.server.upstream, timeout=SECONDS)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def expecting(self, path: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        """A request that waits for the server's leave before it sends its body."""
        with socket.create_connection(self.server.upstream, SECONDS) as upstream:
            head = [f"{self.command} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
            head += ["Expect: 100-continue", "Transfer-Encoding: chunked", "Connection: close", "", ""]
            upstream.sendall("\r\n".join(head).encode())
            if upstream.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL).endswith(b" 100"):
                while not upstream.recv(1, socket.MSG_WAITALL) == b"\r" or upstream.recv(3, socket.MSG_WAITALL) != b"\n\r\n":
                    pass
                self.send_response_only(100)
                self.end_headers()
                content = wrap(self.rfile.read(int(self.headers["Content-Length"])), str(uuid.uuid4()))
                upstream.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
            answer = http.client.HTTPResponse(upstream, method=self.command)
            answer.begin()
            return answer.status, answer.getheaders(), answer.read()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, text in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
