"""JavaScript's CalDAV libraries at work, tsdav and @nextcloud/cdav-library, on both databases."""

import os
import shutil
import subprocess
from pathlib import Path

from server import HERE, ROOT, USERS, Server
from tally import Tally

TOOLS = Path(os.environ.get("KALENDS_TOOLS", ROOT / ".cache" / "conformance"))
SECONDS = 120


def main() -> None:
    tally = Tally("davclients")
    # Modules are looked for beside the script.
    script = TOOLS / "davclients" / "clients.mjs"
    shutil.copy(HERE / "davclients" / "clients.mjs", script)
    ada = USERS[0]
    for database in ("sqlite", "postgres"):
        if database == "postgres" and os.environ.get("KALENDS_TEST_POSTGRES") == "none":
            continue
        with Server(database) as server:
            done = subprocess.run(
                ["node", str(script), f"{server.base}/", ada.name, ada.password], capture_output=True, text=True, timeout=SECONDS
            )
        tally.note(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "nothing was said")
        tally.check(f"the libraries' flows on {database}", done.returncode == 0, done.stdout + done.stderr)
    tally.finish()


if __name__ == "__main__":
    main()
