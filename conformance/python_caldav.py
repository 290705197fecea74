"""The functional suites that python-caldav ships, sync and async, run against the server.

The suite is told what expect/server-tester.toml lists as not supported, and skips that. What fails or is skipped must be
listed in expect/python-caldav.toml.

usage: python_caldav.py [sqlite] [postgres] [-k EXPRESSION]      with -k nothing is compared, pytest just runs
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from expectations import Expected
from server import PASSWORDS, ROOT, Server
from tally import Tally

TOOLS = Path(os.environ.get("KALENDS_TOOLS", ROOT / ".cache" / "conformance"))
SUITES = ["tests/test_caldav.py", "tests/test_async_integration.py"]
TEST_SECONDS = 120  # for one test; most take less than a second


def features() -> dict[str, dict[str, str]]:
    """What the suite must not take for granted: the deviations that the server tester finds. All else it assumes."""
    found = {name: {"support": level} for name, level in Expected("server-tester").outcomes.items() if level != "unknown"}
    # The suite derives it from scheduling, but the property is there without.
    return found | {"scheduling.calendar-user-address-set": {"support": "full"}}


def lay_out(folder: Path, server: Server) -> None:
    """A copy of the suite with a configuration that names this server alone."""
    source = next((TOOLS / "sources").glob("caldav-*/tests"), None)
    if source is None:
        raise SystemExit("the sources of python-caldav are missing: run conformance/tools.sh")
    shutil.copytree(source, folder / "tests", ignore=shutil.ignore_patterns("docker-test-servers"))
    config = {
        "kalends": {
            "type": "external",
            "enabled": True,
            "url": server.base + ("/" if server.peer else "/dav/"),
            "username": "ada",
            "password": PASSWORDS["ada"],
            "features": server.peer or features(),
        }
    }
    (folder / "tests" / "caldav_test_servers.json").write_text(json.dumps({"test-servers": config}))


def run(folder: Path, extra: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Test → outcome, and test → what pytest says of it."""
    report = folder / "report.xml"
    env = dict(os.environ, PYTHON_CALDAV_TEST_EMBEDDED="0", PYTHON_CALDAV_TEST_DOCKER="0", HOME=str(folder), TMPDIR=str(folder), TZ="UTC")
    # The suite talks to loopback alone; a proxy of the machine must not come between.
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        env.pop(name, None)
    command = [
        sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=short", "--asyncio-mode=auto",
        f"--timeout={TEST_SECONDS}", f"--junitxml={report}", "-W", "ignore", "-k", "kalends or TestProxy", *extra, *SUITES,
    ]  # fmt: skip
    print(f"     {' '.join(command[1:])}", flush=True)
    subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL)
    outcomes, details = {}, {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        test = f"{case.get('classname', '').rsplit('.', 1)[-1]}::{case.get('name')}"
        found = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        outcomes[test] = {None: "passed", "failure": "failed", "error": "failed", "skipped": "skipped"}[found.tag if found is not None else None]
        if found is not None:
            details[test] = f"{found.get('message', '')} {(found.text or '')[-600:]}"
    return outcomes, details


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=[])
    parser.add_argument("-k", dest="expression")
    given = parser.parse_args()
    tally = Tally("python_caldav")
    expected = Expected("python-caldav")
    for database in given.databases or ("sqlite",):
        with Server(database) as server, tempfile.TemporaryDirectory(prefix="kalends-python-caldav-") as name:
            folder = Path(name)
            lay_out(folder, server)
            outcomes, details = run(folder, ["-k", given.expression] if given.expression else [])
            if given.expression:
                sys.exit(0 if all(outcome == "passed" for outcome in outcomes.values()) else 1)
            expected.judge(tally, outcomes, "passed", details)
            counts = {kind: list(outcomes.values()).count(kind) for kind in ("passed", "failed", "skipped")}
            tally.note(f"{database}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped of {len(outcomes)} tests")
            for test, told in sorted(details.items()):
                if outcomes[test] == "skipped":
                    tally.note(f"skipped {test}: {told[:160]}")
    tally.finish()


if __name__ == "__main__":
    main()
