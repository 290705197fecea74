"""A person at a browser (Debian's chromium, driven by playwright-core): start page, sign in, download of a feed, sign out.

usage: browser.py [--screenshot FILE]
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from server import HERE, ROOT, demo
from tally import Tally

TOOLS = Path(os.environ.get("KALENDS_TOOLS", ROOT / ".cache" / "conformance"))
VISIT_SECONDS = 180


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--screenshot", default=str(Path(tempfile.gettempdir()) / "kalends-start-page.png"))
    given = parser.parse_args()
    tally = Tally("browser")
    if subprocess.run([str(HERE / "tools.sh"), "browser"], stdout=subprocess.DEVNULL).returncode != 0:
        raise SystemExit("browser: the tools cannot be installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    process, facts = demo()
    try:
        manager = next(user for user in facts["users"] if user["role"] == "manager")
        visit = {
            "chromium": chromium,
            "web_url": facts["web_url"],
            "feed_url": facts["feed_url"],
            "name": manager["name"],
            "password": manager["password"],
            "screenshot": given.screenshot,
        }
        done = subprocess.run(
            ["node", str(HERE / "browser.mjs"), str(TOOLS / "node"), json.dumps(visit)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=VISIT_SECONDS,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            found = json.loads(line)
            tally.check(found["what"], found["holds"], found["seen"])
        tally.equal("the browser ends well", done.returncode, 0)
        tally.note(f"screenshot: {given.screenshot}")
    finally:
        process.terminate()
        process.wait(20)
    tally.finish()


if __name__ == "__main__":
    main()
