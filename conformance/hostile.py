"""Bad input over raw sockets: a clear refusal, bounded time and memory, a server that stays up, and nothing lost.

Each case of hostile_dav.py and hostile_http.py is sent; its answer must be one of those it allows (never 5xx, never silence), and afterwards
the server must still answer an honest request at once, with the same objects as before, within its memory.

usage: hostile.py [sqlite] [postgres] [--only TEXT]
"""

import argparse
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from hostile_dav import filed, preconditions, puts, xml
from hostile_ground import Case, Ground
from hostile_http import DRIPS, api, http_rules, methods, paths
from rawhttp import Heard, speak
from server import Server
from tally import Tally
from wire import Client

RSS_GROWTH_MAX_KIB = 300 * 1024  # above the honest server's memory; a 60 MB body must not be held several times over
HONEST_SECONDS = 5  # an honest request right after a bad one
IDLE_CONNECTIONS = 300


def peak_kib(server: Server) -> int:
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def judge(tally: Tally, database: str, case: Case, heard: Heard) -> None:
    name = f"{database} {case.name}"
    tally.check(f"{name}: answered with one of {sorted(case.allowed)}", heard.status in case.allowed and not heard.timed_out, heard)
    if case.precondition and heard.status in case.allowed:
        found = any(f"{mark}" in heard.body.decode(errors="replace") for mark in case.precondition)
        tally.check(f"{name}: names {' or '.join(case.precondition)}", found, heard)
    for header in case.headers:
        tally.check(f"{name}: has {header}", header.lower() in heard.headers, heard.headers)
    for mark in case.forbidden:
        tally.check(f"{name}: does not show {mark}", mark not in heard.body.decode(errors="replace"), heard)


def honest(tally: Tally, server: Server, client: Client, ground: Ground, after: str) -> bool:
    """An honest request after a bad one: answered at once, and the calendars hold what they held."""
    begin = time.monotonic()
    try:
        got = client.get(ground.object_path)
        names = set(client.members(ground.calendar))
        spent = time.monotonic() - begin
        whole = got.status == 200 and got.body == ground.object and names >= ground.members
        strangers = names - ground.members
    except (OSError, AssertionError) as error:
        return tally.check(f"{after}: the server answers honest requests", False, f"{error} alive={server.alive()} {server.log()[-500:]}")
    tally.check(f"{after}: what was stored is unharmed", whole, f"{got} {sorted(ground.members - names)[:3]}")
    tally.check(f"{after}: nothing was stored", not strangers, sorted(strangers)[:3])
    ground.members |= strangers  # reported once
    return tally.check(f"{after}: the server answers at once", spent < HONEST_SECONDS, f"{spent:.1f} s")


def crowd(tally: Tally, server: Server, client: Client, database: str) -> None:
    """Many connections that say nothing must not keep others out."""
    parts = urlsplit(server.base)
    idle: list[socket.socket] = []
    begin = time.monotonic()
    try:
        for _ in range(IDLE_CONNECTIONS):
            idle.append(socket.create_connection((parts.hostname, parts.port), HONEST_SECONDS))
        begin = time.monotonic()
        seen = str(server.client("ada", HONEST_SECONDS).propfind(server.home("ada"), "0", "D:resourcetype").status)
    except OSError as error:
        seen = str(error)
    spent = time.monotonic() - begin
    tally.check(f"{database} {IDLE_CONNECTIONS} idle connections: others are served", seen == "207" and spent < HONEST_SECONDS, f"{seen} {spent:.1f} s")
    for line in idle:
        line.close()


def drips(tally: Tally, server: Server, ground: Ground, database: str, only: str) -> None:
    """Slow heads and slow bodies, all at once: the server must cut each within its time."""
    chosen = [drip for drip in DRIPS if only in drip.name]
    with ThreadPoolExecutor(max(len(chosen), 1)) as pool:
        for drip, heard in zip(chosen, pool.map(lambda drip: speak(server.base, drip.pieces(ground), drip.pause, drip.seconds_max), chosen)):
            cut = not heard.timed_out and heard.seconds < drip.seconds_max and heard.status not in range(200, 300)
            tally.check(f"{database} {drip.name}: cut within {drip.seconds_max} s", cut, heard)
            tally.note(f"{database} {drip.name}: {heard}")


def attack(tally: Tally, database: str, only: str) -> None:
    with Server(database) as server:
        client = server.client("ada")
        ground = Ground.lay(server, client)
        before = peak_kib(server)
        count = 0
        for family in (filed, xml, puts, preconditions, paths, methods, http_rules, api):
            for case in family(ground):
                if only not in case.name:
                    continue
                count += 1
                judge(tally, database, case, speak(server.base, case.data, timeout=case.seconds_max, half_close=case.half_close))
                if not honest(tally, server, client, ground, f"{database} after {case.name}") and not server.alive():
                    return
        crowd(tally, server, client, database)
        drips(tally, server, ground, database, only)
        honest(tally, server, client, ground, f"{database} after all of it")
        grown = peak_kib(server) - before
        tally.check(f"{database}: memory stays within {RSS_GROWTH_MAX_KIB // 1024} MiB above the start", grown < RSS_GROWTH_MAX_KIB, f"{grown // 1024} MiB")
        tally.note(f"{database}: {count} cases, memory at its peak {grown // 1024} MiB above {before // 1024} MiB")
        panics = [line for line in server.log().splitlines() if "panicked" in line]
        tally.check(f"{database}: no panic in the log", not panics, panics[:2])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=[])
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    given = parser.parse_args()
    tally = Tally("hostile")
    for database in given.databases or ("sqlite", "postgres"):
        attack(tally, database, given.only)
    tally.finish()


if __name__ == "__main__":
    main()
