"""Bytes in = bytes out, through real HTTP, for every fixture and every file of the shared corpus, on both databases.

Each file is PUT, read back, and deleted again, so that files with the same UID do not meet. A refusal must be a 4xx that
names its precondition; nothing may answer 5xx; the server must be alive afterwards. What fixtures/ics/refused.tsv lists
must be refused by the precondition it names, and every other fixture stored, cases/ apart, which may be either.

usage: corpus.py [sqlite] [postgres]
"""

import sys
from collections import Counter

from documents import Document, corpus, fixtures, refusals
from server import Server
from tally import Tally
from wire import Client


def exchange(tally: Tally, client: Client, calendar: str, document: Document, refused: str | None, outcomes: Counter) -> None:
    path, data, name = f"{calendar}object.ics", document.data, document.name
    put = client.put(path, data, If_None_Match="*")
    if put.status in (201, 204):
        outcomes["stored"] += 1
        tally.check(f"{name}: refused, as refused.tsv has it", refused is None, put)
        got = client.get(path)
        tally.check(f"{name}: read back", got.status == 200, got)
        tally.check(f"{name}: the bytes it was given", got.body == data, difference(got.body, data))
        tally.check(f"{name}: a strong etag", got.etag and not got.etag.startswith("W/"), got.etag)
        if put.etag:
            tally.equal(f"{name}: the etag of the PUT is that of the GET", got.etag, put.etag)
        gone = client.delete(path, **({"If_Match": got.etag} if got.etag else {}))
        tally.check(f"{name}: deleted", gone.status in (200, 204), gone)
        return
    tally.check(f"{name}: refused with a 4xx", 400 <= put.status < 500, put)
    if 400 <= put.status < 500:
        precondition = put.precondition()
        outcomes[f"{put.status} {precondition}"] += 1
        tally.check(f"{name}: the refusal names its precondition", precondition, put)
        if refused is not None:
            tally.equal(f"{name}: the refusal is the one of refused.tsv", precondition, refused)
        else:
            tally.check(f"{name}: stored", not must_be_stored(name), put)
        tally.equal(f"{name}: nothing is left of a refused object", client.get(path).status, 404)


def must_be_stored(name: str) -> bool:
    return name.startswith("fixtures/") and not name.startswith("fixtures/cases/")


def difference(got: bytes, want: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return f"differs at byte {at}: {got[at : at + 40]!r} instead of {want[at : at + 40]!r}; {len(got)} and {len(want)} bytes"


def main() -> None:
    tally = Tally("corpus")
    documents = fixtures() + corpus()
    refused = refusals()
    for database in sys.argv[1:] or ("sqlite", "postgres"):
        outcomes: Counter = Counter()
        with Server(database) as server:
            client = server.client("ada")
            calendar = server.home("ada") + "corpus/"
            made = client.make_calendar(calendar)
            tally.equal(f"{database}: MKCALENDAR", made.status, 201)
            for document in documents:
                exchange(tally, client, calendar, document, refused.get(document.name), outcomes)
            tally.check(f"{database}: alive after all of it", server.alive() and client.members(calendar) == {})
        kinds = ", ".join(f"{count} {kind}" for kind, count in outcomes.most_common())
        tally.note(f"{database}: {len(documents)} files: {kinds}")
    tally.finish()


if __name__ == "__main__":
    main()
