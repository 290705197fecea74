"""What a feed's address promises: caching, HEAD, compression, windows, rotation, revocation, expiry; and privacy by tainted texts."""

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from feed_account import FeedAccount
from feed_text import name_of, unfold, value_of
from server import Server
from tally import Tally
from wire import Answer, Client

TAINT = "TAINTED"  # stands in every text of the tainted event; a busy feed must not hold it anywhere
DATE_SECONDS_MAX = 5


def stamp(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days)).strftime("%Y%m%d")


def event(uid: str, days: int, *lines: str) -> str:
    extra = "".join(f"{line}\r\n" for line in lines)
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Feeds//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{stamp(days)}T100000Z\r\nDTEND:{stamp(days)}T110000Z\r\n"
        f"{extra}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def tainted(days: int) -> str:
    """A series with an override in which every text is tainted."""
    texts = [
        f"SUMMARY:{TAINT} title", f"DESCRIPTION:{TAINT} notes", f"LOCATION:{TAINT} street", f"COMMENT:{TAINT} comment", f"CONTACT:{TAINT} contact",
        f"CATEGORIES:{TAINT},OTHER{TAINT}", f"RESOURCES:{TAINT} room", f"URL:https://{TAINT}.example/", f"ORGANIZER;CN={TAINT} boss:mailto:{TAINT}@example.com",
        f"ATTENDEE;CN=\"{TAINT}, guest\";PARTSTAT=ACCEPTED:mailto:guest-{TAINT}@example.com", f"ATTACH;FMTTYPE=text/plain:https://{TAINT}.example/file",
        f"X-{TAINT}-PROP;X-P={TAINT}:{TAINT} value", f"CONFERENCE;VALUE=URI;LABEL={TAINT}:https://{TAINT}.example/call", f"IMAGE;VALUE=URI:https://{TAINT}.example/a.png",
        f"RELATED-TO:{TAINT}-parent", f"STRUCTURED-DATA;VALUE=TEXT;FMTTYPE=text/plain;SCHEMA=\"https://{TAINT}.example\":{TAINT}", "COLOR:tomato", "GEO:48.1;11.5", "PRIORITY:3",
    ]  # fmt: skip
    parts = "".join(f"{line}\r\n" for line in texts)
    alarm = f"BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT10M\r\nDESCRIPTION:{TAINT} alarm\r\nEND:VALARM\r\n"
    inner = f"BEGIN:PARTICIPANT\r\nUID:{TAINT}-p\r\nPARTICIPANT-TYPE:SPEAKER\r\nSUMMARY:{TAINT} speaker\r\nEND:PARTICIPANT\r\n"
    head = f"BEGIN:VEVENT\r\nUID:{TAINT}-uid@example.com\r\nDTSTAMP:20260101T000000Z\r\n"
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n"
        "BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
    )
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//{TAINT}//EN\r\nX-WR-CALNAME:{TAINT} calendar\r\n{zone}"
        f"{head}DTSTART;TZID=Europe/Berlin:{stamp(days)}T100000\r\nDTEND;TZID=Europe/Berlin:{stamp(days)}T110000\r\nRRULE:FREQ=DAILY;COUNT=5\r\n{parts}{alarm}{inner}END:VEVENT\r\n"
        f"{head}RECURRENCE-ID;TZID=Europe/Berlin:{stamp(days + 2)}T100000\r\nDTSTART;TZID=Europe/Berlin:{stamp(days + 2)}T143000\r\nDTEND;TZID=Europe/Berlin:{stamp(days + 2)}T153000\r\n{parts}END:VEVENT\r\n"
        "END:VCALENDAR\r\n"
    )


def starts(feed: bytes) -> int:
    return sum(line == "BEGIN:VEVENT" for line in unfold(feed))


def judge(tally: Tally, database: str, server: Server, account: FeedAccount) -> None:
    client, ada = server.client(), server.client("ada")
    calendar = server.home("ada") + "feed-rules/"
    tally.equal(f"{database}: MKCALENDAR", ada.make_calendar(calendar, "VEVENT").status, 201)
    for name, days in {"near": 3, "past": -200, "far": 400}.items():
        ada.put(f"{calendar}{name}.ics", event(f"{name}@example.com", days, f"SUMMARY:{name} appointment", f"CATEGORIES:{name.upper()}"))
    ada.put(calendar + "tainted.ics", tainted(5))
    caching(tally, database, client, ada, account, calendar)
    privacy(tally, database, client, ada, account, calendar)
    lifetime(tally, database, client, account)
    several(tally, database, client, ada, server, account)


def caching(tally: Tally, database: str, client: Client, ada: Client, account: FeedAccount, calendar: str) -> None:
    path = account.feed(["feed-rules"], "details")
    got = settled(client, path)
    tally.equal(f"{database} feed: 200 without credentials", got.status, 200)
    kind = (got.header("Content-Type") or "").lower().replace(" ", "")
    tally.check(f"{database} feed: text/calendar in UTF-8", kind.startswith("text/calendar") and "charset=utf-8" in kind, kind)
    tally.check(f"{database} feed: a strong ETag and a date", got.etag and not got.etag.startswith("W/") and got.header("Last-Modified"), dict(got.headers))
    tally.equal(f"{database} feed: the same ETag again", client.get(path).etag, got.etag)
    tally.equal(f"{database} feed: the same bytes again", client.get(path).body, got.body)
    same = client.get(path, If_None_Match=got.etag or "")
    tally.check(f"{database} feed: 304 by ETag", same.status == 304 and not same.body, same)
    tally.equal(f"{database} feed: 304 by date", client.get(path, If_Modified_Since=got.header("Last-Modified") or "").status, 304)
    tally.equal(f"{database} feed: 200 by another ETag", client.get(path, If_None_Match='"another"').status, 200)
    head = client.send("HEAD", path)
    tally.check(f"{database} feed: HEAD is GET without its body", head.status == 200 and not head.body and head.etag == got.etag, f"{head} {dict(head.headers)}")
    zipped = client.get(path, Accept_Encoding="gzip")
    tally.check(f"{database} feed: gzip on request", zipped.header("Content-Encoding") == "gzip" and unzip(zipped) == got.body, dict(zipped.headers))
    tally.check(f"{database} feed: answers vary by coding", "accept-encoding" in (zipped.header("Vary") or "").lower(), zipped.header("Vary"))
    tally.equal(f"{database} feed: 304 also after gzip", client.get(path, Accept_Encoding="gzip", If_None_Match=zipped.etag or "").status, 304)
    plain = path.removesuffix(".ics")
    tally.equal(f"{database} feed: with and without .ics", client.get(plain + ".ics").body, client.get(plain).body)
    tally.check(f"{database} feed: POST is no way in", client.send("POST", path).status in (404, 405))

    ada.put(calendar + "new.ics", event("new@example.com", 6, "SUMMARY:new appointment"))
    changed = client.get(path, If_None_Match=got.etag or "")
    tally.check(f"{database} feed: a change is shown at once, under another ETag", changed.status == 200 and b"new appointment" in changed.body and changed.etag != got.etag, changed)
    before, after = blocks(got.body), blocks(changed.body)
    tally.check(f"{database} feed: what did not change reads as before", all(after.get(uid) == text for uid, text in before.items()), "")
    ada.delete(calendar + "new.ics")
    tally.check(f"{database} feed: what is deleted is gone", b"new appointment" not in client.get(path).body)

    near = client.get(account.feed(["feed-rules"], "details", window={"days": {"back": 30, "ahead": 180}})).body
    tally.check(f"{database} feed: a window keeps what is near alone", b"near appointment" in near and b"past appointment" not in near and b"far appointment" not in near)
    chosen = client.get(account.feed(["feed-rules"], "details", filters={"categories": ["FAR"]})).body
    tally.check(f"{database} feed: a filter by category", b"far appointment" in chosen and b"near appointment" not in chosen)


def settled(client: Client, path: str) -> Answer:
    """A feed once it bears a date: a date counts whole seconds, so a feed that changed within this one has none yet."""
    deadline = time.monotonic() + DATE_SECONDS_MAX
    while True:
        answer = client.get(path)
        if answer.header("Last-Modified") or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def unzip(answer: Answer) -> bytes:
    try:
        return gzip.decompress(answer.body)
    except OSError:
        return b""


def blocks(feed: bytes) -> dict[str, str]:
    """UID → the whole text of its components."""
    found: dict[str, str] = {}
    text = "\n".join(unfold(feed))
    for block in text.split("BEGIN:VEVENT")[1:]:
        block = block.split("END:VEVENT")[0]
        uid = next((value_of(line) for line in block.splitlines() if name_of(line) == "UID"), "")
        found[uid] = found.get(uid, "") + block
    return found


def privacy(tally: Tally, database: str, client: Client, ada: Client, account: FeedAccount, calendar: str) -> None:
    details = client.get(account.feed(["feed-rules"], "details")).body
    tally.check(f"{database} details: all is shown", details.count(TAINT.encode()) > 30, details.count(TAINT.encode()))
    path = account.feed(["feed-rules"], "busy_only")
    busy = client.get(path)
    text = "\n".join(unfold(busy.body))
    for mark in (TAINT, "appointment", "example.com", "tomato", "48.1", "VALARM", "PARTICIPANT", "CATEGORIES", "near@", "boss"):
        tally.check(f"{database} busy_only: no {mark}", mark.lower() not in text.lower(), text[:300])
    headers = " ".join(f"{name}: {value}" for name, value in busy.headers.items())
    tally.check(f"{database} busy_only: no taint in the headers", TAINT not in headers and "feed-rules" not in headers, headers)
    tally.check(f"{database} busy_only: the moved occurrence is where it was moved", "T123000Z" in text or "T133000Z" in text or "T143000" in text, text[:600])
    tally.equal(f"{database} busy_only: the same text again", client.get(path).body, busy.body)
    titles = "\n".join(unfold(client.get(account.feed(["feed-rules"], "titles_only")).body))
    tally.check(f"{database} titles_only: titles", f"SUMMARY:{TAINT} title" in titles)
    for mark in ("notes", "street", "boss", "guest", "alarm", "comment", "X-TAINTED", "speaker", "https://"):
        tally.check(f"{database} titles_only: no {mark}", mark.lower() not in titles.lower(), mark)
    ada.put(calendar + "private.ics", event("private@example.com", 7, "SUMMARY:private matter", "CLASS:PRIVATE"))
    masked = client.get(account.feed(["feed-rules"], "details", private="mask")).body
    omitted = client.get(account.feed(["feed-rules"], "details", private="omit")).body
    tally.check(f"{database} private appointments are masked", b"private matter" not in masked and starts(masked) == starts(omitted) + 1, f"{starts(masked)} {starts(omitted)}")
    ada.delete(calendar + "private.ics")


def lifetime(tally: Tally, database: str, client: Client, account: FeedAccount) -> None:
    made = account.create(["feed-rules"], "details")
    old = urlsplit(made["url"]).path
    tally.equal(f"{database} lifetime: the feed is served", client.get(old).status, 200)
    rotated = account.api("POST", f"/api/feeds/{made['id']}/rotate")
    tally.check(f"{database} lifetime: rotated", rotated.status == 200, rotated)
    fresh = urlsplit(json.loads(rotated.body)["url"]).path
    tally.check(f"{database} lifetime: another address", fresh != old)
    tally.equal(f"{database} lifetime: the new address serves", client.get(fresh).status, 200)
    gone = client.get(old)
    unknown = client.get("/api/ics/" + "A" * 43)
    tally.check(f"{database} lifetime: the old address and an unknown one are one answer", (gone.status, gone.body) == (unknown.status, unknown.body) == (404, unknown.body), f"{gone} {unknown}")
    tally.check(f"{database} lifetime: revoked", account.api("DELETE", f"/api/feeds/{made['id']}").status in (200, 204))
    tally.equal(f"{database} lifetime: a revoked address is 404", client.get(fresh).status, 404)
    past = (datetime.now(UTC) - timedelta(1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    short = account.api("POST", "/api/feeds", {"name": "short", "calendars": ["feed-rules"], "privacy": "details", "expires_at": past})
    if short.status == 201:
        tally.equal(f"{database} lifetime: an expired address is 404", client.get(urlsplit(json.loads(short.body)["url"]).path).status, 404)
    else:
        tally.check(f"{database} lifetime: an expiry in the past is refused", short.status in (400, 422), short)


def several(tally: Tally, database: str, client: Client, ada: Client, server: Server, account: FeedAccount) -> None:
    second = server.home("ada") + "feed-second/"
    ada.make_calendar(second, "VEVENT")
    ada.put(second + "other.ics", event("other@example.com", 4, "SUMMARY:second calendar"))
    both = client.get(account.feed(["feed-rules", "feed-second"], "details")).body
    tally.check(f"{database} several: both calendars are shown", b"second calendar" in both and b"near appointment" in both)
    printed = server.secret("feed", "add", "ada", "--calendar", "feed-second", "--privacy", "titles_only")
    tally.check(f"{database} command line: the printed address serves", b"second calendar" in client.get(urlsplit(printed).path).body, printed)
