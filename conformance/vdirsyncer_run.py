"""vdirsyncer carries 1,000 objects between two folders through the server; khal reads what arrived.

Two clients, each with a folder and a memory of its own. Up, down, edits and deletes on both sides at once, conflicts;
at the end both folders and the server must hold exactly the objects that the steps ask for: none lost, none doubled.

usage: vdirsyncer_run.py [sqlite] [postgres]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from server import PASSWORDS, Server
from tally import Tally
from wire import segment

OBJECTS = 1000
PROGRAMS = Path(sys.executable).parent
YEAR = 2027  # all events start here: khal lists this year


def event(number: int, text: str) -> bytes:
    """The object of a number: timed, in a zone, all-day or recurring; names that need folding and encoding."""
    month, day = number % 12 + 1, number % 28 + 1
    kind = number % 10
    if kind == 0:
        when = f"DTSTART;VALUE=DATE:{YEAR}{month:02}{day:02}\r\n"
    elif kind == 1:
        when = f"DTSTART:{YEAR}{month:02}{day:02}T{number % 24:02}0000Z\r\nDURATION:PT45M\r\nRRULE:FREQ=WEEKLY;COUNT=5\r\n"
    else:
        when = f"DTSTART:{YEAR}{month:02}{day:02}T{number % 23:02}1500Z\r\nDTEND:{YEAR}{month:02}{day:02}T{number % 23 + 1:02}0000Z\r\n"
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Two Folders//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid(number)}\r\nDTSTAMP:20270101T000000Z\r\n{when}SUMMARY:Föhn {number} {text}\r\n"
        f"X-PRIVATE;X-P=\"a:b;c\":{number}\\, kept\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def uid(number: int) -> str:
    # Some identifiers hold what a path must encode.
    return f"object {number}@äther.example" if number % 50 == 0 else f"object-{number}@conformance.example"


def file_name(number: int) -> str:
    return f"object {number} ä.ics" if number % 50 == 0 else f"object-{number}.ics"


class Folder:
    """One client: a folder of .ics files and the vdirsyncer that carries it to the server."""

    def __init__(self, name: str, root: Path, server: Server) -> None:
        self.name = name
        self.path = root / name / "events" / "sync"
        self.path.mkdir(parents=True)
        self.config = root / name / "config"
        self.config.write_text(
            f'[general]\nstatus_path = "{root / name / "status"}"\n'
            '[pair one]\na = "here"\nb = "there"\ncollections = ["sync"]\nconflict_resolution = "a wins"\n'
            f'[storage here]\ntype = "filesystem"\npath = "{self.path.parent}"\nfileext = ".ics"\n'
            f'[storage there]\ntype = "caldav"\nurl = "{server.base}{server.home("ada")}"\n'
            f'username = "ada"\npassword = "{PASSWORDS["ada"]}"\nitem_types = ["VEVENT"]\n'
        )

    def run(self, *args: str) -> subprocess.CompletedProcess:
        command = [str(PROGRAMS / "vdirsyncer"), "-v", "WARNING", "-c", str(self.config), *args]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)

    def sync(self, tally: Tally, step: str) -> None:
        done = self.run("sync")
        tally.check(f"{step}: vdirsyncer of {self.name} ends well", done.returncode == 0 and "rror" not in done.stdout, done.stdout)

    def contents(self) -> dict[str, list[bytes]]:
        """UID → the objects that carry it."""
        found: dict[str, list[bytes]] = {}
        for path in self.path.glob("*.ics"):
            data = path.read_bytes()
            found.setdefault(uid_of(data), []).append(data)
        return found

    def write(self, number: int, text: str) -> None:
        """Puts a version of an object where this folder keeps it (after a download the name is the server's)."""
        wanted = uid(number)
        held = next((path for path in self.path.glob("*.ics") if uid_of(path.read_bytes()) == wanted), None)
        target = held or self.path / file_name(number)
        before = target.stat().st_mtime_ns if held else None
        target.write_bytes(event(number, text))
        if before is not None:  # vdirsyncer tells versions apart by the time of the file
            os.utime(target, ns=(before + 2_000_000_000, before + 2_000_000_000))

    def remove(self, number: int) -> None:
        for path in self.path.glob("*.ics"):
            if uid_of(path.read_bytes()) == uid(number):
                path.unlink()


def uid_of(data: bytes) -> str:
    return next(line[4:] for line in data.decode().replace("\r\n ", "").splitlines() if line.startswith("UID:"))


def plain(data: bytes) -> list[str]:
    """The content lines; line ends and folding apart, which a folder of files may change."""
    return data.decode().replace("\r\n", "\n").replace("\n ", "").strip().split("\n")


def compare(tally: Tally, step: str, where: str, got: dict[str, list[bytes]], want: dict[int, str]) -> None:
    expected = {uid(number): plain(event(number, text)) for number, text in want.items()}
    lost = expected.keys() - got.keys()
    extra = got.keys() - expected.keys()
    doubled = [name for name, bodies in got.items() if len(bodies) > 1]
    changed = [name for name in expected.keys() & got.keys() if plain(got[name][0]) != expected[name]]
    tally.check(f"{step}: {where} lost none of {len(expected)}", not lost, sorted(lost)[:5])
    tally.check(f"{step}: {where} has nothing more", not extra, sorted(extra)[:5])
    tally.check(f"{step}: {where} has none twice", not doubled, doubled[:5])
    tally.check(f"{step}: {where} has each as it was last written", not changed, [got[name][0] for name in sorted(changed)[:2]])


def on_server(server: Server) -> dict[str, list[bytes]]:
    client = server.client("ada")
    found: dict[str, list[bytes]] = {}
    for name in client.members(server.home("ada") + "sync/"):
        answer = client.get(server.home("ada") + "sync/" + segment(name))
        found.setdefault(uid_of(answer.body), []).append(answer.body)
    return found


def khal_lines(folder: Folder, root: Path) -> list[str]:
    """What khal lists of a folder, one line an instance."""
    home = root / f"khal-{folder.name}"
    home.mkdir(exist_ok=True)
    config = home / "config"
    config.write_text(
        f"[calendars]\n[[only]]\npath = {folder.path}\n[sqlite]\npath = {home / 'khal.db'}\n"
        "[locale]\nlocal_timezone = UTC\ndefault_timezone = UTC\ntimeformat = %H:%M\ndateformat = %Y-%m-%d\n"
        "longdateformat = %Y-%m-%d\ndatetimeformat = %Y-%m-%d %H:%M\nlongdatetimeformat = %Y-%m-%d %H:%M\n"
    )
    done = subprocess.run(
        [str(PROGRAMS / "khal"), "-c", str(config), "list", "--day-format", "", "--format", "{uid} {start} {title}", f"{YEAR}-01-01", "430d"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, env=dict(os.environ, TZ="UTC", LC_ALL="C.UTF-8"),
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"khal: {done.stderr}")
    return sorted(line for line in done.stdout.splitlines() if line.strip())


def scenario(tally: Tally, database: str, root: Path) -> None:
    with Server(database) as server:
        made = server.client("ada").make_calendar(server.home("ada") + "sync/", "VEVENT")
        tally.equal(f"{database}: MKCALENDAR", made.status, 201)
        one, two = Folder("one", root, server), Folder("two", root, server)
        want = {number: "first" for number in range(OBJECTS)}
        for number, text in want.items():
            (one.path / file_name(number)).write_bytes(event(number, text))
        for folder in (one, two):
            found = folder.run("discover")
            tally.check(f"{database}: discover of {folder.name}", found.returncode == 0, found.stdout)

        step = f"{database}: up and down"
        one.sync(tally, step)
        compare(tally, step, "the server", on_server(server), want)
        two.sync(tally, step)
        compare(tally, step, "folder two", two.contents(), want)

        step = f"{database}: edits, deletes, new ones and conflicts on both sides"
        for number in range(0, 100):
            one.write(number, "edited in one")
            want[number] = "edited in one"
        for number in range(100, 200):
            two.write(number, "edited in two")
            want[number] = "edited in two"
        for number in range(200, 250):
            one.remove(number)
            del want[number]
        for number in range(250, 300):
            two.remove(number)
            del want[number]
        for number in range(OBJECTS, OBJECTS + 50):
            one.write(number, "new in one")
            want[number] = "new in one"
        for number in range(OBJECTS + 50, OBJECTS + 100):
            two.write(number, "new in two")
            want[number] = "new in two"
        for number in range(300, 320):  # the folder that comes later wins: its own side is "a"
            one.write(number, "conflict in one")
            two.write(number, "conflict in two")
            want[number] = "conflict in two"
        for number in range(320, 330):  # an edit outlives a delete
            one.remove(number)
            two.write(number, "edited while deleted")
            want[number] = "edited while deleted"
        for folder in (one, two, one):
            folder.sync(tally, step)
        for where, got in (("the server", on_server(server)), ("folder one", one.contents()), ("folder two", two.contents())):
            compare(tally, step, where, got, want)

        step = f"{database}: at rest"
        before = server.client("ada").members(server.home("ada") + "sync/")
        for folder in (one, two):
            folder.sync(tally, step)
        tally.equal(f"{step}: no object is written again", server.client("ada").members(server.home("ada") + "sync/"), before)

        listed = khal_lines(one, root)
        tally.equal(f"{database}: khal lists the same events of both folders", listed, khal_lines(two, root))
        shown = {line.split("@")[0] for line in listed}
        tally.equal(f"{database}: khal lists every object", len(shown), len(want))
        tally.note(f"{database}: {len(want)} objects, {len(listed)} instances listed by khal")


def main() -> None:
    tally = Tally("vdirsyncer")
    for database in sys.argv[1:] or ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory(prefix="kalends-vdirsyncer-") as folder:
            scenario(tally, database, Path(folder))
    tally.finish()


if __name__ == "__main__":
    main()
