"""Three readers of iCalendar that nobody here wrote: which events a document holds, by the judgement of each.

An instance is (UID, start); a start is YYYYMMDD for a date, else YYYYMMDDTHHMMSSZ in UTC (a local time counts as UTC).
"""

import json
import os
import select
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import icalendar
import recurring_ical_events
from ical.calendar_stream import IcsCalendarStream

HERE = Path(__file__).resolve().parent
TOOLS = Path(os.environ.get("KALENDS_TOOLS", HERE.parent / ".cache" / "conformance"))
READ_SECONDS = 10  # a reader that needs longer for one document hangs

Instance = tuple[str, str]


@dataclass
class Reading:
    accepted: bool
    instances: set[Instance] = field(default_factory=set)
    error: str = ""


def start_key(value: date) -> str:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y%m%dT%H%M%SZ")
    return value.strftime("%Y%m%d")


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)


def _around(first: str, last: str) -> tuple[datetime, datetime]:
    """A day more on each side, as far as the calendar goes: a local time may lie in another day of UTC."""
    begin, end = _day(first), _day(last)
    return max(begin, _day("00010102")) - timedelta(1), min(end, _day("99991230")) + timedelta(1)


def _icalendar(data: bytes, first: str, last: str) -> Reading:
    icalendar.use_zoneinfo()  # forgets the zones that earlier documents defined under the same names
    calendars = icalendar.Calendar.from_ical(data, multiple=True)
    if not calendars:
        raise ValueError("no VCALENDAR")
    reading = Reading(True)
    errors = [str(error) for calendar in calendars for part in calendar.walk() for error in getattr(part, "errors", [])]
    reading.error = "; ".join(errors)[:300]
    for calendar in calendars:
        found = recurring_ical_events.of(calendar).between(*_around(first, last))
        reading.instances |= {(str(event.get("UID", "")), start_key(event["DTSTART"].dt)) for event in found}
    return reading


def _ical(data: bytes, first: str, last: str) -> Reading:
    calendar = IcsCalendarStream.calendar_from_ics(data.decode("utf-8-sig"))
    found = calendar.timeline_tz(UTC).overlapping(*_around(first, last))
    return Reading(True, {(event.uid or "", start_key(event.dtstart)) for event in found})


class TooSlow(Exception):
    pass


def _in_time(read: Callable[[bytes, str, str], Reading]) -> Callable[[bytes, str, str], Reading]:
    """The reader as one that always answers: what it throws, and hanging, become an error."""

    def late(*_: object) -> None:
        raise TooSlow(f"over {READ_SECONDS} s")

    def guarded(data: bytes, first: str, last: str) -> Reading:
        before = signal.signal(signal.SIGALRM, late)
        signal.alarm(READ_SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reading = read(data, first, last)
            reading.instances = {one for one in reading.instances if first <= one[1][:8] < last}
            return reading
        except Exception as error:  # whatever a stranger's parser throws
            return Reading(False, error=f"{type(error).__name__}: {error}"[:300])
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    return guarded


class IcalJs:
    """One node process for all documents."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def __call__(self, data: bytes, first: str, last: str) -> Reading:
        if self.process is None or self.process.poll() is not None:
            command = ["node", str(HERE / "instances.mjs"), str(TOOLS / "node")]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=dict(os.environ, TZ="UTC"))
        with tempfile.NamedTemporaryFile(suffix=".ics") as file:
            file.write(data)
            file.flush()
            self.process.stdin.write(json.dumps({"path": file.name, "first": first, "last": last}) + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], READ_SECONDS)[0]:
                self.process.kill()
                self.process = None
                return Reading(False, error=f"over {READ_SECONDS} s")
            line = self.process.stdout.readline()
        if not line:
            return Reading(False, error="node ended")
        answer = json.loads(line)
        return Reading(answer["accepted"], {tuple(one) for one in answer["instances"]}, answer["error"])


READERS: dict[str, Callable[[bytes, str, str], Reading]] = {
    "icalendar": _in_time(_icalendar),
    "ical": _in_time(_ical),
    "ical.js": IcalJs(),
}
