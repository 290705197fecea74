"""caldav-server-tester probes the server for each CalDAV feature its authors know to go wrong somewhere.

Each feature must be found fully supported, or be listed in expect/server-tester.toml with what is found instead.

usage: server_tester.py [sqlite] [postgres]
"""

import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from expectations import Expected
from server import PASSWORDS, Server
from tally import Tally

PROGRAM = Path(sys.executable).parent / "caldav-server-tester"
FEATURES_MIN = 80  # fewer means that the tester stopped early


def outcome(feature: dict) -> str:
    """What the tester found, as one word: its support level, or the value of a fact."""
    if "support" in feature:
        return str(feature["support"])
    value = feature.get("value", feature.get("enable"))
    return "full" if value is True else json.dumps(value if value is not None else feature, sort_keys=True)


def probe(server: Server) -> tuple[dict[str, str], dict[str, str]]:
    url = server.base + ("/" if server.peer else "/dav/")
    with tempfile.TemporaryDirectory(prefix="kalends-server-tester-") as folder:
        done = subprocess.run(
            [str(PROGRAM), "--format", "hints", "--caldav-url", url, "--caldav-username", "ada", "--caldav-password", PASSWORDS["ada"]],
            cwd=folder, env=dict(os.environ, HOME=folder, TZ="UTC", no_proxy="*"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"caldav-server-tester: exit {done.returncode}\n{done.stderr[-3000:]}")
    # A Python literal; the other formats leave out what follows from another feature.
    features = ast.literal_eval(done.stdout[done.stdout.index("{") :])
    return {name: outcome(found) for name, found in features.items()}, {name: json.dumps(found) for name, found in features.items()}


def main() -> None:
    tally = Tally("server_tester")
    expected = Expected("server-tester")
    for database in sys.argv[1:] or ("sqlite",):
        with Server(database) as server:
            outcomes, details = probe(server)
        tally.check(f"{database}: the tester probed its features", len(outcomes) >= FEATURES_MIN, len(outcomes))
        expected.judge(tally, outcomes, "full", details)
        full = sum(value == "full" for value in outcomes.values())
        tally.note(f"{database}: {full} of {len(outcomes)} features found fully supported")
    tally.finish()


if __name__ == "__main__":
    main()
