"""Bad HTTP: paths, methods, heads and bodies that no honest client sends, and bad JSON."""

from collections.abc import Iterator

from hostile_ground import BAD, CUT, MB, PROPFIND, Case, Drip, Ground, event
from rawhttp import head

SLOW_MAX_SECONDS = 75  # a head or body that makes no progress must be cut by then
NOT_FOUND = {400, 403, 404, 405, 409}


def paths(ground: Ground) -> Iterator[Case]:
    odd = {
        "two dots": "../ground/kept.ics",
        "encoded dots": "%2e%2e/%2e%2e/x.ics",
        "a traversal": "../../../../../../etc/passwd",
        "an encoded traversal": "..%2f..%2f..%2fetc%2fpasswd",
        "an encoded slash": "a%2fb.ics",
        "an encoded backslash": "..%5c..%5cx.ics",
        "NUL": "a%00b.ics",
        "a bare percent": "a%.ics",
        "a bad percent": "a%zz.ics",
        "a half percent": "a%4",
        "invalid UTF-8": "a%ff%fe.ics",
        "overlong UTF-8": "a%c0%af.ics",
        "a control character": "a%0d%0aX-Injected:1.ics",
        "a name of 5,000 letters": "n" * 5000 + ".ics",
        "only a dot": "%2e",
        "an empty segment": "/x.ics",
    }
    for what, name in odd.items():
        # Some are names that a server may keep; what matters is that it neither falls over nor reaches elsewhere.
        yield Case(f"path with {what}, PROPFIND", ground.request("PROPFIND", ground.calendar + name, PROPFIND, ("Depth", "0")), NOT_FOUND | {207, 414}, forbidden=("root:",), headers=())
        yield Case(f"path with {what}, GET", ground.request("GET", ground.calendar + name), NOT_FOUND | {200, 414}, forbidden=("root:",))
        yield Case(f"path with {what}, conditional PUT", ground.put(name, event("kept"), ("If-Match", '"never"')), NOT_FOUND | {412, 414})
    yield Case("path of 1 MB", ground.request("GET", "/" + "a" * MB), {400, 404, 414, 431, CUT})
    yield Case("path with raw UTF-8", ground.request("GET", (ground.calendar + "ä.ics").encode().decode("latin-1")), {400, 404})
    yield Case("path with a space", ground.request("GET", ground.calendar + "a b.ics"), BAD)
    yield Case("path that does not begin with a slash", ground.request("GET", "dav/calendars/"), {400, 404})
    yield Case("path of another site", ground.request("GET", "http://elsewhere.example" + ground.object_path), {200, 400, 403, 404, 421})
    yield Case("path of a calendar that is another's", ground.request("PROPFIND", ground.other, PROPFIND, ("Depth", "1")), {403, 404})


def methods(ground: Ground) -> Iterator[Case]:
    for method in ("BREW", "PATCH", "LOCK", "UNLOCK", "TRACE", "POST", "MERGE", "SEARCH", "get", "PUTT"):
        for where, path in {"an object": ground.object_path, "a calendar": ground.calendar, "the home": ground.home}.items():
            yield Case(f"method {method} on {where}", ground.request(method, path, event("kept")), {400, 403, 405, 501})
    yield Case("method BREW names what is allowed", ground.request("BREW", ground.object_path), {405}, headers=("Allow",))
    yield Case("method CONNECT", ground.request("CONNECT", "elsewhere.example:443"), {400, 404, 405, 501, CUT})
    yield Case("method of bytes that are no token", ground.request("GE\x01T", "/"), BAD | {CUT})
    yield Case("method of 10,000 letters", ground.request("G" * 10_000, "/"), {400, 405, 414, 431, 501, CUT})
    yield Case("method DELETE on the home", ground.request("DELETE", ground.home), {403, 405, 409})
    yield Case("method DELETE on the root", ground.request("DELETE", "/"), {403, 404, 405})
    yield Case("method MKCALENDAR on a calendar", ground.request("MKCALENDAR", ground.calendar), {403, 405, 409})
    yield Case("method MKCALENDAR within a calendar", ground.request("MKCALENDAR", ground.calendar + "inner/"), {403, 405, 409})
    yield Case("method MKCALENDAR in another's home", ground.request("MKCALENDAR", ground.other.replace("private", "mine")), {403, 404, 405, 409})
    yield Case("method MKCOL of no calendar", ground.request("MKCOL", ground.home + "plain/", b""), {403, 405, 409, 415})


def http_rules(ground: Ground) -> Iterator[Case]:
    put = [ground.auth, ("Content-Type", "text/calendar")]
    body = event("smuggled")
    target = ground.calendar + "smuggled.ics"
    yield Case("http two lengths", head("PUT", target, [*put, ("Content-Length", "5"), ("Content-Length", str(len(body)))]) + body, BAD | {CUT})
    yield Case("http length and chunks", head("PUT", target, [*put, ("Content-Length", "5"), ("Transfer-Encoding", "chunked")]) + b"zz\r\n", {400, CUT})
    yield Case("http a negative length", head("PUT", target, [*put, ("Content-Length", "-1")]) + body, BAD | {CUT})
    yield Case("http a length beyond numbers", head("PUT", target, [*put, ("Content-Length", "9" * 30)]) + body, {400, 413, CUT})
    yield Case("http a chunk size that is none", head("PUT", target, [*put, ("Transfer-Encoding", "chunked")]) + b"xyz\r\n" + body, {400, CUT})
    yield Case("http a chunk size beyond numbers", head("PUT", target, [*put, ("Transfer-Encoding", "chunked")]) + b"f" * 20 + b"\r\n" + body, {400, 413, CUT})
    yield Case("http an unknown transfer coding", head("PUT", target, [*put, ("Transfer-Encoding", "rot13")]) + body, {400, 411, 501, CUT}, half_close=True)
    yield Case("http no host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", {200, 303, 307, 400})
    yield Case("http two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", {200, 303, 307, 400})
    yield Case("http version 9.9", head("GET", "/", version="HTTP/9.9"), {400, 505, CUT})
    yield Case("http no version", b"GET /\r\n\r\n", {400, 505, CUT}, half_close=True)
    yield Case("http a TLS greeting", bytes.fromhex("16030100c8010000c40303") + bytes(200), {400, CUT}, half_close=True)
    yield Case("http random bytes", bytes(range(256)) * 8 + b"\r\n\r\n", {400, CUT}, half_close=True)
    yield Case("http 10,000 headers", head("GET", "/", [(f"X-{n}", "x") for n in range(10_000)]), {400, 431, CUT})
    yield Case("http a header of 1 MB", head("GET", "/", [("X-Long", "x" * MB)]), {400, 431, CUT})
    yield Case("http a header without a name", b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", BAD | {CUT})
    yield Case("http a folded header", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\nConnection: close\r\n\r\n", {200, 303, 307, 400, CUT})
    yield Case("http a NUL in a header", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n", BAD | {CUT})
    yield Case("http Expect that is unknown", ground.put("e.ics", b"", ("Expect", "miracles")), {400, 403, 417})
    yield Case("http an Accept-Encoding that forbids all", ground.request("GET", ground.object_path, b"", ("Accept-Encoding", "identity;q=0, *;q=0")), {200, 406})
    yield Case("http a Range beyond the end", ground.request("GET", ground.object_path, b"", ("Range", "bytes=999999999-")), {200, 416})
    yield Case("http an If-Modified-Since that is no date", ground.request("GET", ground.object_path, b"", ("If-Modified-Since", "the day before")), {200})


def api(ground: Ground) -> Iterator[Case]:
    if not ground.calendar.startswith("/dav/"):
        return  # a peer has no API
    deep = b"[" * 100_000 + b"]" * 100_000
    bodies = {
        "nothing": b"",
        "text": b"junk",
        "100,000 nested lists": deep,
        "a list": b"[]",
        "null": b"null",
        "an unknown field": b'{"launch": "rockets"}',
        "invalid UTF-8": b'{"summary": "\xff\xfe"}',
        "a lone surrogate": b'{"summary": "\\ud800"}',
        "NUL": b'{"summary": "a\\u0000b"}',
        "a number beyond numbers": b'{"summary": 1e999999}',
        "the same key twice": b'{"summary": "a", "summary": "b"}',
    }
    for what, body in bodies.items():
        for path in ("/api/appointments", "/api/feeds", "/api/app-passwords"):
            yield Case(f"api {path} with {what}", ground.request("POST", path, body, kind="application/json"), {400, 401, 403, 409, 413, 422})
    yield Case("api 60 MB of JSON", ground.request("POST", "/api/appointments", b'{"summary": "' + b"x" * (60 * MB) + b'"}', kind="application/json"), {401, 413, CUT})
    yield Case("api a form instead of JSON", ground.request("POST", "/api/appointments", b"a=b", kind="application/x-www-form-urlencoded"), {400, 401, 403, 415})
    for what, path in {
        "an unknown path": "/api/nowhere",
        "an id that is none": "/api/appointments/%00",
        "an id with a traversal": "/api/appointments/..%2f..%2fadmin",
        "a range backward": "/api/appointments?from=2027-02-01T00:00:00Z&to=2027-01-01T00:00:00Z",
        "a time that is none": "/api/appointments?from=yesterday",
        "a million of them": "/api/appointments?limit=99999999999999999999",
        "availability for ever": "/api/availability?staff=ada&from=0001-01-01T00:00:00Z&to=9999-12-31T00:00:00Z&slot=1s",
        "a feed nobody has": "/api/ics/" + "A" * 43,
        "a feed of 5,000 letters": "/api/ics/" + "A" * 5000,
        "a feed of odd bytes": "/api/ics/%ff%00%2e%2e",
    }.items():
        yield Case(f"api GET of {what}", ground.request("GET", path), {400, 401, 403, 404, 414, 422, 429})


def _head_by_letters(ground: Ground) -> Iterator[bytes]:
    yield from (bytes([letter]) for letter in head("GET", "/", [("X-Slow", "x" * 500)]))


def _head_by_lines(ground: Ground) -> Iterator[bytes]:
    yield b"GET / HTTP/1.1\r\nHost: a\r\n"
    for number in range(1000):
        yield b"X-Slow-%d: x\r\n" % number


def _body_by_letters(ground: Ground) -> Iterator[bytes]:
    body = event("slow", "SUMMARY:" + "x" * 2000)
    yield head("PUT", ground.calendar + "slow.ics", [ground.auth, ("Content-Type", "text/calendar"), ("Content-Length", str(len(body)))])
    yield from (bytes([letter]) for letter in body)


def _body_that_stops(ground: Ground) -> Iterator[bytes]:
    yield head("PUT", ground.calendar + "slow.ics", [ground.auth, ("Content-Type", "text/calendar"), ("Content-Length", "1000")]) + b"BEGIN:VCALENDAR\r\n"


def _silence(ground: Ground) -> Iterator[bytes]:
    yield b"G"


DRIPS = [
    Drip("slow head, letter by letter", _head_by_letters, 0.5, SLOW_MAX_SECONDS),
    Drip("slow head, line by line", _head_by_lines, 0.5, SLOW_MAX_SECONDS),
    Drip("slow body, letter by letter", _body_by_letters, 0.5, SLOW_MAX_SECONDS),
    Drip("slow body that stops", _body_that_stops, 0, SLOW_MAX_SECONDS),
    Drip("slow head that stops", _silence, 0, SLOW_MAX_SECONDS),
]
