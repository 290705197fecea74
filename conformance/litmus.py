"""The WebDAV suite litmus (Debian's package), where a collection holds calendar objects and nothing else.

Its programs run on a server each, through litmus_proxy.py: a file is a calendar object; and once more, for what is copied, moved
and given properties, it is a calendar. What does not apply, or is not as litmus would have it, is listed with its reason in
expect/litmus.toml.

usage: litmus.py [-v]      -v prints what litmus says
"""

import argparse
import re
import subprocess
import tempfile
import threading
from pathlib import Path

from expectations import Expected
from litmus_proxy import Proxy
from server import HERE, PASSWORDS, Server
from tally import Tally

PROGRAMS = Path("/usr/libexec/litmus")
FILES = "/usr/share/litmus/htdocs"
# With how many tests each; those of locks end with the fourth where the server has none.
SUITES = {"objects": {"basic": 16, "copymove": 13, "props": 30, "locks": 4, "http": 4}, "calendars": {"copymove": 13, "props": 30}}
SECONDS = 120
OUTCOMES = {"pass": "passed", "FAIL": "failed", "SKIPPED": "skipped"}
BEGINS = re.compile(r"^\s*(\d+)\. (\w+)\.+ (.*)$")  # of a test; what it came to follows there or below
CAME_TO = re.compile(r"^(?:\s+\.{8,} )?(pass|FAIL|SKIPPED|WARNING:)(.*)$")


def read(said: str) -> dict[str, tuple[str, str]]:
    """`03 name` → outcome and what litmus says of it. A test that passes with a warning has the outcome "warned"."""
    found, test, warning = {}, "", ""
    for line in re.split(r"[\r\n]+", said):
        begun = BEGINS.match(line)
        if begun:
            named = f"{int(begun[1]):02} {begun[2]}"
            test, warning = named, warning if named == test else ""
        came_to = CAME_TO.match(begun[3] if begun else line)
        if came_to and came_to[1] == "WARNING:":
            warning = came_to[2].strip()
        elif came_to and test:
            outcome = "warned" if warning and came_to[1] == "pass" else OUTCOMES[came_to[1]]
            found[test] = (outcome, warning or came_to[2].strip())
    return found


def run(suite: str, files_are: str, folder: Path) -> str:
    with Server("sqlite") as server:
        proxy = Proxy(server.base, server.home("ada"), files_are)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            # Without /usr/bin/litmus, which runs them all on one collection. It leaves a log in its folder.
            command = [str(PROGRAMS / suite), "-d", FILES, proxy.url, "ada", PASSWORDS["ada"]]
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
        finally:
            proxy.shutdown()
            proxy.server_close()
    return done.stdout.decode(errors="replace")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", "--verbose", action="store_true")
    given = parser.parse_args()
    if subprocess.run([str(HERE / "tools.sh"), "litmus"], stdout=subprocess.DEVNULL).returncode != 0:
        raise SystemExit("litmus: the tools cannot be installed")
    tally = Tally("litmus")
    outcomes, details = {}, {}
    for files_are, suites in SUITES.items():
        for suite, count in suites.items():
            with tempfile.TemporaryDirectory(prefix="kalends-litmus-") as folder:
                said = run(suite, files_are, Path(folder))
            if given.verbose:
                print(said)
            found = read(said)
            tally.check(f"{files_are} {suite}: all tests ran", len(found) == count, f"{len(found)} of {count}: {said[-1500:]}")
            for test, (outcome, told) in found.items():
                outcomes[f"{files_are} {suite} {test}"], details[f"{files_are} {suite} {test}"] = outcome, told
    Expected("litmus").judge(tally, outcomes, "passed", details)
    counts = {kind: list(outcomes.values()).count(kind) for kind in ("passed", "warned", "failed", "skipped")}
    tally.note(", ".join(f"{count} {kind}" for kind, count in counts.items()) + f" of {len(outcomes)} tests")
    tally.finish()


if __name__ == "__main__":
    main()
