"""Recurrence and zones against python-dateutil, recurring-ical-events and zoneinfo (pinned, with the pinned tzdata).

Every remaining difference is in expect/recurrence.toml: which oracle, which kind, the paragraph of the RFC that says who is
right, and every case it shows in. An oracle that comes round fails this as a new difference does.

usage: recurrence.py [NAME…]   shows what all three say of the named cases;   recurrence.py --write FILE   writes the unlisted ones
"""

import json
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import available_timezones

from recurrence_cases import OWN, Case, made, picked, vtimezone
from recurrence_oracles import NotAsked, Own, dateutil_says, iana, parse, patience, rie_says
from tally import Tally

ROOT = Path(__file__).resolve().parent.parent
EXPAND = ROOT / "target" / "debug" / "examples" / "expand"
EXPECT = ROOT / "conformance" / "expect" / "recurrence.toml"
SEED = 2026
MADE = 3000
# An oracle that takes longer is near the end of the patience with it (recurrence_oracles.CPU_S).
SLOW_S = 0.04
ORACLES = {"dateutil": dateutil_says, "recurring-ical-events": rie_says}


def ours(questions: list[dict]) -> list[dict]:
    text = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([EXPAND], input=text, capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def case_of(number: int) -> Case:
    return made(1, SEED, number)[0]


def question(case: Case) -> dict:
    return {"ics": case.ics, "reader": case.reader, "from": case.start, "to": case.end}


def asked(case: Case) -> tuple[dict[str, list | str], set[str]]:
    """What each oracle says, text where it has no opinion or fails; and which of them nearly took too long."""
    said, slow = {}, set()
    for name, oracle in ORACLES.items():
        before = time.process_time()
        try:
            with patience():
                spans = oracle(case.ics, case.reader, case.start, case.end)
            said[name] = sorted(map(list, {tuple(span) for span in spans}), key=str)
        except NotAsked as why:
            said[name] = f"not asked: {why}"
        except Exception as error:  # an oracle's own failure is a difference too
            said[name] = f"failed: {type(error).__name__}: {error}"
        if time.process_time() - before > SLOW_S:
            slow.add(name)
    return said, slow


class Known:
    """The listed differences: oracle, a pattern the case's text must show, the paragraph, the cases."""

    def __init__(self) -> None:
        listed = tomllib.loads(EXPECT.read_text())
        self.entries, self.stale = listed["difference"], listed["stale"]["zones"]
        self.cases: dict[tuple[str, str], dict] = {}
        for entry in self.entries:
            lacking = {"oracle", "what", "rfc", "right", "cases"} - entry.keys()
            if lacking:
                raise SystemExit(f"{EXPECT}: {entry.get('what')} has no {' and no '.join(sorted(lacking))}")
            for name in entry["cases"]:
                self.cases[(entry["oracle"], name)] = entry


def objects(tally: Tally) -> list[dict]:
    """Compares; returns the differences that are not listed."""
    with ProcessPoolExecutor(2) as pool:
        cases = list(pool.map(case_of, range(MADE), chunksize=100)) + picked()
    tally.check(f"{len(cases) - MADE} cases are picked by hand, 300 at least", len(cases) - MADE >= 300)
    known, unlisted = Known(), []
    answers = ours([question(case) for case in cases])
    agreed = dict.fromkeys(ORACLES, 0)
    lone = 0
    with ProcessPoolExecutor(2) as pool:
        for case, answer, (said, slow) in zip(cases, answers, pool.map(asked, cases, chunksize=50), strict=True):
            if "error" in answer or (answer["truncated"] and not answer["instances"]):
                tally.check(f"{case.name} is expanded", False, answer)
                continue
            mine = sorted(map(list, {tuple(one) for one in answer["instances"]}), key=str)
            # Cut off, and said so: what is there must be right as far as it goes.
            last = answer["instances"][-1][0] if answer["truncated"] else None
            opinions = 0
            for name, theirs in said.items():
                if isinstance(theirs, str) and theirs.startswith("not asked"):
                    continue
                opinions += 1
                if last is not None and not isinstance(theirs, str):
                    theirs = [one for one in theirs if one[0] <= last]
                entry = known.cases.get((name, case.name))
                if theirs == mine:
                    agreed[name] += 1
                    tally.check(f"{case.name}: {name} agrees now, listed as {entry and entry['what']}", not entry or entry.get("unsteady", False))
                elif entry:
                    tally.check(case.name, True)
                elif name in slow:
                    # On another machine it would not have been asked at all, so it may not be listed.
                    tally.note(f"{case.name}: {name} differs, slowly: {lines_of(case)}")
                else:
                    unlisted.append({"oracle": name, "case": case.name, "lines": lines_of(case), "ours": mine, "theirs": theirs})
                    tally.check(f"{case.name}: {name} differs", False, show(case, mine, theirs))
            lone += opinions == 0
    for (name, case) in known.cases.keys() - {(name, case.name) for case in cases for name in ORACLES}:
        tally.check(f"{case} of {name} is listed and is no case", False)
    listed = {name: sum(1 for oracle, _ in known.cases if oracle == name) for name in ORACLES}
    tally.note(f"{MADE} made and {len(cases) - MADE} picked cases; agreed: {agreed}; listed differences: {listed}; nobody asked: {lone}")
    return unlisted


def lines_of(case: Case) -> str:
    keep = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID")
    events = case.ics.replace("\r\n ", "").split("BEGIN:VEVENT", 1)[-1]
    return " | ".join(line for line in events.splitlines() if line.startswith(keep))


def show(case: Case, mine: list, theirs: list | str) -> str:
    def told(one: list) -> str:
        return "/".join(at if isinstance(at, str) else datetime.fromtimestamp(at, timezone.utc).strftime("%Y%m%dT%H%M%SZ") for at in one)

    if isinstance(theirs, str):
        return f"{lines_of(case)}\n       {theirs}"
    more = [told(one) for one in mine if one not in theirs][:4]
    less = [told(one) for one in theirs if one not in mine][:4]
    return f"{lines_of(case)}\n       only ours {more} only theirs {less} ({len(mine)}, {len(theirs)})"


def zones(tally: Tally) -> None:
    """The zones we write against zoneinfo, at every hour from 2020 to 2045, and zones of nobody as we read them."""
    names = [name for name in sorted(available_timezones()) if "/" in name or name == "UTC"]
    first, after = (int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) for year in (2020, 2046))
    written = ours([{"vtimezone": name, "from_year": 2020} for name in names])
    right, stale = 0, Known().stale
    missing = [name for name, answer in zip(names, written, strict=True) if "text" not in answer]
    tally.equal("every zone of the pinned tzdata is known", missing, [])
    for name, answer in zip(names, written, strict=True):
        if "text" not in answer:
            continue
        zone, read = iana(name), Own(parse(answer["text"]))
        wrong = next((at for at in hours(first, after, zone, read) if zone.offset(at) != read.offset(at)), None)
        told = wrong and datetime.fromtimestamp(wrong, timezone.utc)
        if name in stale:
            tally.check(f"{name} is zoneinfo's again, listed as stale", wrong is not None)
            continue
        right += tally.check(f"{name} as written is zoneinfo's at every hour from 2020 to 2045", wrong is None, told)
    tally.note(f"{right} zones written, each the same at {(after - first) // 3600} hours")
    for name in OWN:
        text = vtimezone(name)
        read = Own(parse(text))
        start = int(datetime(2005, 1, 1, tzinfo=timezone.utc).timestamp())
        [answer] = ours([{"definition": text.replace("\n", "\r\n") + "\r\n", "from": start, "to": after}])
        want = []
        for at in range(start, after, 3600):
            if not want or want[-1][1] != read.offset(at):
                want.append([at, read.offset(at)])
        tally.equal(f"{name} follows its own rules at every hour from 2005 to 2045", answer.get("hours"), want)


def hours(first: int, after: int, zone, read: Own):
    """The hours at which two zones can differ: both stand still between their changes, so the hours around each suffice."""
    yield first
    changes = {at for at in read.at if first <= at < after}
    before, day = zone.offset(first), 86_400
    for at in range(first + day, after + day, day):
        here = zone.offset(at)
        if here != before:  # the change is in this day; a day that ends as it began has none in any zone
            changes.update(range(at - day, at, 3600))
        before = here
    for change in sorted(changes):
        hour = change - change % 3600
        yield from (at for at in (hour - 3600, hour, hour + 3600) if first <= at < after)


def write(unlisted: list[dict]) -> None:
    """One JSON object a line for each difference that is not listed, for somebody to find its reason."""
    with Path(sys.argv[sys.argv.index("--write") + 1]).open("w") as out:
        out.writelines(json.dumps(one) + "\n" for one in unlisted)


def main() -> None:
    names = [] if "--write" in sys.argv else sys.argv[1:]
    if names:
        for case in [case for case in made(MADE, SEED) + picked() if case.name in names]:
            said = {"kalends": ours([question(case)])[0], **asked(case)[0]}
            print(case.ics, case.reader, case.start, case.end)
            for name, answer in said.items():
                print(f"{name}: {json.dumps(answer)}")
        return
    tally = Tally("recurrence")
    unlisted = objects(tally)
    zones(tally)
    if "--write" in sys.argv:
        write(unlisted)
    tally.finish()


if __name__ == "__main__":
    main()
