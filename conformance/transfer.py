"""A file of 10,000 events in and out: streamed, every bad component named and only those lost, equal content at the end.

usage: transfer.py [sqlite] [postgres]
"""

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import BINARY, Server
from tally import Tally

EVENTS = 10_000
BAD_EVERY = 500  # every so many components one that cannot be stored
MEMORY_MAX_KIB = 200 * 1024  # of the importing process: the file is 4 MB, so it must not be held many times over
SECONDS_MAX = 120  # a debug build on a busy machine

ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
)


def component(number: int) -> str:
    month, day = number % 12 + 1, number % 28 + 1
    rule = "RRULE:FREQ=WEEKLY;COUNT=10\r\n" if number % 10 == 0 else ""
    return (
        f"BEGIN:VEVENT\r\nUID:event-{number}@conformance.example\r\nDTSTAMP:20270101T000000Z\r\n"
        f"DTSTART;TZID=Europe/Berlin:2027{month:02}{day:02}T{number % 22:02}0000\r\nDURATION:PT50M\r\n{rule}"
        f"SUMMARY:Termin {number} mit Übergröße\\, und Komma\r\nX-NUMBER;X-P=\"a;b\":{number}\r\nDESCRIPTION:{'Wort ' * (number % 40)}\r\nEND:VEVENT\r\n"
    )


def document(count: int) -> tuple[bytes, int]:
    parts = ["BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Conformance//Transfer//EN\r\nX-WR-CALNAME:Big\r\n", ZONE]
    bad = 0
    for number in range(count):
        parts.append(component(number))
        if number % BAD_EVERY == BAD_EVERY - 1:
            bad += 1
            parts.append(f"BEGIN:VEVENT\r\nUID:bad-{number}@conformance.example\r\nDTSTAMP:20270101T000000Z\r\nDTSTART:not a time\r\nEND:VEVENT\r\n")
    parts.append("END:VCALENDAR\r\n")
    return "".join(parts).encode(), bad


def events(data: bytes) -> dict[str, list[str]]:
    """UID → its lines, unfolded, in any order."""
    text = re.sub(rb"\r?\n[ \t]", b"", data).decode()
    found = {}
    for block in re.findall(r"BEGIN:VEVENT\r?\n(.*?)END:VEVENT", text, re.DOTALL):
        lines = sorted(line.rstrip() for line in block.splitlines())
        found[next(line for line in lines if line.startswith("UID:"))] = lines
    return found


def import_file(server: Server, target: str, path: Path, *more: str) -> tuple[subprocess.CompletedProcess, float]:
    begin = time.monotonic()
    return server.cli("import", target, str(path), *more, check=False), time.monotonic() - begin


def scenario(tally: Tally, database: str, folder: Path) -> None:
    count = EVENTS
    data, bad = document(count)
    path = folder / "big.ics"
    path.write_bytes(data)
    with Server(database) as server:
        client = server.client("ada")
        calendar = server.home("ada") + "big/"
        server.cli("calendar", "add", "ada", "big")

        tried, _ = import_file(server, "ada/big", path, "--dry-run")
        tally.equal(f"{database}: a dry run tells that something would be refused", tried.returncode, 1)
        tally.equal(f"{database}: a dry run stores nothing", len(client.members(calendar)), 0)

        done, seconds = import_file(server, "ada/big", path)
        told = done.stdout + done.stderr
        tally.equal(f"{database}: import says by exit 1 that something was refused", done.returncode, 1)
        tally.equal(f"{database}: all good events are stored", len(client.members(calendar)), count)
        named = len(set(re.findall(r"refused: \S+ line \d+: ", told)))
        tally.check(f"{database}: each of the {bad} bad components is told by its line", named == bad, f"{named} told: {told[-500:]}")
        tally.check(f"{database}: within {SECONDS_MAX} s", seconds < SECONDS_MAX, f"{seconds:.1f} s")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        tally.check(f"{database}: within {MEMORY_MAX_KIB // 1024} MiB", peak < MEMORY_MAX_KIB, f"{peak // 1024} MiB")
        tally.note(f"{database}: {count} events in {seconds:.1f} s, {peak // 1024} MiB at most")

        again, _ = import_file(server, "ada/big", path)
        tally.equal(f"{database}: the same file again doubles nothing", len(client.members(calendar)), count)

        out = folder / f"{database}.ics"
        server.cli("export", "ada/big", "--out", str(out))
        tally.check(f"{database}: the export holds the same content", events(out.read_bytes()) == {uid: lines for uid, lines in events(data).items() if "bad-" not in uid})
        over_http = client.get(calendar)
        tally.check(f"{database}: so does the export over HTTP", over_http.status == 200 and len(events(over_http.body)) == count, over_http)

        server.cli("calendar", "add", "ada", "copy")
        back, _ = import_file(server, "ada/copy", out)
        tally.equal(f"{database}: the export imports without a refusal", back.returncode, 0)
        stdin = server.cli("calendar", "add", "ada", "piped")
        with path.open("rb") as source:
            command = [str(BINARY), "import", "ada/piped", "-", "--data-dir", str(server.folder / "data")]
            command += ["--database", server.database_url] if server.database_url else []
            piped = subprocess.run(command, stdin=source, capture_output=True, env=server.env)
        tally.check(f"{database}: a file on stdin", stdin.returncode == 0 and piped.returncode == 1, piped.stderr[-300:])
        tally.equal(f"{database}: all of stdin is stored", len(client.members(server.home("ada") + "piped/")), count)


def main() -> None:
    tally = Tally("transfer")
    for database in sys.argv[1:] or ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory(prefix="kalends-transfer-") as folder:
            scenario(tally, database, Path(folder))
    tally.finish()


if __name__ == "__main__":
    main()
