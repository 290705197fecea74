"""Radicale and Xandikos as stand-ins: they show that a suite runs, and perf.sh measures them beside Kalends.

usage: peers.py radicale|xandikos DIR PORT    runs it in the foreground, users ada, bob and eve as in server.py
"""

import os
import sys
from pathlib import Path

# name → (home of a user, whether it asks for a password)
HOMES = {"radicale": "/{user}/", "xandikos": "/{user}/calendars/"}


def command(name: str, folder: Path, port: int, users: dict[str, str]) -> list[str]:
    """Writes the configuration below `folder` and returns the command that serves it on 127.0.0.1."""
    programs = Path(sys.executable).parent
    if name == "radicale":
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "users").write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
        (folder / "config").write_text(
            f"[server]\nhosts = 127.0.0.1:{port}\n"
            f"[auth]\ntype = htpasswd\nhtpasswd_filename = {folder}/users\nhtpasswd_encryption = plain\ndelay = 0\n"
            f"[storage]\nfilesystem_folder = {folder}/collections\n"
            "[logging]\nlevel = warning\n"
        )
        return [sys.executable, "-m", "radicale", "--config", str(folder / "config")]
    if name == "xandikos":
        (folder / "data").mkdir(parents=True, exist_ok=True)
        # It serves one principal: the first user.
        user = next(iter(users))
        return [
            str(programs / "xandikos"), "serve", "--defaults", "-d", str(folder / "data"), "--state-dir", str(folder / "state"),
            "-l", "127.0.0.1", "-p", str(port), "--no-detect-systemd", "--current-user-principal", f"/{user}/",
        ]  # fmt: skip
    raise SystemExit(f"no peer named {name}; there are: {' '.join(HOMES)}")


if __name__ == "__main__":
    from server import USERS

    argv = command(sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3]), {user.name: user.password for user in USERS})
    os.execv(argv[0], argv)
