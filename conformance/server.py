"""Starts a server for a suite: `kalends serve` on a free port, in a folder of its own, with three users.

    with Server("sqlite") as server:            # or "postgres": a database of its own
        ada = server.client("ada")
        ada.put(server.home("ada") + "work/x.ics", body)

KALENDS_BIN names the binary (default target/debug/kalends). KALENDS_PEER=radicale|xandikos starts a stand-in
instead, so that a suite can be tried on a server that is known.
"""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import peers
from wire import Client

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "conformance"
BINARY = Path(os.environ.get("KALENDS_BIN", ROOT / "target" / "debug" / "kalends"))
START_SECONDS = 30  # until `listening on`; a debug build on a busy machine needs a few
STOP_SECONDS = 20  # for a graceful shutdown
# What the machine's user has set for a server of his own must not reach this one.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "KALENDS_DATA_DIR", "KALENDS_CONFIG")}


@dataclass(frozen=True)
class User:
    name: str
    password: str
    role: str


USERS = [
    User("ada", "ada-difference-engine", "manager"),
    User("bob", "bob-brick-wall-1889", "staff"),
    User("eve", "eve-listens-in-1977", "client"),
]
PASSWORDS = {user.name: user.password for user in USERS}


class CommandFailed(Exception):
    """A `kalends` command that ended with another code than 0."""


class Server:
    def __init__(self, database: str = "sqlite", env: dict[str, str] | None = None, folder: Path | None = None, port: int = 0) -> None:
        self.peer = os.environ.get("KALENDS_PEER")
        self.own_folder = folder is None
        self.port = port
        self.folder = folder or Path(tempfile.mkdtemp(prefix="kalends-conformance-"))
        self.env = dict(ENVIRONMENT, RUST_BACKTRACE="1", **(env or {}))
        self.database_url: str | None = None
        self.cluster: Path | None = None
        self.process: subprocess.Popen | None = None
        self.base = ""
        self.set_up = False
        if database == "postgres" and not self.peer:
            self._make_database()
        elif database not in ("sqlite", "postgres"):
            raise ValueError(database)
        atexit.register(self.close)

    # What a suite asks for

    def home(self, user: str) -> str:
        """The calendar home of a user, as a path with a slash at its end."""
        return peers.HOMES[self.peer].format(user=user) if self.peer else f"/dav/calendars/{user}/"

    def client(self, user: str | None = None, timeout: float = 60) -> Client:
        return Client(self.base, user, PASSWORDS.get(user), timeout)

    def cli(self, *args: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess:
        """One `kalends` command on this server's data, whether it is running or not."""
        command = [str(BINARY), *args, "--data-dir", str(self.folder / "data")]
        if self.database_url:
            command += ["--database", self.database_url]
        done = subprocess.run(
            command, env=self.env, input=stdin if stdin is not None else "", capture_output=True, text=True, timeout=300
        )
        if check and done.returncode != 0:
            raise CommandFailed(f"kalends {' '.join(args)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def secret(self, *args: str) -> str:
        """The secret or URL that a command prints: a JSON field of that name, else the last word of its last line."""
        return self.cli(*args).stdout.strip().splitlines()[-1].split()[-1]

    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def rss_kib(self) -> int:
        """The resident memory of the running server."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    # Life and death

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the server and waits until it answers; makes the users the first time."""
        if self.peer:
            self._start_peer()
            return
        if not BINARY.exists():
            raise SystemExit(f"{BINARY} is missing: run `cargo build`, or set KALENDS_BIN")
        if not self.set_up:
            for user in USERS:
                self.cli("user", "add", user.name, "--role", user.role, "--password-stdin", stdin=user.password + "\n")
            self.set_up = True
        command = [str(BINARY), "serve", "--data-dir", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"]
        if self.database_url:
            command += ["--database", self.database_url]
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        self.base = _listening(self.process, self.log)

    def _start_peer(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (self.folder / "server.log").open("ab") as log:
            argv = peers.command(self.peer, self.folder, port, PASSWORDS)
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or not self.alive():
                    raise SystemExit(f"{self.peer} does not start: {self.log()[-2000:]}") from None
                time.sleep(0.1)

    def stop(self) -> int | None:
        """Ends the server as an operator does (SIGTERM) and returns its exit code; kills it when it hangs."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9, and nothing else."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def close(self) -> None:
        """Stops the server and removes all that was made for it."""
        atexit.unregister(self.close)
        if self.process is not None:
            self.stop()
        if self.cluster is not None:
            subprocess.run([HERE / "postgres.sh", "stop", self.cluster], check=False)
        elif self.database_url:
            _psql(self.admin_url, f'drop database if exists "{self.database_name}" with (force)')
        self.database_url = self.cluster = None
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make_database(self) -> None:
        """A database in the run's throwaway server, or in one of its own when the suite runs alone."""
        url = os.environ.get("KALENDS_TEST_POSTGRES")
        if not url:
            self.cluster = Path(tempfile.gettempdir()) / f"kalends-postgres-{uuid.uuid4().hex}"
            done = subprocess.run([HERE / "postgres.sh", "start", self.cluster], stdout=subprocess.PIPE, text=True, check=True)
            url = done.stdout.strip()
        self.admin_url = url
        self.database_name = f"conformance_{uuid.uuid4().hex}"
        _psql(url, f'create database "{self.database_name}"')
        self.database_url = url.rsplit("/", 1)[0] + "/" + self.database_name


def _listening(process: subprocess.Popen, log) -> str:
    """Reads the server's stdout up to `listening on URL`, then keeps it drained."""
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        for line in process.stdout:
            if line.startswith("listening on ") and not found:
                found.append(line.split()[-1].strip().rstrip("/"))
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    ready.wait(START_SECONDS)
    if not found:
        process.kill()
        raise SystemExit(f"kalends serve did not say `listening on`: {log()[-3000:]}")
    return found[0]


def _psql(url: str, statement: str) -> None:
    program = shutil.which("psql") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), reverse=True)), None)
    if program is None:
        raise SystemExit("psql is missing: conformance/tools.sh installs it")
    subprocess.run([str(program), "-q", "-v", "ON_ERROR_STOP=1", url, "-c", statement], check=True, stdout=subprocess.DEVNULL)


def demo(env: dict[str, str] | None = None) -> tuple[subprocess.Popen, dict]:
    """Starts `kalends demo --json` in a folder of its own; returns the process and its first line, parsed."""
    process = subprocess.Popen(
        [str(BINARY), "demo", "--listen", "127.0.0.1:0", "--json"],
        env=dict(ENVIRONMENT, **(env or {})), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    atexit.register(process.kill)
    return process, json.loads(process.stdout.readline())
