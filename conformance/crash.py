"""kill -9 in a storm of writes: everything acknowledged must be there afterwards, byte for byte.

Eight writers PUT and DELETE over connections of their own; the server is killed at a random moment and started again, 20
times per database. Each time: every object holds what was last acknowledged (or what was under way when the server died),
a sync client that follows the tokens knows exactly the members, and `kalends doctor` finds nothing. On SQLite a backup
taken under the same load is restored into another folder and judged in the same way.

usage: crash.py [sqlite] [postgres] [--rounds N] [--seed N]
"""

import argparse
import http.client
import os
import random
import shutil
import threading
import time
from pathlib import Path

from server import Server
from syncing import SyncClient
from tally import Tally
from wire import Client

WRITERS = 8
NAMES_EACH = 40  # few enough that writers come back to a name


def body(name: str, version: int, size: int) -> bytes:
    text = f"version {version} " + "x" * size
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Storm//EN\r\nBEGIN:VEVENT\r\nUID:{name}\r\n"
        f"DTSTAMP:20270101T000000Z\r\nDTSTART:202701{version % 28 + 1:02}T120000Z\r\nDURATION:PT1H\r\n"
        f"SUMMARY:{text}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


class Writer(threading.Thread):
    """Writes its own names until the server is gone; knows what each may hold."""

    def __init__(self, number: int, client: Client, calendar: str, seed: int, known: dict[str, set[bytes | None]]) -> None:
        super().__init__(daemon=True)
        self.number, self.client, self.calendar = number, client, calendar
        self.random = random.Random(seed)
        self.known = known  # name → what it may hold; None: absent. More than one only for what was under way
        self.touches: dict[str, int] = {}  # name → requests for it; counted after `known` says so and before one goes out
        self.acknowledged = 0
        self.refused: list[str] = []
        self.halt = threading.Event()

    def run(self) -> None:
        version = self.random.randrange(1_000_000)
        while not self.halt.is_set():
            version += 1
            name = f"writer-{self.number}-{self.random.randrange(NAMES_EACH)}.ics"
            before = self.known.get(name, {None})
            remove = None not in before and self.random.random() < 0.15
            after = None if remove else body(name, version, self.random.choice((10, 500, 8_000)))
            self.known[name] = before | {after}
            self.touches[name] = self.touches.get(name, 0) + 1
            try:
                path = self.calendar + name
                answer = self.client.delete(path) if remove else self.client.put(path, after)
            except (OSError, http.client.HTTPException):
                return  # the server was killed: either state may be the one that is kept
            if answer.status in (200, 201, 204):
                self.known[name] = {after}
                self.acknowledged += 1
            else:
                self.known[name] = before
                self.refused.append(f"{name}: {answer}")


def storm(server: Server, calendar: str, chance: random.Random, known: list[dict]) -> list[Writer]:
    writers = [Writer(i, server.client("ada", timeout=20), calendar, chance.randrange(2**32), known[i]) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    return writers


def judge(tally: Tally, step: str, server: Server, calendar: str, known: list[dict]) -> None:
    """Holds what the server has against what the writers may believe, and settles what was open."""
    client = server.client("ada")
    members = client.members(calendar)
    wrong, open_states = [], 0
    for mine in known:
        for name, states in mine.items():
            open_states += len(states) > 1
            held: bytes | None = None
            if name in members:
                answer = client.get(calendar + name)
                held = answer.body if answer.status == 200 else None
                if answer.etag != members[name]:
                    wrong.append(f"{name}: etag {answer.etag} on GET, {members[name]} on PROPFIND")
            if held not in states:
                wrong.append(f"{name}: {'absent' if held is None else held[-60:]!r}, {len(states)} states possible")
            mine[name] = {held}
    strangers = set(members) - {name for mine in known for name in mine}
    tally.check(f"{step}: everything acknowledged is there ({len(members)} objects, {open_states} were under way)", not wrong, wrong[:3])
    tally.check(f"{step}: nothing that nobody wrote", not strangers, sorted(strangers)[:3])


def healthy(tally: Tally, step: str, server: Server) -> None:
    doctor = server.cli("doctor", check=False)
    tally.check(f"{step}: doctor finds nothing", doctor.returncode == 0, doctor.stdout[-400:] + doctor.stderr[-400:])


def rounds(tally: Tally, database: str, count: int, seed: int) -> None:
    chance = random.Random(seed)
    known: list[dict] = [{} for _ in range(WRITERS)]
    acknowledged, restarts = 0, []
    with Server(database) as server:
        calendar = server.home("ada") + "storm/"
        tally.equal(f"{database}: MKCALENDAR", server.client("ada").make_calendar(calendar).status, 201)
        follower = SyncClient(calendar)
        for number in range(1, count + 1):
            step = f"{database} kill {number}"
            writers = storm(server, calendar, chance, known)
            time.sleep(chance.uniform(0.2, 1.2))
            if number % 2:  # a client that learns in the middle of it must not lose what comes later
                follower.follow(server.client("ada"))
            server.kill()
            for writer in writers:
                writer.join(30)
            refused = [line for writer in writers for line in writer.refused]
            acknowledged += sum(writer.acknowledged for writer in writers)
            tally.check(f"{step}: no write is refused", not refused, refused[:3])
            begin = time.monotonic()
            server.start()
            restarts.append(time.monotonic() - begin)
            judge(tally, step, server, calendar, known)
            client = server.client("ada")
            follower.follow(client)
            tally.equal(f"{step}: the sync client knows the members", follower.members, client.members(calendar))
            if not server.peer:
                healthy(tally, step, server)
        tally.check(f"{database}: the storm wrote enough", acknowledged > count * WRITERS, acknowledged)
        tally.note(f"{database}: {count} kills, {acknowledged} acknowledged writes, restart {max(restarts):.2f} s at most, seed {seed}")


def backup(tally: Tally, seed: int) -> None:
    """A backup under load holds at least what was acknowledged before it began, and nothing half."""
    chance = random.Random(seed)
    known: list[dict] = [{} for _ in range(WRITERS)]
    with Server("sqlite") as server:
        calendar = server.home("ada") + "storm/"
        server.client("ada").make_calendar(calendar)
        writers = storm(server, calendar, chance, known)
        time.sleep(1)
        # The touches first: a name whose count stays what it is here holds one of the states that are read after it.
        touched = [dict(writer.touches) for writer in writers]
        before = [{name: set(states) for name, states in list(mine.items())} for mine in known]
        copy = server.folder / "backup.kalends"
        server.cli("backup", str(copy))
        still_writing = all(writer.is_alive() for writer in writers)
        for writer in writers:
            writer.halt.set()
        for writer in writers:
            writer.join(30)
        tally.check("backup: the writers wrote on while it was taken", still_writing)
        tally.check("backup: the file is there", copy.exists() and copy.stat().st_size > 0)
        # What was written again while the backup was taken may be in it in any version: only the rest can be held to its word.
        still = {
            name: states
            for writer, counts, mine in zip(writers, touched, before)
            for name, states in mine.items()
            if writer.touches[name] == counts.get(name)
        }
        restore(tally, calendar, copy, server.folder / "data" / "encryption.key", still)


def whole(data: bytes) -> bool:
    return data.startswith(b"BEGIN:VCALENDAR\r\n") and data.endswith(b"END:VCALENDAR\r\n")


def restore(tally: Tally, calendar: str, copy: Path, keys: Path, still: dict[str, set[bytes | None]]) -> None:
    """Restores into another folder; `still` are the names that nobody wrote while the backup was taken, and what they hold."""
    other = Server("sqlite")
    other.set_up = True  # the users come with the backup
    try:
        keyless = other.cli("restore", str(copy), check=False)
        tally.check("restore: without the keys a sentence says so", keyless.returncode == 1 and "key" in keyless.stderr, keyless)
        (other.folder / "data").mkdir(parents=True, exist_ok=True)
        shutil.copy(keys, other.folder / "data" / keys.name)
        done = other.cli("restore", str(copy), check=False)
        if not tally.check("restore: exit 0", done.returncode == 0, done.stdout[-400:] + done.stderr[-400:]):
            return
        healthy(tally, "restore", other)
        other.start()
        client = other.client("ada")
        members = client.members(calendar)
        wrong = []
        for name, states in still.items():
            held = client.get(calendar + name).body if name in members else None
            if held not in states:
                wrong.append(f"{name}: {held and held[-60:]!r}, {len(states)} states possible")
        broken = [name for name in members if not whole(client.get(calendar + name).body)]
        tally.check("restore: some names were left alone during the backup", still)
        tally.check(f"restore: all that was acknowledged before the backup ({len(still)} names)", not wrong, wrong[:3])
        tally.check(f"restore: every object is whole ({len(members)} objects)", not broken, broken[:3])
        follower = SyncClient(calendar)
        follower.follow(client)
        tally.equal("restore: a sync client knows the members", follower.members, members)
    finally:
        other.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    given = parser.parse_args()
    tally = Tally("crash")
    for database in given.databases or ("sqlite", "postgres"):
        rounds(tally, database, given.rounds, given.seed)
        if database == "sqlite" and not os.environ.get("KALENDS_PEER"):
            backup(tally, given.seed)
    tally.finish()


if __name__ == "__main__":
    main()
