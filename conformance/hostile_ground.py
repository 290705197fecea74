"""What the cases of hostile.py stand on: the case itself, the calendar they are thrown at, honest requests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rawhttp import basic, head
from server import PASSWORDS, Server
from wire import Client

MB = 1_000_000
CUT = 0  # hung up without a word: right only where the bytes are no HTTP, or a body far over the limit is still coming
BAD = {400}
REFUSED = {400, 403, 409, 412, 413, 415, 422}  # refused by a rule, whichever names it best


@dataclass
class Case:
    name: str
    data: bytes
    allowed: set[int]
    precondition: tuple[str, ...] = ()  # one of these must be in the body
    headers: tuple[str, ...] = ()  # must be in the answer
    forbidden: tuple[str, ...] = ()  # must not be in the body
    seconds_max: float = 30
    half_close: bool = False


@dataclass
class Ground:
    """What is there before: one calendar, one object, and another user's calendar."""

    home: str
    calendar: str
    object_path: str
    object: bytes
    other: str
    auth: tuple[str, str] = ("Authorization", basic("ada", PASSWORDS["ada"]))
    members: set[str] = field(default_factory=set)

    @classmethod
    def lay(cls, server: Server, client: Client) -> "Ground":
        home = server.home("ada")
        ground = cls(home, home + "ground/", home + "ground/kept.ics", event("kept"), server.home("bob") + "private/")
        for made in (client.make_calendar(ground.calendar), client.put(ground.object_path, ground.object)):
            if made.status != 201:
                raise SystemExit(f"the ground cannot be laid: {made}")
        ground.members = set(client.members(ground.calendar))
        server.client("bob").make_calendar(ground.other)
        return ground

    def request(self, method: str, path: str, body: bytes = b"", *headers: tuple[str, str], kind: str = "application/xml; charset=utf-8") -> bytes:
        """A request of ada with its true length; `headers` of the same name replace the usual ones."""
        given = {name.lower() for name, _ in headers}
        usual = [self.auth, ("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")]
        return head(method, path, [pair for pair in usual if pair[0].lower() not in given] + [pair for pair in headers if pair[1] is not None]) + body

    def put(self, name: str, body: bytes, *headers: tuple[str, str]) -> bytes:
        return self.request("PUT", self.calendar + name, body, *headers, kind="text/calendar; charset=utf-8")


def event(uid: str, *lines: str) -> bytes:
    extra = "".join(line + "\r\n" for line in lines)
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Hostile//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20270101T000000Z\r\nDTSTART:20270101T120000Z\r\n{extra}END:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


PROPFIND = b'<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>'


@dataclass
class Drip:
    """A request that comes a few bytes at a time; the server must cut it within its time."""

    name: str
    pieces: Callable[[Ground], Iterator[bytes]]
    pause: float
    seconds_max: float
