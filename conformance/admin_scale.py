"""How fast the lists of managers are with a million attempts: 2,000 connections, 90 days, one attempt of thirty failed.

Not a part of the judgement; its figures are in docs/performance.md.

usage: admin_scale.py [sqlite] [postgres] [--attempts N] [--requests N]
"""

import argparse
import json
import sqlite3
import statistics
import subprocess
import time

from server import Server, _psql

CONNECTIONS = 2_000
DAY_MS = 86_400_000
LISTS = [
    "sync-attempts/",
    "sync-attempts/?status=failed",
    "sync-attempts/?status=exhausted",
    "sync-attempts/?provider=google&status=success",
    "sync-attempts/?provider=microsoft&status=failed",
    "sync-attempts/?user=ada",
    "sync-attempts/?connection_id={connection}",
    "sync-attempts/?text=boom%207",
    "sync-attempts/?start_date={from_}&end_date={to}",
    "sync-attempts/failed/?include_exhausted=true",
    "connections/",
    "connections/{connection}/sync-status/",
    "connections/{connection}/failed-attempts/?include_exhausted=true",
    "audit-events/",
    "metrics-summary/",
]


def fill(database: str, attempts: int, now: int) -> list[str]:
    """The statements that make it all; the dialects differ in how they count and print."""
    lite = database == "sqlite"
    count = (
        (lambda n: f"(with recursive c(i) as (select 0 union all select i + 1 from c where i + 1 < {n}) select i from c)")
        if lite
        else (lambda n: f"(select generate_series(0::bigint, {n - 1}) as i)")
    )
    hexed = (lambda value, width: f"printf('%0{width}x', {value})") if lite else (lambda value, width: f"lpad(to_hex({value}), {width}, '0')")
    uuid = lambda ms, n: " || '-' || ".join([hexed(f"({ms}) / 65536", 8), hexed(f"({ms}) % 65536", 4), "'7000'", "'8000'", hexed(n, 12)])  # noqa: E731
    step = 89 * DAY_MS // attempts
    start = f"({now - 89 * DAY_MS} + i * {step})"
    one = uuid(str(now - 89 * DAY_MS), f"i % {CONNECTIONS}")
    who = "(select firm_id from firms limit 1), "
    failed, exhausted = "i % 30 = 7", "i % 150 = 37"
    provider = "case when i % 2 = 0 then 'google' else 'microsoft' end"
    user = "(select user_id from users where name = case when i % 100 = 0 then 'ada' else 'bob' end)"
    calendar = "(select calendar_id from calendars limit 1)"
    return [
        f"insert into connections select {who} {one}, {user}, {provider}, 'a' || i, 'a' || i, 'paused', null, '', null, null, 1, null, {now}, {now} from {count(CONNECTIONS)} n",
        "insert into links (firm_id, link_id, connection_id, user_id, calendar_id, remote_calendar, remote_name, zone, direction, policy, status, interval_ms, "
        f"generation, fence, due_ms, due_kind, confirmed, failures, created_ms, changed_ms) select {who} {one}, {one}, {user}, {calendar}, 'r', 'r', 'UTC', 'both', '{{}}', "
        f"'paused', 900000, 0, 0, {now}, 'pull', 0, 0, {now}, {now} from {count(CONNECTIONS)} n",
        "insert into attempts (firm_id, attempt_id, run_id, link_id, connection_id, operation, way, object_id, remote_id, outcome, error_class, error_summary, retry_count, "
        f"next_retry_ms, max_retries_reached, started_ms, completed_ms, correlation_id, unanswered) select {who} {uuid(start, 'i')}, 'r', {one}, {one}, "
        f"case when i % 3 = 0 then 'list_changes' else 'upsert' end, case when i % 3 = 0 then 'pull' else 'push' end, null, 'e' || i, "
        f"case when {failed} then 'failed' else 'success' end, case when {failed} then 'transient' end, case when {failed} then 'boom ' || (i % 1000) end, 0, null, "
        f"case when {exhausted} then 1 else 0 end, {start}, {start}, 'c' || i, 0 from {count(attempts)} n",
        "insert into attempt_days (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, kept, attempts) select a.firm_id, a.started_ms / 86400000, 0, k.provider, a.operation, a.way, a.outcome, coalesce(a.error_class, ''), a.max_retries_reached, 1, "
        "count(*) from attempts a join connections k on k.firm_id = a.firm_id and k.connection_id = a.connection_id group by 1, 2, 4, 5, 6, 7, 8, 9",
    ]


def measure(database: str, attempts: int, requests: int) -> bool:
    with Server(database) as server:
        server.stop()
        now = int(time.time() * 1000)
        statements = fill(database, attempts, now)
        if database == "sqlite":
            with sqlite3.connect(server.folder / "data" / "kalends.db") as connection:
                for statement in statements:
                    connection.execute(statement)
                connection.commit()
                found = connection.execute("select connection_id from connections limit 1 offset 700").fetchone()[0]
        else:
            for statement in statements:
                _psql(server.database_url, statement)
            _psql(server.database_url, "analyze")
            found = subprocess.run(["psql", "-At", server.database_url, "-c", "select connection_id from connections limit 1 offset 700"], capture_output=True, text=True, check=True).stdout.strip()
        server.start()
        token = server.secret("token", "add", "ada", "--scope", "admin")
        client, fine = server.client(), True
        day = lambda ago: time.strftime("%Y-%m-%d", time.gmtime(now / 1000 - ago * 86_400))  # noqa: E731
        for path in LISTS:
            path = "/api/calendar/admin/" + path.format(connection=found, from_=day(40), to=day(20))
            took = []
            for _ in range(requests):
                begin = time.perf_counter()
                answer = client.send("GET", path, headers={"Authorization": f"Bearer {token}"})
                took.append((time.perf_counter() - begin) * 1000)
                assert answer.status == 200, (path, answer.status, answer.body[:300])
            total = json.loads(answer.body).get("total_count", "")
            p95 = statistics.quantiles(took, n=20)[-1]
            fine &= p95 < 50
            print(f"{database:9} {path.removeprefix('/api/calendar/admin/').replace(found, '…'):72} {statistics.median(took):6.1f} ms  p95 {p95:6.1f} ms  fastest {min(took):5.1f} ms  {total}", flush=True)
        return fine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgres"])
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=60)
    args = parser.parse_args()
    fine = [measure(database, args.attempts, args.requests) for database in args.databases]
    raise SystemExit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
