"""Feeds of every fixture, read by three parsers that nobody here wrote; privacy; caching, rotation and revocation.

Each fixture is imported into a calendar of its own. Its feed must be accepted by icalendar, ical and ical.js, each must
find the same instances in it, and they must be those of the source. What a parser itself gets wrong is listed in
expect/feeds.toml. The busy_only feed of the same calendar must show none of the source's texts.

usage: feeds.py [sqlite] [postgres] [--only TEXT]
"""

import argparse
import re
from collections import Counter
from urllib.parse import urlsplit

import feed_rules
from documents import Document, fixtures, refusals
from expectations import Expected
from feed_account import FeedAccount
from feed_text import faults, leaks, name_of, unfold, value_of
from instances import READERS, Instance, Reading
from server import Server
from tally import Tally

YEARS = 4  # from a document's first event on: long enough for every second leap day


def window(data: bytes) -> tuple[str, str] | None:
    """The days to compare: from the year of the first event."""
    years, inside = [], 0
    for line in unfold(data):
        if line.upper() in ("BEGIN:VEVENT", "END:VEVENT"):
            inside += 1 if line.upper().startswith("BEGIN") else -1
        elif inside and name_of(line) in ("DTSTART", "RECURRENCE-ID") and (found := re.search(r":(\d{4})\d{4}", line)):
            years.append(int(found.group(1)))
    if not years:
        return None
    first = max(min(years), 1)
    return f"{first:04}0101", f"{min(first + YEARS, 9999):04}0101"


def agreed(readings: dict[str, Reading]) -> frozenset[Instance] | None:
    """The instances that most readers find, when two of them agree."""
    votes = Counter(frozenset(reading.instances) for reading in readings.values() if reading.accepted)
    if not votes:
        return None
    instances, count = votes.most_common(1)[0]
    return instances if count >= 2 else None


def compare(document: Document, feed: bytes, outcomes: dict[str, str], details: dict[str, str]) -> None:
    """Adds one outcome per reader, and one for the content."""
    days = window(document.data)
    first, last = days or ("20200101", "20300101")
    of_feed = {name: read(feed, first, last) for name, read in READERS.items()}
    common = agreed(of_feed)
    for name, reading in of_feed.items():
        test = f"{document.name} {name}"
        if not reading.accepted or reading.error:
            outcomes[test], details[test] = "refused", reading.error
        elif common is None or reading.instances != common:
            outcomes[test], details[test] = "differs", describe(reading.instances, common)
        else:
            outcomes[test] = "agrees"
    if common is None or document.name in refusals():
        return  # of a file that no PUT stores, an import keeps what it can: its content is not that of the source
    source = agreed({name: read(document.data, first, last) for name, read in READERS.items()})
    if source is None:
        return  # most readers cannot make sense of the source itself: then only the feed is judged
    test = f"{document.name} content"
    if masked(document.data):  # another UID hides whose event it is
        common, source = (frozenset(("", start) for _, start in instances) for instances in (common, source))
    outcomes[test] = "agrees" if common == source else "differs"
    details[test] = describe(common, source)


def masked(data: bytes) -> bool:
    return any(name_of(line) == "CLASS" and value_of(line).upper() != "PUBLIC" for line in unfold(data))


def describe(got: frozenset[Instance] | set[Instance], want: frozenset[Instance] | None) -> str:
    if want is None:
        return f"no two readers agree; this one finds {len(got)}: {sorted(got)[:3]}"
    return f"{len(got)} instances instead of {len(want)}; missing {sorted(want - got)[:3]}, more {sorted(got - want)[:3]}"


def path_of(feed: dict) -> str:
    return urlsplit(feed["url"]).path


def of_fixtures(tally: Tally, database: str, server: Server, account: FeedAccount, only: str) -> tuple[dict[str, str], dict[str, str]]:
    outcomes: dict[str, str] = {}
    details: dict[str, str] = {}
    client = server.client()
    stored = 0
    # One feed of each kind is pointed at one calendar after the other: a user has 500 feeds at most.
    account.server.cli("calendar", "add", "ada", "none-yet")
    shown, busy_shown = account.create(["none-yet"], "details"), account.create(["none-yet"], "busy_only")
    for number, document in enumerate(document for document in fixtures() if only in document.name):
        slug = f"fixture-{number}"
        calendar = account.calendar_with(slug, document.path)
        if calendar is None:
            continue  # nothing of it is stored: corpus.py judges the refusal
        stored += 1
        name = f"{database} {document.name}"
        account.point(shown, [slug])
        answer = client.get(path_of(shown))
        if not tally.check(f"{name}: the feed is served", answer.status == 200, answer):
            continue
        wrong = faults(answer.body)
        tally.check(f"{name}: the feed is well written", not wrong, wrong[:4])
        compare(document, answer.body, outcomes, details)
        account.point(busy_shown, [slug])
        busy = client.get(path_of(busy_shown))
        if tally.check(f"{name}: the busy feed is served", busy.status == 200, busy):
            told = leaks(busy.body, document.data)
            tally.check(f"{name}: the busy feed tells nothing more", not told, told[:4])
            wrong = faults(busy.body)
            tally.check(f"{name}: the busy feed is well written", not wrong, wrong[:4])
    tally.note(f"{database}: feeds of {stored} fixtures")
    return outcomes, details


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=[])
    parser.add_argument("--only", default="", help="fixtures whose name holds this text")
    given = parser.parse_args()
    tally = Tally("feeds")
    expected = Expected("feeds")
    for database in given.databases or ("sqlite",):
        with Server(database) as server:
            account = FeedAccount(server)
            outcomes, details = of_fixtures(tally, database, server, account, given.only)
            if not given.only:
                expected.judge(tally, outcomes, "agrees", details)
                counts = Counter(outcomes.values())
                tally.note(f"{database}: readings {dict(counts)}")
            else:
                for test, outcome in outcomes.items():
                    tally.note(f"{test}: {outcome} {details.get(test, '')}")
            feed_rules.judge(tally, database, server, account)
    tally.finish()


if __name__ == "__main__":
    main()
