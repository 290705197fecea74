"""Plain HTTP with the WebDAV verbs, over the standard library: no help that could hide what a server answers."""

import base64
import http.client
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
CALENDAR = {"Content-Type": "text/calendar; charset=utf-8"}
XML = {"Content-Type": "application/xml; charset=utf-8"}


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    @property
    def etag(self) -> str | None:
        return self.headers.get("ETag")

    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)

    def precondition(self) -> str | None:
        """The local name of the first element within DAV:error, None when the body is not one."""
        try:
            root = self.xml()
        except ElementTree.ParseError:
            return None
        if root.tag != DAV + "error" or len(root) == 0:
            return None
        return root[0].tag.rsplit("}", 1)[-1]

    def __str__(self) -> str:
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """One connection of one user, kept open between requests and opened anew when the server closed it."""

    def __init__(self, base: str, user: str | None = None, password: str | None = None, timeout: float = 60) -> None:
        parts = urlsplit(base)
        self.host, self.port, self.timeout = parts.hostname, parts.port or 80, timeout
        self.auth = None
        if user is not None:
            self.auth = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.connection: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request, one answer. A kept connection that turns out to be closed is tried once anew."""
        data = body.encode() if isinstance(body, str) else body
        sent = dict(headers or {})
        if self.auth and "Authorization" not in sent:
            sent["Authorization"] = self.auth
        for attempt in (1, 2):
            fresh = self.connection is None
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            try:
                self.connection.request(method, path, data, sent)
                answer = self.connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())
            except (http.client.HTTPException, OSError):
                self.close()
                if fresh or attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=_names(headers))

    def put(self, path: str, body: bytes | str, **headers: str) -> Answer:
        return self.send("PUT", path, body, CALENDAR | _names(headers))

    def delete(self, path: str, **headers: str) -> Answer:
        return self.send("DELETE", path, headers=_names(headers))

    def propfind(self, path: str, depth: str, *props: str) -> Answer:
        """`props` as namespace-prefixed names: D: DAV, C: CalDAV, CS: calendarserver.org."""
        names = "".join(f"<{prop}/>" for prop in props)
        body = f'<D:propfind {NAMESPACES}><D:prop>{names}</D:prop></D:propfind>'
        return self.send("PROPFIND", path, body, XML | {"Depth": depth})

    def report(self, path: str, body: str, depth: str = "1") -> Answer:
        return self.send("REPORT", path, body, XML | {"Depth": depth})

    def make_calendar(self, path: str, *components: str) -> Answer:
        """MKCALENDAR; without components the server chooses the set."""
        comps = "".join(f'<C:comp name="{name}"/>' for name in components)
        props = f"<C:supported-calendar-component-set>{comps}</C:supported-calendar-component-set>" if comps else ""
        body = f"<C:mkcalendar {NAMESPACES}><D:set><D:prop><D:displayname>{path.strip('/').rsplit('/', 1)[-1]}</D:displayname>{props}</D:prop></D:set></C:mkcalendar>"
        return self.send("MKCALENDAR", path, body, XML)

    def members(self, path: str) -> dict[str, str]:
        """Name → etag of every member of a collection, by one PROPFIND."""
        answer = self.propfind(path, "1", "D:getetag", "D:resourcetype")
        if answer.status != 207:
            raise AssertionError(f"PROPFIND {path}: {answer}")
        found = {}
        for response in answer.xml().iter(DAV + "response"):
            href = response.findtext(DAV + "href", "")
            etag = response.findtext(f"{DAV}propstat/{DAV}prop/{DAV}getetag", "")
            name = unquote(urlsplit(href).path)
            if not name.endswith("/"):
                found[name.rsplit("/", 1)[-1]] = etag
        return found


NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"'


def segment(name: str) -> str:
    """One path segment, percent-encoded."""
    return quote(name, safe="-._~!$&'()*+,;=:@")


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
