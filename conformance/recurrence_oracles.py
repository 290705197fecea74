"""What others make of a recurring object: python-dateutil's rules under a set algebra of our own, and recurring-ical-events.

Both stand on dateutil's rules; they differ in everything around them: zones, dates, exceptions, overrides. An answer is a
sorted list of [start, end], in seconds since the epoch or as dates.
"""

import re
import signal
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

import recurring_ical_events
from dateutil.rrule import rrulestr
from icalendar import Calendar
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

# The pinned tzdata alone: distributions are years behind.
reset_tzpath(to=())

EPOCH = datetime(1970, 1, 1)
DAY = timedelta(days=1)
NAMES = available_timezones()
# A rule that answers with more than this inside one window is not compared.
MOST = 3000
LAST_ONSET = 2110


class NotAsked(Exception):
    """This oracle has no opinion on such a case."""


# Some rules keep dateutil busy until the year 9999.
CPU_S = 0.2


@contextmanager
def patience():
    """Ends what takes longer with NotAsked, by the processor's time."""

    def enough(*_: object) -> None:
        raise NotAsked("takes too long")

    before = signal.signal(signal.SIGVTALRM, enough)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# --- the text -------------------------------------------------------------------------------------------------------

PARAM = re.compile(r';([^=;:]+)=("[^"]*"|[^;:]*)')


class Property:
    def __init__(self, line: str) -> None:
        head = re.match(r"[^;:]+", line)
        self.name = head.group(0).upper()
        self.params, at = {}, head.end()
        while found := PARAM.match(line, at):
            self.params[found.group(1).upper()] = found.group(2).strip('"')
            at = found.end()
        self.value = line[at + 1 :]


class Component:
    def __init__(self, kind: str) -> None:
        self.kind, self.properties, self.components = kind, [], []

    def first(self, name: str) -> Property | None:
        return next((p for p in self.properties if p.name == name), None)

    def all(self, name: str) -> list[Property]:
        return [p for p in self.properties if p.name == name]


def parse(text: str) -> Component:
    lines = re.sub(r"\r?\n[ \t]", "", text).replace("\r", "").split("\n")
    top = Component("")
    stack = [top]
    for line in filter(None, lines):
        if line.upper().startswith("BEGIN:"):
            child = Component(line[6:].strip().upper())
            stack[-1].components.append(child)
            stack.append(child)
        elif line.upper().startswith("END:"):
            stack.pop()
        else:
            stack[-1].properties.append(Property(line))
    return top.components[0]


# --- zones ----------------------------------------------------------------------------------------------------------


def offset_of(text: str) -> int:
    seconds = int(text[1:3]) * 3600 + int(text[3:5]) * 60 + int(text[5:7] or 0)
    return -seconds if text[0] == "-" else seconds


def wall(text: str) -> datetime:
    text = text.strip().rstrip("Z")
    return datetime.strptime(text, "%Y%m%dT%H%M%S") if "T" in text else datetime.strptime(text, "%Y%m%d")


class Own:
    """A VTIMEZONE by its own rules: onsets as dateutil gives them, sorted, and the offsets between."""

    def __init__(self, component: Component) -> None:
        onsets = []
        for part in component.components:
            before, after = (offset_of(part.first(name).value) for name in ("TZOFFSETFROM", "TZOFFSETTO"))
            start = wall(part.first("DTSTART").value)
            walls = {start}
            for rule in part.all("RRULE"):
                value = rule.value
                until = re.search(r";UNTIL=([0-9T]+)Z", value)
                if until:  # UNTIL is in UTC, the onset's wall clock is in TZOFFSETFROM
                    local = wall(until.group(1)) + timedelta(seconds=before)
                    value = value.replace(until.group(0), local.strftime(";UNTIL=%Y%m%dT%H%M%S"))
                walls.update(rrulestr(value, dtstart=start).between(start, datetime(LAST_ONSET, 1, 1), inc=True))
            for dates in part.all("RDATE"):
                walls.update(wall(value.split("/")[0]) for value in dates.value.split(","))
            onsets += [(int((at - EPOCH).total_seconds()) - before, before, after) for at in walls]
        onsets.sort()
        self.at = [at for at, _, _ in onsets]
        self.to = [after for _, _, after in onsets]
        self.first = onsets[0][1]

    def offset(self, instant: int) -> int:
        found = bisect_right(self.at, instant)
        return self.to[found - 1] if found else self.first

    def instant(self, local: datetime) -> int:
        seconds = int((local - EPOCH).total_seconds())
        # RFC 5545 3.3.5: the first of two; in a gap the offset before it. Offsets lie within a day of UTC.
        near = sorted({self.offset(seconds + away * 3600) for away in range(-26, 27)})
        fits = [seconds - offset for offset in near if self.offset(seconds - offset) == offset]
        if fits:
            return min(fits)
        index = bisect_right(self.at, seconds - min(near))
        gaps = [i for i in range(max(index - 3, 0), min(index + 3, len(self.at)))]
        for i in gaps:
            before = self.to[i - 1] if i else self.first
            if self.at[i] + before <= seconds < self.at[i] + self.to[i]:
                return seconds - before
        raise NotAsked("a wall clock nobody can place")


class Iana:
    def __init__(self, name: str) -> None:
        self.zone = ZoneInfo(name)

    def offset(self, instant: int) -> int:
        return int(datetime.fromtimestamp(instant, self.zone).utcoffset().total_seconds())

    def instant(self, local: datetime) -> int:
        # fold=0 is what RFC 5545 3.3.5 says of both kinds of change.
        return int(local.replace(tzinfo=self.zone).timestamp())


@lru_cache(maxsize=None)
def iana(name: str) -> Iana:
    return Iana(name)


UTC = iana("UTC")


class Zones:
    def __init__(self, calendar: Component, reader: str) -> None:
        self.reader = iana(reader)
        self.own = {c.first("TZID").value.replace("\\", ""): c for c in calendar.components if c.kind == "VTIMEZONE" and c.first("TZID")}

    def get(self, tzid: str) -> Own | Iana:
        if tzid in NAMES:
            return iana(tzid)
        if tzid in WINDOWS_TO_OLSON:
            return iana(WINDOWS_TO_OLSON[tzid])
        if tzid in self.own:
            return Own(self.own[tzid])
        return self.reader

    def of(self, prop: Property, value: str) -> Own | Iana:
        if value.endswith("Z"):
            return UTC
        return self.get(prop.params["TZID"]) if "TZID" in prop.params else self.reader


# --- dateutil's rules, our set algebra -----------------------------------------------------------------------------


def duration(text: str) -> tuple[int, int]:
    """Nominal days, exact seconds."""
    found = re.fullmatch(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text.strip())
    if not found:
        raise NotAsked(text)
    weeks, days, hours, minutes, seconds = (int(n or 0) for n in found.groups()[1:])
    if found.group(1) == "-":
        raise NotAsked("a negative length")
    return weeks * 7 + days, hours * 3600 + minutes * 60 + seconds


class Times:
    def __init__(self, component: Component, zones: Zones) -> None:
        start = component.first("DTSTART")
        if not start:
            raise NotAsked("no start")
        self.is_date = len(start.value.strip()) == 8
        self.start, self.zone = wall(start.value), zones.of(start, start.value)
        self.days, self.seconds = (1, 0) if self.is_date else (0, 0)
        if end := component.first("DTEND"):
            if self.is_date:
                self.days = max((wall(end.value) - self.start).days, 1)
            else:
                self.seconds = max(zones.of(end, end.value).instant(wall(end.value)) - self.zone.instant(self.start), 0)
        elif length := component.first("DURATION"):
            self.days, self.seconds = duration(length.value)
            if self.is_date:
                self.days, self.seconds = max(self.days, 1), 0

    def span(self, local: datetime, length: tuple[int, int] | None = None) -> tuple[int, int]:
        days, seconds = length or (self.days, self.seconds)
        start = self.zone.instant(local)
        return start, (self.zone.instant(local + days * DAY) if days else start) + seconds


def rule_walls(text: str, times: Times, floating: bool, low: datetime, high: datetime) -> set[datetime]:
    parts = dict(part.split("=", 1) for part in text.upper().split(";") if "=" in part)
    until = parts.pop("UNTIL", None)
    if times.is_date:  # RFC 5545 3.3.10: these are ignored for a DATE
        for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            parts.pop(name, None)
    parts = {name: value for name, value in parts.items() if not name.startswith(("X-", "RSCALE", "SKIP"))}
    count = parts.pop("COUNT", None)
    value = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        rule = rrulestr(value, dtstart=times.start)
    except ValueError as error:
        raise NotAsked(str(error)) from error
    last = datetime.max
    instant = None
    if until:
        last = wall(until)
        if "T" not in until:
            last += DAY - timedelta(seconds=1)
        elif times.is_date:
            last = datetime.combine(last.date(), datetime.max.time())
        elif until.endswith("Z") and not floating:
            instant = int((last - EPOCH).total_seconds())
            last += 2 * DAY
    walls = set()
    left = int(count) - 1 if count else None
    for at in given(rule):
        if at == times.start:
            continue  # DTSTART is the first instance, whether the rule gives it or not
        if left is not None:
            if not left:
                break
            left -= 1
        if at > last or at > high or (instant is not None and times.zone.instant(at) > instant):
            break
        if at >= low:
            walls.add(at)
        if len(walls) > MOST:
            raise NotAsked("too many")
    return walls


def given(rule: Iterable[datetime]) -> Iterator[datetime]:
    try:
        yield from rule
    except ValueError as error:  # it finds out late that a rule gives nothing
        raise NotAsked(str(error)) from error


def dateutil_says(ics: str, reader: str, start: int, end: int) -> list:
    calendar = parse(ics)
    zones = Zones(calendar, reader)
    events = [c for c in calendar.components if c.kind in ("VEVENT", "VTODO", "VJOURNAL")]
    masters = [c for c in events if not c.first("RECURRENCE-ID")]
    overrides = [c for c in events if c.first("RECURRENCE-ID")]
    if len(masters) != 1 or masters[0].kind != "VEVENT":
        raise NotAsked("not one master")
    master = masters[0]
    times = Times(master, zones)
    floating = not times.is_date and "TZID" not in master.first("DTSTART").params and not master.first("DTSTART").value.endswith("Z")

    def instant(prop: Property, value: str) -> int:
        value = value.strip()
        if times.is_date:
            return times.zone.instant(datetime.combine(wall(value).date(), datetime.min.time()))
        if "T" not in value:
            return times.zone.instant(datetime.combine(wall(value).date(), times.start.time()))
        if value.endswith("Z") or "TZID" in prop.params:
            return zones.of(prop, value).instant(wall(value))
        return times.zone.instant(wall(value))

    longest = timedelta(days=times.days + 3, seconds=times.seconds)
    moves = []
    for over in overrides:
        own = Times(over, zones)
        longest = max(longest, timedelta(days=own.days + 3, seconds=own.seconds))
        rid = over.first("RECURRENCE-ID")
        moves.append((instant(rid, rid.value), own, rid.params.get("RANGE", "").upper() == "THISANDFUTURE"))
    apart = [abs(own.start - datetime.fromtimestamp(key, timezone.utc).replace(tzinfo=None)) for key, own, _ in moves]
    away = max([longest, *(a + longest for a in apart)])
    low, high = EPOCH + timedelta(seconds=start) - away, EPOCH + timedelta(seconds=end) + away

    walls = {times.start}
    for rule in master.all("RRULE"):
        walls |= rule_walls(rule.value, times, floating, low, high)
    found = {times.zone.instant(at): (at, None) for at in walls if at >= low or at == times.start}
    for prop in master.all("RDATE"):
        for value in prop.value.split(","):
            first, _, until = value.partition("/")
            key = instant(prop, first)
            local = EPOCH + timedelta(seconds=key + times.zone.offset(key))
            length = None
            if until.startswith("P"):
                length = duration(until)
            elif until:
                length = (0, instant(prop, until) - key)
            if length or key not in found:
                found[key] = (local, length)
    for rule in master.all("EXRULE"):
        # DTSTART is not excluded by being DTSTART.
        for at in rule_walls(rule.value, times, floating, low, high):
            found.pop(times.zone.instant(at), None)
        if rrulestr(rule.value, dtstart=times.start).before(times.start, inc=True) == times.start:
            found.pop(times.zone.instant(times.start), None)
    for prop in master.all("EXDATE"):
        for value in prop.value.split(","):
            if "T" not in value and not times.is_date:
                found = {key: one for key, one in found.items() if one[0].date() != wall(value).date()}
            else:
                found.pop(instant(prop, value), None)

    spans = []
    ranges = sorted((key, own) for key, own, future in moves if future)
    for key, (local, length) in found.items():
        if any(key == over for over, _, _ in moves):
            continue
        later = [(over, own) for over, own in ranges if over < key]
        if later:
            over, own = later[-1]
            before = EPOCH + timedelta(seconds=over + own.zone.offset(over))
            here = EPOCH + timedelta(seconds=key + own.zone.offset(key))
            local = here + (own.start - before)
            spans.append((own, *own.span(local), local))
        else:
            spans.append((times, *times.span(local, length), local))
    spans += [(own, *own.span(own.start), own.start) for _, own, _ in moves]
    said = []
    for own, first, after, local in spans:
        if first < end and (after > start or (first == after and first >= start)):
            said.append([str(local.date()), str((local + own.days * DAY).date())] if own.is_date else [first, after])
    return said


# --- recurring-ical-events ------------------------------------------------------------------------------------------


def rie_says(ics: str, reader: str, start: int, end: int) -> list:
    zone = ZoneInfo(reader)
    calendar = Calendar.from_ical(ics)
    window = (datetime.fromtimestamp(at, zone) for at in (start, end))
    events = recurring_ical_events.of(calendar, components=["VEVENT"]).between(*window)
    said = []
    for event in events:
        first, after = event["DTSTART"].dt, event["DTEND"].dt if "DTEND" in event else event["DTSTART"].dt
        if isinstance(first, datetime):
            seconds = [int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()) for at in (first, after)]
            said.append(seconds)
        else:
            said.append([str(first), str(after if after > first else first + timedelta(days=1))])
    return said

