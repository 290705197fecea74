"""Runs the load tool over Kalends, its reference server, Radicale and Xandikos; started by perf.sh.

Each server gets a folder with a start script, a stop script and a pid file, since the load tool restarts them itself to
measure the cold start. The table goes to stdout; the raw results stay in .cache/perf.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import peers
from server import BINARY, PASSWORDS, ROOT, START_SECONDS, USERS

TOOLS = Path(os.environ["KALENDS_TOOLS"])
DAVBENCH = TOOLS / "davbench" / "target" / "release" / "davbench"
FOLDER = ROOT / ".cache" / "perf"
# What a collection's whole export is asked by; None: the server has none.
EXPORT = {"kalends": "get", "radicale": "get", "xandikos": "get", "ref": "get"}


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]


def command(name: str, folder: Path, port: int) -> list[str]:
    if name == "kalends":
        data = ["--data-dir", str(folder / "data")]
        for user in USERS:
            add = [str(BINARY), "user", "add", user.name, "--role", user.role, "--password-stdin", *data]
            subprocess.run(add, input=user.password + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
        return [str(BINARY), "serve", "--listen", f"127.0.0.1:{port}", *data]
    if name == "ref":
        return [str(DAVBENCH), "ref", "--port", str(port), "--db", str(folder / "ref.db"), "--sync", "FULL"]
    return peers.command(name, folder, port, PASSWORDS)


def prepare(name: str, folder: Path) -> dict:
    """Writes the scripts and returns the server's entry in the load tool's specification."""
    folder.mkdir(parents=True)
    port, pid = free_port(), folder / "pid"
    argv = shlex.join(command(name, folder, port))
    start, stop = folder / "start", folder / "stop"
    start.write_text(f"#!/bin/sh\nsetsid {argv} >>{folder}/log 2>&1 </dev/null &\necho $! >{pid}\n")
    stop.write_text(f"#!/bin/sh\nkill $(cat {pid})\nwhile kill -0 $(cat {pid}) 2>/dev/null; do sleep 0.05; done\n")
    for script in (start, stop):
        script.chmod(0o755)
    home = {"kalends": "/dav/calendars/ada/", "ref": "/cal/"}.get(name) or peers.HOMES[name].format(user="ada")
    entry = {
        "name": name,
        "home": f"http://127.0.0.1:{port}{home}",
        "user": "ada",
        "password": PASSWORDS["ada"],
        "pidfiles": [str(pid)],
        "export": EXPORT[name],
        "start": str(start),
        "stop": str(stop),
        "data": [str(folder)],
        "reference": name == "ref",
    }
    if name == "kalends":
        entry["install"] = [str(BINARY)]
    subprocess.run([str(start)], check=True)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return entry
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} does not start: {(folder / 'log').read_text()[-2000:]}") from None
            time.sleep(0.1)


def main() -> None:
    run = FOLDER / time.strftime("%Y%m%d-%H%M%S")
    names = os.environ.get("KALENDS_PERF_SERVERS", "kalends,ref,radicale,xandikos").split(",")
    entries: list[dict] = []
    try:
        for name in names:
            entries.append(prepare(name, run / name))
        spec, results = run / "servers.json", run / "results.jsonl"
        spec.write_text(json.dumps({"servers": entries}, indent=2))
        subprocess.run([str(DAVBENCH), "run", "--spec", str(spec), "--out", str(results), *sys.argv[1:]], check=True)
        subprocess.run([str(DAVBENCH), "report", "--in", str(results)], check=True)
        print(f"raw results: {results}")
    finally:
        for entry in entries:
            subprocess.run([entry["stop"]], check=False, timeout=30)


if __name__ == "__main__":
    main()
