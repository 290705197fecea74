"""Runs the parts of the judgement in order and counts them; started by conformance/run.

A part is a command. It passes when it exits 0 within its time, and fails otherwise: also when what it needs is absent.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "conformance"
LOGS = ROOT / ".cache" / "conformance-logs"
TAIL_LINES = 60  # of a failed part's log; the whole log stays in LOGS


@dataclass
class Part:
    name: str
    command: list[str]
    minutes: float = 10  # beyond this the part hangs
    env: dict[str, str] = field(default_factory=dict)
    postgres: bool = False  # the command finds a throwaway server's URL in KALENDS_TEST_POSTGRES


def suite(name: str, *arguments: str, script: str | None = None) -> Part:
    return Part(name, [sys.executable, str(HERE / f"{script or name}.py"), *arguments], postgres=True)


# Google's client and its kin live in a venv of their own, beside the one that runs this.
GOOGLE = Path(sys.executable).parent.parent.parent / "google" / "bin" / "python"

# The mail server that takes notices lives in one too.
MAIL = Path(sys.executable).parent.parent.parent / "mail" / "bin" / "python"


PARTS = [
    # The house
    Part("fmt", ["cargo", "fmt", "--all", "--check"]),
    Part("clippy", ["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"], 25),
    # The judgement of one tree is always the same: what is generated has a fixed seed here, and chance everywhere else.
    Part("test", ["cargo", "test", "--locked", "--workspace"], 40, {"PROPTEST_RNG_SEED": "20261121"}, postgres=True),
    # The crates are not published: their documentation may name what is private.
    Part("docs", ["cargo", "doc", "--locked", "--workspace", "--no-deps"], 15, {"RUSTDOCFLAGS": "-D warnings -A rustdoc::private-intra-doc-links"}),
    # The program, and how strangers judge it
    Part("build", ["cargo", "build", "--locked", "--workspace", "--lib", "--bins", "--examples"], 15),
    # Worlds of people, faults and crashes around the sync engine; a failing one is replayed with --seed
    suite("simulation"),
    # Is the simulated Google what Google's own client takes for Google, and our connector a client of it?
    Part("google_client", [str(GOOGLE), str(HERE / "google_client.py")], 15),
    # The same for the simulated Microsoft Graph, by Microsoft's own client and the types of its metadata
    Part("graph_client", [str(GOOGLE), str(HERE / "microsoft_client.py")], 15),
    # Instances against python-dateutil and recurring-ical-events, zones against zoneinfo (needs the example `expand`)
    suite("recurrence"),
    suite("corpus"),
    suite("transfer"),
    suite("python_caldav"),
    suite("server_tester"),
    suite("litmus"),
    suite("vdirsyncer", script="vdirsyncer_run"),
    suite("davclients"),
    # The same random requests to us, Radicale and Xandikos
    suite("differential"),
    suite("feeds"),
    suite("api_schema"),
    suite("google_sync"),
    suite("microsoft_sync"),
    suite("sync_stories"),
    suite("sync_consent"),
    suite("sync_faults", "retries", "recovery"),
    suite("admin"),
    Part("notices_mail", [str(MAIL), str(HERE / "notices_mail.py")], 5),
    suite("hostile"),
    suite("crash"),
    suite("browser"),
    suite("thunderbird"),
]


class Postgres:
    """The throwaway server, started when the first part asks for it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"kalends-postgres-{os.getpid()}"
        self.url: str | None = None

    def get(self) -> str:
        if self.url is None:
            done = subprocess.run([HERE / "postgres.sh", "start", self.folder], stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise RuntimeError("PostgreSQL does not start")
            self.url = done.stdout.strip()
        return self.url

    def stop(self) -> None:
        subprocess.run([HERE / "postgres.sh", "stop", self.folder], check=False)


def run(part: Part, postgres: Postgres) -> str | None:
    """Runs one part; says why it failed, or None."""
    env = dict(os.environ, **part.env)
    log = LOGS / f"{part.name}.log"
    try:
        if part.postgres:
            env["KALENDS_TEST_POSTGRES"] = postgres.get()
        with log.open("wb") as out:
            # Its own session: a part that hangs is ended together with the servers it started.
            process = subprocess.Popen(
                part.command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code = process.wait(part.minutes * 60)
            except BaseException as error:
                os.killpg(process.pid, 9)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    return f"still running after {part.minutes:g} minutes"
                raise
    except FileNotFoundError as error:
        return f"absent: {error.filename}"
    except RuntimeError as error:
        return str(error)
    return None if code == 0 else f"exit {code}"


def main() -> int:
    names = [part.name for part in PARTS]
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        print("\n".join(names))
        return 0
    for name in wanted:
        if name not in names:
            print(f"no part named {name}; there are: {' '.join(names)}", file=sys.stderr)
            return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    postgres = Postgres()
    passed = failed = 0
    try:
        for part in [part for part in PARTS if part.name in wanted] if wanted else PARTS:
            start = time.monotonic()
            why = run(part, postgres)
            taken = time.monotonic() - start
            print(f"{'FAILED' if why else 'passed'}  {part.name:<16} {taken:7.1f} s{'  ' + why if why else ''}", flush=True)
            if why:
                failed += 1
                log = LOGS / f"{part.name}.log"
                lines = log.read_text(errors="replace").splitlines() if log.exists() else []
                print("\n".join(f"    {line}" for line in lines[-TAIL_LINES:]), flush=True)
            else:
                passed += 1
    finally:
        postgres.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
