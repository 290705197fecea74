"""schemathesis throws valid and invalid requests at every operation of /api/openapi.json, with a manager's token.

No answer may be a 5xx, and none may be undocumented: status, media type, headers and body are those of the document;
and what the document protects refuses a caller without credentials.

usage: api_schema.py [sqlite] [postgres] [--seed N]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from server import Server
from tally import Tally

PROGRAM = Path(sys.executable).parent.parent.parent / "schema" / "bin" / "schemathesis"
SECONDS_MAX = 120  # for the requests; shrinking and the report come on top
EXAMPLES_MAX = 40  # an operation
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
]
OPERATIONS_MIN = 15  # fewer means that the document lost some


def operations(document: dict) -> list[str]:
    verbs = ("get", "put", "post", "patch", "delete", "head")
    return [f"{verb.upper()} {path}" for path, item in document["paths"].items() for verb in verbs if verb in item]


def run(tally: Tally, database: str, server: Server, seed: int) -> None:
    token = server.secret("token", "add", "ada", "--scope", "appointments,sync,admin")
    client = server.client()
    answer = client.get("/api/openapi.json")
    if not tally.check(f"{database}: the document is served", answer.status == 200, answer):
        return
    document = json.loads(answer.body)
    found = operations(document)
    tally.check(f"{database}: the document names its operations", len(found) >= OPERATIONS_MIN, found)
    with tempfile.TemporaryDirectory(prefix="kalends-schemathesis-") as folder:
        command = [
            str(PROGRAM), "run", f"{server.base}/api/openapi.json", "-H", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing", "--max-time", str(SECONDS_MAX), "--max-examples", str(EXAMPLES_MAX), "--seed", str(seed),
            "--request-timeout", "20", "--suppress-health-check", "all", "--continue-on-failure", "--no-color",
            "--report", "junit", "--report-dir", folder,
        ]  # fmt: skip
        env = dict(os.environ, HOME=folder, no_proxy="*", NO_PROXY="*")
        done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout[-12_000:])
    tally.check(f"{database}: schemathesis finds nothing in {len(found)} operations (seed {seed})", done.returncode == 0, f"exit {done.returncode}")
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
    tally.finish()


if __name__ == "__main__":
    main()
