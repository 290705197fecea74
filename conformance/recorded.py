"""Requests that a client sent, recorded as JSON lines of {"method", "path", "body"}, held against the schemas of a provider."""

import json
import sys
from pathlib import Path


def judge(schemas) -> int:
    """Says what is wrong with the requests in the files that the command line names; the exit code.

    `schemas.request(method, path, body)` gives a sentence for everything that is. No request at all is wrong too."""
    count = wrong = 0
    for name in sys.argv[1:]:
        for number, line in enumerate(Path(name).read_text(encoding="utf-8").rstrip("\n").split("\n"), 1):
            sent = json.loads(line)
            body = sent.get("body")
            if isinstance(body, str):
                body = json.loads(body) if body else None
            count += 1
            for sentence in schemas.request(sent["method"], sent["path"], body):
                wrong += 1
                print(f"{name}:{number}: {sent['method']} {sent['path']}: {sentence}")
    print(f"{count} requests, {wrong} violations")
    return 1 if wrong or not count else 0
