"""schemathesis throws valid and invalid requests at every operation of /api/openapi.json, with a manager's token.

No answer may be a 5xx, and none may be undocumented: status, media type, headers and body are those of the document.
Operations on one appointment are given a real one. What the document protects refuses a caller without credentials. What
managers do is asked once more in the demo, where there are accounts, links, attempts and webhooks to answer for.

usage: api_schema.py [sqlite] [postgres] [--seed N]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from feed_account import FeedAccount
from google_sync import ACCOUNT, call, until
from server import Server, demo
from tally import Tally

PROGRAM = Path(sys.executable).parent.parent.parent / "schema" / "bin" / "schemathesis"
SECONDS_MAX = 80  # for the requests; shrinking and the report come on top
DEMO_SECONDS_MAX = 40  # for what managers do
EXAMPLES_MAX = 40  # an operation
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
ADMIN_OPERATIONS = 15
OPERATIONS_MIN = 60  # fewer means that the document lost some
SUCCESSES_MIN = 300  # fewer means that most requests got no further than a refusal


def operations(document: dict) -> list[str]:
    verbs = ("get", "put", "post", "patch", "delete", "head")
    return [f"{verb.upper()} {path}" for path, item in document["paths"].items() for verb in verbs if verb in item]


def without_credentials(tally: Tally, database: str, server: Server, document: dict) -> None:
    client = server.client()
    for operation in operations(document):
        verb, path = operation.split(" ")
        if document["paths"][path][verb.lower()].get("security", document.get("security")):
            answer = client.send(verb, re.sub(r"\{[^}]+\}", "1", path), headers={"Content-Length": "0"})
            tally.check(f"{database} {operation}: 401 without credentials", answer.status == 401 and answer.header("WWW-Authenticate"), answer)


def real_ones(account: FeedAccount) -> str:
    """Some appointments to find; returns schemathesis' configuration that names one of them."""
    for day in range(1, 6):
        made = account.api("POST", "/api/appointments", {"start": f"2027-03-0{day}T10:00:00Z", "end": f"2027-03-0{day}T11:00:00Z", "title": f"Day {day}"})
        if made.status != 201:
            raise SystemExit(f"POST /api/appointments: {made}")
    one = json.loads(made.body)["id"]
    # A resync may be answered 503 where a link is at work, which is documented.
    orders = '[[operations]]\ninclude-path-regex = "^/api/calendar/admin/"\nchecks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]\n\n'
    # Not DELETE: the others would have nothing left.
    return orders + "".join(
        f'[[operations]]\ninclude-name = "{operation}"\nparameters = {{ id = "{one}" }}\n\n'
        for operation in ("GET /api/appointments/{id}", "PATCH /api/appointments/{id}", "GET /api/appointments/{id}/history", "GET /api/appointments/{id}/versions/{number}", "POST /api/appointments/{id}/restore")
    )


def answers(server: Server) -> Counter[str]:
    """How often the API gave each status, by the server's own count."""
    counted: Counter[str] = Counter()
    for status, count in re.findall(r'kalends_http_requests_total\{face="api".*?status="(\d+)"\} (\d+)', server.client().get("/metrics").body.decode()):
        counted[status] += int(count)
    return counted


def schemathesis(base: str, token: str, settings: str, seed: int, seconds: int, *more: str) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory(prefix="kalends-schemathesis-") as folder:
        Path(folder, "schemathesis.toml").write_text(settings)
        command = [
            str(PROGRAM), "run", f"{base}/api/openapi.json", "-H", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing", "--max-time", str(seconds), "--max-examples", str(EXAMPLES_MAX), "--seed", str(seed),
            "--request-timeout", "30", "--suppress-health-check", "all", "--continue-on-failure", "--no-color",
            "--report", "junit", "--report-dir", folder, *more,
        ]  # fmt: skip
        env = dict(os.environ, HOME=folder, no_proxy="*", NO_PROXY="*")
        return subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def managers(tally: Tally, seed: int) -> None:
    """What managers do, with real ids."""
    process, facts = demo()
    try:
        base, token = facts["web_url"].rstrip("/"), facts["api_token"]
        get = lambda path: call(f"{base}{path}", token=token)[1]  # noqa: E731
        attempts: list[dict] = []

        def busy() -> bool:
            attempts[:] = get("/api/calendar/admin/sync-attempts/?status=success")["sync_attempts"]
            return bool(attempts)

        if not tally.check("demo: there are attempts", until(busy) is not None):
            return
        connections = get("/api/calendar/admin/connections/?provider=google")["connections"]
        connection = next(c["connection_id"] for c in connections if c["account"] == ACCOUNT)
        link = next(a["link_id"] for a in attempts if a["connection_id"] == connection)
        appointment = get("/api/appointments?limit=1")["items"][0]["id"]
        ids = {"connections": connection, "links": link, "sync-attempts": attempts[0]["attempt_id"], "appointments": appointment}
        document = get("/api/openapi.json")
        found = [one for one in operations(document) if " /api/calendar/admin/" in one]
        # A resync may be answered 503 where a link is at work, which is documented. Revoked, an account would answer nothing more.
        blocks = []
        for operation in found:
            kind = operation.split("/")[4]
            real = f'parameters = {{ id = "{ids[kind]}" }}\n' if "{id}" in operation and "revoke" not in operation else ""
            blocks.append(f'[[operations]]\ninclude-name = "{operation}"\n{real}checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]\n\n')
        done = schemathesis(base, token, "".join(blocks), seed, DEMO_SECONDS_MAX, "--include-path-regex", "^/api/calendar/admin/")
        print(done.stdout[-6_000:])
        tally.equal("demo: managers have these operations", len(found), ADMIN_OPERATIONS)
        tally.check(f"demo: schemathesis finds nothing in {len(found)} operations (seed {seed})", done.returncode == 0, f"exit {done.returncode}")
        tally.check("demo: the server is alive", process.poll() is None and get("/api/calendar/admin/connections/"))
    finally:
        process.terminate()
        process.wait(20)


def run(tally: Tally, database: str, server: Server, seed: int) -> None:
    account = FeedAccount(server)
    client = server.client()
    answer = client.get("/api/openapi.json")
    if not tally.check(f"{database}: the document is served", answer.status == 200, answer):
        return
    document = json.loads(answer.body)
    found = operations(document)
    tally.check(f"{database}: the document names its operations", len(found) >= OPERATIONS_MIN, found)
    without_credentials(tally, database, server, document)
    done = schemathesis(server.base, account.token, real_ones(account), seed, SECONDS_MAX)
    print(done.stdout[-12_000:])
    tally.check(f"{database}: schemathesis finds nothing in {len(found)} operations (seed {seed})", done.returncode == 0, f"exit {done.returncode}")
    counted = answers(server)
    successes = sum(count for status, count in counted.items() if status.startswith("2"))
    tally.check(f"{database}: the requests got as far as the API ({dict(sorted(counted.items()))})", successes >= SUCCESSES_MIN and "429" not in counted)
    tally.note(f"{database}: answers by status {dict(sorted(counted.items()))}")
    tally.check(f"{database}: the server is alive and did not panic", server.alive() and "panicked" not in server.log(), server.log()[-600:])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=20261121)
    given = parser.parse_args()
    tally = Tally("api_schema")
    for database in given.databases or ("sqlite",):
        with Server(database) as server:
            run(tally, database, server, given.seed)
    managers(tally, given.seed)
    tally.finish()


if __name__ == "__main__":
    main()
