"""The cases of `recurrence`: some thousand made by a seed, and some hundred picked by hand.

Picked are the fixtures that recur (what programs write, RFC 5545's examples) and fixtures/recur/picked.txt.
"""

import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from recurrence_oracles import EPOCH, NotAsked, Times, Zones, dateutil_says, parse, patience, wall

ROOT = Path(__file__).resolve().parent.parent
ZONES = [
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia",
    "Asia/Beirut", "America/Havana", "Africa/Casablanca", "America/St_Johns", "Europe/Dublin", "Pacific/Chatham",
    "Asia/Tehran", "America/Vancouver", "Africa/Cairo", "Asia/Gaza",
]  # fmt: skip
WINDOWS = ["W. Europe Standard Time", "Eastern Standard Time", "Tokyo Standard Time", "Samoa Standard Time", "AUS Eastern Standard Time"]
# Zones of nobody: clocks that change at noon, by odd minutes, twice a year and once, and one that never does.
OWN = {
    "Own/Noon": ("+0130", "+0215", "FREQ=YEARLY;BYMONTH=4;BYDAY=1SA", "FREQ=YEARLY;BYMONTH=9;BYMONTHDAY=12", "120000"),
    "Own/South": ("-0345", "-0245", "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "FREQ=YEARLY;BYMONTH=2;BYDAY=3SU", "000000"),
    "Own/Fixed": ("+0537", None, None, None, "000000"),
    "Own/Half": ("+1030", "+1100", "FREQ=YEARLY;BYMONTH=10;BYDAY=1SU", "FREQ=YEARLY;BYMONTH=4;BYDAY=1SU", "020000"),
    "Own/Ended": ("+0100", "+0200", "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;UNTIL=20260329T010000Z", "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20261025T010000Z", "020000"),
}
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# How much is looked at of a rule.
REACH = {"SECONDLY": 0.05, "MINUTELY": 1.5, "HOURLY": 12, "DAILY": 90, "WEEKLY": 500, "MONTHLY": 2500, "YEARLY": 9000}


@dataclass
class Case:
    name: str
    ics: str
    reader: str
    start: int
    end: int


def vtimezone(name: str) -> str:
    standard, daylight, to_daylight, to_standard, at = OWN[name]
    if not daylight:
        return "\n".join([
            "BEGIN:VTIMEZONE", f"TZID:{name}", "BEGIN:STANDARD", "DTSTART:19700101T000000", f"TZOFFSETFROM:{standard}",
            f"TZOFFSETTO:{standard}", "END:STANDARD", "END:VTIMEZONE",
        ])  # fmt: skip

    def part(kind: str, before: str, after: str, rule: str) -> list[str]:
        month = int(re.search(r"BYMONTH=(\d+)", rule).group(1))
        day = next(d for d in range(1, 32) if fits(rule, datetime(2010, month, d)))
        start = datetime(2010, month, day).strftime("%Y%m%dT") + at
        return [f"BEGIN:{kind}", f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", f"RRULE:{rule}", f"END:{kind}"]

    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}", *part("DAYLIGHT", standard, daylight, to_daylight)]
    return "\n".join([*lines, *part("STANDARD", daylight, standard, to_standard), "END:VTIMEZONE"])


def fits(rule: str, day: datetime) -> bool:
    if found := re.search(r"BYMONTHDAY=(\d+)", rule):
        return day.day == int(found.group(1))
    ordinal, name = re.search(r"BYDAY=(-?\d+)(\w\w)", rule).groups()
    if DAYS[day.weekday()] != name:
        return False
    n = int(ordinal)
    return (day.day - 1) // 7 + 1 == n if n > 0 else (day + timedelta(days=7)).month != day.month


def calendar(components: list[list[str]]) -> str:
    text = "\n".join("\n".join(lines) for lines in components)
    zones = [vtimezone(name) for name in OWN if f"TZID={name}:" in text]
    body = [
        "\n".join(["BEGIN:VEVENT", "UID:one", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"]) for lines in components
    ]
    text = "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//judge//EN", *zones, *body, "END:VCALENDAR"])
    return text.replace("\n", "\r\n") + "\r\n"


def window(ics: str, reader: str, away: float, share: float = 0.0) -> tuple[int, int]:
    """From shortly before the first start (or a share of the reach later) for as long as the fastest rule needs."""
    parsed = parse(ics)
    zones = Zones(parsed, reader)
    events = [c for c in parsed.components if c.first("DTSTART") and c.kind != "VTIMEZONE"]
    times = Times(min(events, key=lambda c: wall(c.first("DTSTART").value)), zones)
    frequencies = re.findall(r"^(?:RRULE|EXRULE)[^\r\n]*FREQ=(\w+)", ics, re.M | re.I)
    days = min((REACH.get(f.upper(), 90) for f in frequencies), default=90) * away
    start = times.zone.instant(times.start) + int(days * share * 86_400)
    return start - (0 if share else 90_000), start + int(days * 86_400)


# --- made -----------------------------------------------------------------------------------------------------------


class Maker:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def some(self, chance: float) -> bool:
        return self.dice.random() < chance

    def numbers(self, low: int, high: int, negative: bool, most: int = 3) -> str:
        found = {self.dice.randint(low, high) * (-1 if negative and self.some(0.3) else 1) for _ in range(self.dice.randint(1, most))}
        return ",".join(map(str, sorted(found)))

    def days(self, ordinal: int) -> str:
        """Plain weekdays, or (if `ordinal` is given) the n-th of their month or year."""
        names = self.dice.sample(DAYS, self.dice.randint(1, 4))
        if ordinal:
            return ",".join(f"{self.dice.choice([1, 1, -1]) * self.dice.randint(1, ordinal)}{day}" for day in names)
        return ",".join(names)

    def rule(self, kind: str, start: datetime) -> str:
        weights = [1, 2, 3, 8, 12, 12, 12] if kind != "date" else [0, 0, 0, 8, 12, 12, 12]
        freq = self.dice.choices(list(REACH), weights)[0]
        parts = [f"FREQ={freq}"]
        fast = freq in ("SECONDLY", "MINUTELY", "HOURLY")
        if self.some(0.35):
            parts.append(f"INTERVAL={self.dice.choice([2, 2, 3, 4, 5, 7, 13]) * (5 if fast else 1)}")
        if freq != "YEARLY" and self.some(0.12) or freq == "YEARLY" and self.some(0.4):
            parts.append(f"BYMONTH={self.numbers(1, 12, False)}")
        if freq == "YEARLY":
            which = self.dice.randrange(6)
            if which == 0:
                parts.append(f"BYWEEKNO={self.numbers(1, 53, True)}")
                if self.some(0.8):
                    parts.append(f"BYDAY={self.days(0)}")
            elif which == 1:
                parts.append(f"BYYEARDAY={self.numbers(1, 366, True)}")
            elif which == 2:
                parts.append(f"BYMONTHDAY={self.numbers(1, 31, True)}")
            elif which == 3:
                in_month = any(part.startswith("BYMONTH=") for part in parts)
                parts.append(f"BYDAY={self.days(5 if in_month else 53)}")
            elif which == 4:
                parts.append(f"BYDAY={self.days(0)}")
        elif freq == "MONTHLY":
            which = self.dice.randrange(5)
            if which <= 1:
                parts.append(f"BYMONTHDAY={self.numbers(1, 31, True)}")
            if which == 2:
                parts.append(f"BYDAY={self.days(5)}")
            elif which in (1, 3):
                parts.append(f"BYDAY={self.days(0)}")
                if self.some(0.1):
                    parts[-1] += f",{self.days(5)}"
        elif freq == "WEEKLY":
            if self.some(0.7):
                parts.append(f"BYDAY={self.days(0)}")
        elif self.some(0.3):
            parts.append(f"BYDAY={self.days(0)}")
        elif self.some(0.15):
            parts.append(f"BYMONTHDAY={self.numbers(1, 31, True)}")
        if kind != "date":
            if self.some(0.15):
                parts.append(f"BYHOUR={self.numbers(0, 23, False)}")
            if self.some(0.12):
                parts.append(f"BYMINUTE={self.numbers(0, 59, False)}")
            if freq == "SECONDLY" or self.some(0.04):
                parts.append(f"BYSECOND={self.numbers(0, 59, False)}")
        if len(parts) > 2 and freq not in ("SECONDLY",) and self.some(0.15):
            parts.append(f"BYSETPOS={self.numbers(1, 4, True, 2)}")
        if self.some(0.2):
            parts.append(f"WKST={self.dice.choice(DAYS)}")
        end = self.dice.random()
        if end < 0.3:
            parts.append(f"COUNT={self.dice.randint(1, 40)}")
        elif end < 0.55:
            until = start + timedelta(days=REACH[freq] * self.dice.uniform(0.1, 1.2))
            form = {"date": "%Y%m%d", "zoned": "%Y%m%dT%H%M%SZ", "utc": "%Y%m%dT%H%M%SZ"}.get(kind, "%Y%m%dT%H%M%S")
            form = self.dice.choice([form] * 4 + ["%Y%m%d"] + (["%Y%m%dT%H%M%S"] if kind == "zoned" else []))
            parts.append(f"UNTIL={until.strftime(form)}")
        return ";".join(parts)

    def value(self, kind: str, tzid: str, at: datetime) -> str:
        if kind == "date":
            return f";VALUE=DATE:{at:%Y%m%d}"
        if kind == "zoned":
            return f";TZID={tzid}:{at:%Y%m%dT%H%M%S}"
        return f":{at:%Y%m%dT%H%M%S}{'Z' if kind == 'utc' else ''}"

    def case(self, number: int) -> Case:
        kind = self.dice.choices(["zoned", "utc", "floating", "date"], [60, 12, 12, 16])[0]
        tzid = self.dice.choice(self.dice.choices([ZONES, WINDOWS, list(OWN)], [70, 12, 18])[0])
        year = self.dice.choice([1998, 2007, 2015, 2019, 2023, 2025, 2026])
        start = datetime(year, self.dice.randint(1, 12), self.dice.randint(1, 28))
        if kind != "date":
            start += timedelta(hours=self.dice.choice([0, 1, 2, 2, 3, 9, 12, 18, 23]), minutes=self.dice.choice([0, 0, 15, 30]))
        rules = [self.rule(kind, start) for _ in range(2 if self.some(0.06) else 1)]
        master = [f"DTSTART{self.value(kind, tzid, start)}"]
        if kind == "date":
            ends = ["", "DURATION:P3D", f"DTEND;VALUE=DATE:{start + timedelta(days=2):%Y%m%d}"]
        else:
            ends = ["", "DURATION:PT1H", "DURATION:P1DT1H", f"DTEND{self.value(kind, tzid, start + timedelta(hours=2))}", "DURATION:P2D"]
        master.append(self.dice.choice(ends))
        if self.some(0.04):
            rules = []
        master += [f"RRULE:{rule}" for rule in rules]
        near = sorted({start + timedelta(days=self.dice.randint(1, 200)) for _ in range(4)})
        if not rules or self.some(0.12):
            form = self.dice.random()
            if kind == "date":
                master += [f"RDATE{self.value(kind, tzid, at)}" for at in near[:3]]
            elif form < 0.4:
                head, value = self.value(kind, tzid, near[0]).split(":")
                zone = "Z" if kind == "utc" else ""
                master.append(f"RDATE{head};VALUE=PERIOD:{value}/PT90M,{near[-1]:%Y%m%dT%H%M%S}{zone}/{near[-1] + timedelta(hours=5):%Y%m%dT%H%M%S}{zone}")
            else:
                master += [f"RDATE{self.value(kind, tzid, at)}" for at in near]
        case = Case(f"made-{number:04}", "", self.dice.choice(["UTC", "UTC", "Europe/Berlin", "America/Los_Angeles"]), 0, 0)
        components = [[line for line in master if line]]
        if self.some(0.3):
            self.exceptions(kind, tzid, components, case)
        case.ics = calendar(components)
        share = self.dice.choice([0.0, 0.0, 0.3, 0.8])
        case.start, case.end = window(case.ics, case.reader, self.dice.uniform(0.4, 1.0), share)
        return case

    def exceptions(self, kind: str, tzid: str, components: list[list[str]], case: Case) -> None:
        """EXDATEs and overrides of instances that dateutil's rules give."""
        ics = calendar(components)
        try:
            with patience():
                said = dateutil_says(ics, case.reader, *window(ics, case.reader, 0.6))
        except NotAsked:
            return
        parsed = parse(ics)
        zone = Times(parsed.components[-1], Zones(parsed, case.reader)).zone
        starts = [
            datetime.fromisoformat(at) if isinstance(at, str) else EPOCH + timedelta(seconds=at + zone.offset(at)) for at, _ in said
        ]
        starts = sorted(set(starts))[:40]
        if len(starts) < 4:
            return
        picked = self.dice.sample(starts, min(5, len(starts)))
        gone, moved = picked[: self.dice.randint(0, 2)], picked[2 : 2 + self.dice.randint(0, 3)]
        for at in gone:
            if kind == "zoned" and self.some(0.3):
                utc = EPOCH + timedelta(seconds=zone.instant(at))
                components[0].append(f"EXDATE:{utc:%Y%m%dT%H%M%SZ}")
            elif kind == "zoned" and self.some(0.15):
                components[0].append(f"EXDATE;VALUE=DATE:{at:%Y%m%d}")
            else:
                components[0].append(f"EXDATE{self.value(kind, tzid, at)}")
        for index, at in enumerate(moved):
            to = at + timedelta(days=self.dice.randint(-3, 3), hours=0 if kind == "date" else self.dice.randint(-5, 5))
            future = ";RANGE=THISANDFUTURE" if index == 0 and self.some(0.15) else ""
            lines = [f"RECURRENCE-ID{future}{self.value(kind, tzid, at)}", f"DTSTART{self.value(kind, tzid, to)}"]
            lines.append("DURATION:P1D" if kind == "date" else self.dice.choice(["DURATION:PT45M", "DURATION:PT3H"]))
            components.append(lines)


def made(count: int, seed: int, first: int = 0) -> list[Case]:
    # Each by its own number, so that a change of one leaves the others.
    return [Maker(seed * 100_000 + number).case(number) for number in range(first, first + count)]


# --- picked ---------------------------------------------------------------------------------------------------------


def picked() -> list[Case]:
    cases = []
    for line in (ROOT / "fixtures" / "recur" / "picked.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(" = ")
        components = [[part.strip() for part in component.split(" | ")] for component in rest.split(" || ")]
        away = 1.0
        ics = calendar(components)
        cases.append(Case(f"picked/{name.strip()}", ics, "UTC", *window(ics, "UTC", away)))
    for path in sorted((ROOT / "fixtures" / "ics").rglob("*.ics")):
        text = path.read_bytes().decode("utf-8", "replace")
        if ".refused." in path.name or not re.search(r"^(RRULE|RDATE|EXRULE)", text, re.M | re.I) or "BEGIN:VEVENT" not in text:
            continue
        try:
            start, end = window(text, "UTC", 1.0)
        except (NotAsked, ValueError, IndexError, AttributeError, KeyError, StopIteration):
            continue
        cases.append(Case(f"fixture/{path.parent.name}/{path.stem}", text, "UTC", start, end))
    return cases
