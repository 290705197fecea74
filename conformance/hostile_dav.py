"""Bad CalDAV: bodies that are no XML or no calendar, conditions and destinations that make no sense."""

import re
from collections.abc import Iterator
from pathlib import Path

from hostile_ground import BAD, CUT, MB, PROPFIND, REFUSED, Case, Ground, event
from rawhttp import basic, head

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b']><D:propfind xmlns:D="DAV:"><D:prop><D:x>&a11;</D:x></D:prop></D:propfind>'
)
SECRET_FILE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><D:propfind xmlns:D="DAV:"><D:prop><D:x>&f;</D:x></D:prop></D:propfind>'
# Each of these a lenient reader takes for a request.
NO_XML = {
    "an empty root only": b"<a/>",
    "text": b"junk",
    "two roots": PROPFIND + PROPFIND,
    "an attribute twice": b'<D:propfind xmlns:D="DAV:" a="1" a="2"><D:prop/></D:propfind>',
    "the default namespace twice": b'<propfind xmlns="DAV:" xmlns="x:"/>',
    "an attribute without quotes": b'<D:propfind xmlns:D="DAV:" a=b><D:prop/></D:propfind>',
    "an element without its end": b'<D:propfind xmlns:D="DAV:"><D:prop>',
    "a crossed end": b'<D:propfind xmlns:D="DAV:"><D:prop></D:propfind></D:prop>',
    "a control character": b'<D:propfind xmlns:D="DAV:"><D:prop>\x01</D:prop></D:propfind>',
    "a NUL": b'<D:propfind xmlns:D="DAV:"><D:prop>\x00</D:prop></D:propfind>',
    "invalid UTF-8": b'<D:propfind xmlns:D="DAV:"><D:prop><D:\xff\xfe/></D:prop></D:propfind>',
    "an unbound prefix": b"<D:propfind><D:prop/></D:propfind>",
    "an unknown entity": b'<D:propfind xmlns:D="DAV:"><D:prop>&nbsp;</D:prop></D:propfind>',
    "a billion laughs": LAUGHS,
    "an external entity": SECRET_FILE,
    "a DTD": b'<?xml version="1.0"?><!DOCTYPE propfind>' + PROPFIND,
    "50,000 nested elements": b'<D:propfind xmlns:D="DAV:">' + b"<D:a>" * 50_000 + b"</D:a>" * 50_000 + b"</D:propfind>",
}


FILED = Path(__file__).resolve().parent.parent / "fixtures" / "xml" / "hostile"
FILED_ROW = re.compile(r"^\| `([^`]+\.xml)` \| ([A-Z]+) \| ([0-9a-z ]+?) \| (.*) \|$", re.MULTILINE)


def filed(ground: Ground) -> Iterator[Case]:
    """The bodies of fixtures/xml/hostile, with the statuses its README gives."""
    rows = FILED_ROW.findall((FILED / "README.md").read_text())
    if len(rows) < 100:
        raise SystemExit(f"{FILED}/README.md: only {len(rows)} rows can be read")
    for name, method, statuses, why in rows:
        path = ground.home + "filed/" if method == "MKCALENDAR" else "/dav/principals/" if name.startswith("principal-") else ground.calendar
        depth = ("Depth", "1" if method == "REPORT" else "0")
        sent = ground.request(method, path, (FILED / name).read_bytes(), depth)
        yield Case(f"filed {name}: {why}", sent, {int(status) for status in statuses.split(" or ")}, forbidden=("root:x:",))


def xml(ground: Ground) -> Iterator[Case]:
    for method in ("PROPFIND", "REPORT", "PROPPATCH", "MKCALENDAR", "MKCOL"):
        path = ground.home + "xml-made/" if method.startswith("MK") else ground.calendar
        for what, body in NO_XML.items():
            allowed = {400, 403, 409, 415, 422} | ({413} if len(body) > 1000 else set())
            yield Case(f"xml {method} with {what}", ground.request(method, path, body, ("Depth", "1")), allowed, forbidden=("root:", "hahaha"))
    filler = b'<D:propfind xmlns:D="DAV:"><D:prop><D:x>' + b"x" * (60 * MB) + b"</D:x></D:prop></D:propfind>"
    yield Case("xml PROPFIND of 60 MB", ground.request("PROPFIND", ground.calendar, filler, ("Depth", "1")), {413, CUT})
    many = b'<D:propfind xmlns:D="DAV:"><D:prop>' + b"".join(b"<D:p%d/>" % n for n in range(200_000)) + b"</D:prop></D:propfind>"
    yield Case("xml PROPFIND of 200,000 properties", ground.request("PROPFIND", ground.calendar, many, ("Depth", "1")), {400, 403, 413, 507})
    hrefs = b"".join(b"<D:href>%skept.ics</D:href>" % ground.calendar.encode() for _ in range(100_000))
    multiget = b'<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop>' + hrefs + b"</C:calendar-multiget>"
    yield Case("xml multiget of one href 100,000 times", ground.request("REPORT", ground.calendar, multiget, ("Depth", "0")), {207, 400, 403, 413, 507})
    deep_filter = b'<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop/><C:filter>' + b'<C:comp-filter name="VCALENDAR">' * 30 + b"</C:comp-filter>" * 30 + b"</C:filter></C:calendar-query>"
    yield Case("xml query with 30 nested filters", ground.request("REPORT", ground.calendar, deep_filter, ("Depth", "1")), {207, 400, 403, 413})
    for what, bounds in {"a backward": ("20270201T000000Z", "20270101T000000Z"), "a local": ("20270101T000000", "20270201T000000"), "a senseless": ("yesterday", "20270101T000000Z")}.items():
        query = f'<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="{bounds[0]}" end="{bounds[1]}"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>'
        yield Case(f"xml query with {what} time-range", ground.request("REPORT", ground.calendar, query.encode(), ("Depth", "1")), {400, 403}, ("valid-filter", "error", "valid"))
    unknown = b'<D:launch-rockets xmlns:D="DAV:"/>'
    yield Case("xml an unknown report", ground.request("REPORT", ground.calendar, unknown, ("Depth", "0")), {400, 403, 415, 422, 501}, ("supported-report",))
    token = b'<D:sync-collection xmlns:D="DAV:"><D:sync-token>urn:made-up:77</D:sync-token><D:sync-level>1</D:sync-level><D:prop/></D:sync-collection>'
    yield Case("xml a made-up sync-token", ground.request("REPORT", ground.calendar, token, ("Depth", "0")), {403, 409}, ("valid-sync-token",))
    proppatch = b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop></D:set></D:propertyupdate>'
    yield Case("xml PROPPATCH of resourcetype", ground.request("PROPPATCH", ground.calendar, proppatch), {207, 403}, (" 403 ", "protected-property"))
    long_name = b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:displayname>' + b"n" * (5 * MB) + b"</D:displayname></D:prop></D:set></D:propertyupdate>"
    yield Case("xml PROPPATCH of a 5 MB name", ground.request("PROPPATCH", ground.calendar, long_name), {207, 400, 403, 413, 507})


VALID_DATA = ("valid-calendar-data", "valid-calendar-object-resource", "supported-calendar-component")


def puts(ground: Ground) -> Iterator[Case]:
    nested = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + b"BEGIN:VEVENT\r\n" * 2000 + b"END:VEVENT\r\n" * 2000 + b"END:VCALENDAR\r\n"
    two = event("a").replace(b"END:VCALENDAR\r\n", b"") + event("b").split(b"EN\r\n", 1)[1]
    rubbish = {
        "nothing": b"",
        "XML": PROPFIND,
        "NUL": event("nul", "SUMMARY:a\x00b"),
        "invalid UTF-8": event("latin").replace(b"SUMMARY", b"").replace(b"DTSTAMP", b"SUMMARY:\xff\xfe\r\nDTSTAMP"),
        "two UIDs": two,
        "no UID": event("x").replace(b"UID:x\r\n", b""),
        "an empty UID": event(""),
        "no component": b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n",
        "a METHOD": event("method").replace(b"VERSION:2.0\r\n", b"VERSION:2.0\r\nMETHOD:REQUEST\r\n"),
        "2,000 nested components": nested,
        "100,000 nested components": nested.replace(b"BEGIN:VEVENT\r\n" * 2000, b"BEGIN:VEVENT\r\n" * 100_000),
        "no end": event("open").replace(b"END:VCALENDAR\r\n", b""),
        "random bytes": bytes(range(256)) * 100,
        "a gzip head": b"\x1f\x8b\x08\x00" + b"\x00" * 100,
    }
    for what, body in rubbish.items():
        yield Case(f"put of {what}", ground.put("rubbish.ics", body), REFUSED, VALID_DATA + (("max-resource-size",) if "nested" in what else ()))
    big = event("big", *[f"X-FILL-{n}:" + "x" * 990 for n in range(60_000)])
    yield Case("put of 60 MB", ground.put("big.ics", big), {403, 413, CUT}, ())
    declared = head("PUT", ground.calendar + "big.ics", [ground.auth, ("Content-Type", "text/calendar"), ("Content-Length", str(60 * MB)), ("Expect", "100-continue")])
    yield Case("put that announces 60 MB", declared, {403, 413, 417}, ("max-resource-size",))
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    chunked = head("PUT", ground.calendar + "big.ics", [ground.auth, ("Content-Type", "text/calendar"), ("Transfer-Encoding", "chunked")]) + chunk * 60 + b"0\r\n\r\n"
    yield Case("put of 60 MB in chunks", chunked, {403, 413, CUT})
    yield Case("put of a media type that is none", ground.request("PUT", ground.calendar + "t.ics", event("t"), kind="image/png"), {403, 415}, ("supported-calendar-data",))
    yield Case("put of an unknown content coding", ground.put("t.ics", event("t"), ("Content-Encoding", "rot13")), {400, 415})
    yield Case("put of no gzip called gzip", ground.put("t.ics", event("t"), ("Content-Encoding", "gzip")), {400, 403, 415})
    yield Case("put of the same UID at another name", ground.put("twin.ics", event("kept", "SUMMARY:twin")), {403, 409}, ("no-uid-conflict",))
    yield Case("put of the same UID names the href", ground.put("twin.ics", event("kept", "SUMMARY:twin")), {403, 409}, (ground.object_path,))
    yield Case("put that changes the UID of an object", ground.put("kept.ics", event("another")), {403, 409}, ("no-uid-conflict",))
    yield Case("put on a calendar", ground.request("PUT", ground.calendar, event("c"), kind="text/calendar"), {405}, headers=("Allow",))
    yield Case("put on the home", ground.request("PUT", ground.home, event("c"), kind="text/calendar"), {405}, headers=("Allow",))
    yield Case("put into a calendar that is not there", ground.request("PUT", ground.home + "nowhere/x.ics", event("n"), kind="text/calendar"), {404, 409})
    yield Case("put into another's calendar", ground.request("PUT", ground.other + "x.ics", event("n"), kind="text/calendar"), {403, 404, 409})
    yield Case("put cut off in its body", ground.put("cut.ics", event("cut"), ("Content-Length", "100000")), {400, 408, CUT}, half_close=True)
    yield Case("put with a chunk cut off", head("PUT", ground.calendar + "cut.ics", [ground.auth, ("Content-Type", "text/calendar"), ("Transfer-Encoding", "chunked")]) + b"ffff\r\n" + event("cut"), {400, 408, CUT}, half_close=True)


def preconditions(ground: Ground) -> Iterator[Case]:
    changed = event("kept", "SUMMARY:must not be seen")
    for value in ('"stale"', "stale", 'W/"stale"', '"a", "b"', '"', "", '"' + "x" * 6000 + '"', "\xff\xfe"):
        yield Case(f"if-match {value[:12]!r}", ground.put("kept.ics", changed, ("If-Match", value)), {400, 412, 431})
    yield Case("if-none-match on what is there", ground.put("kept.ics", changed, ("If-None-Match", "*")), {412})
    yield Case("if-match on what is not there", ground.put("none.ics", event("none"), ("If-Match", "*")), {404, 412})
    yield Case("delete with a stale etag", ground.request("DELETE", ground.object_path, b"", ("If-Match", '"stale"')), {412})
    yield Case("if-schedule-tag-match of nothing known", ground.put("kept.ics", changed, ("If-Schedule-Tag-Match", '"none"')), {412})
    for value in ("7", "-1", "one", "0, 1", ""):
        yield Case(f"depth {value!r}", ground.request("PROPFIND", ground.calendar, PROPFIND, ("Depth", value)), BAD)
    yield Case("depth infinity", ground.request("PROPFIND", ground.calendar, PROPFIND, ("Depth", "infinity")), {403}, ("propfind-finite-depth",))
    for what, value in {"none": None, "another host": "http://elsewhere.example/dav/x.ics", "rubbish": "::::", "outside": "/etc/passwd", "above": ground.calendar + "../../../x.ics"}.items():
        pairs = (("Destination", value),) if value else ()
        for method in ("MOVE", "COPY"):
            yield Case(f"{method.lower()} to {what}", ground.request(method, ground.object_path, b"", *pairs), {400, 403, 404, 405, 409, 502})
    for method in ("MOVE", "COPY"):
        yield Case(f"{method.lower()} onto itself", ground.request(method, ground.object_path, b"", ("Destination", ground.object_path)), {403})
        yield Case(f"{method.lower()} into another's calendar", ground.request(method, ground.object_path, b"", ("Destination", ground.other + "x.ics")), {403, 404, 409})
        yield Case(f"{method.lower()} with a senseless Overwrite", ground.request(method, ground.object_path, b"", ("Destination", ground.object_path), ("Overwrite", "X")), {400, 403})
        yield Case(f"{method.lower()} of a calendar onto the home", ground.request(method, ground.calendar, b"", ("Destination", ground.home), ("Overwrite", "T")), {400, 403, 405, 409, 412})
    for what, value in {"no base64": "Basic !!!", "no colon": "Basic YWRh", "a wrong password": basic("ada", "wrong"), "nobody": basic("nobody", "x"), "NUL": basic("ada\0", "x"), "an unknown scheme": "Magic abc", "no bearer": "Bearer nonsense", "32 KB": "Basic " + "QQ" * 16_000}.items():
        yield Case(f"credentials: {what}", ground.request("PROPFIND", ground.calendar, PROPFIND, ("Depth", "0"), ("Authorization", value)), {400, 401, 431}, headers=() if "KB" in what else ("WWW-Authenticate",))

