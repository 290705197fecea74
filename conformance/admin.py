"""What managers do, against the demo: a simulated Google account, faults in it, resyncs and replays, the audit, the metrics.

Everything goes through the outside; the metrics are read by the parser of the Prometheus project's own client.

usage: admin.py
"""

import json
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google_sync import ACCOUNT, Google, call, event, until
from server import demo
from tally import Tally
from wire import Client

ROOT = "/api/calendar/admin"
PYTHON = Path(sys.executable).parent.parent.parent / "metrics" / "bin" / "python"
READER = Path(__file__).resolve().parent / "metrics_read.py"
RESULT = {"status", "correlation_id", "synced_count"}
STATISTICS = {
    "total_attempts", "successes", "failures", "success_rate", "max_retries_reached", "pending_retry", "eligible_for_retry",
    "error_breakdown", "last_successful_sync", "last_sync_cursor",
}  # fmt: skip
FAILED = {
    "attempt_id", "operation", "direction", "error_class", "error_summary", "retry_count", "max_retries_reached", "next_retry_at",
    "started_at", "appointment_id",
}  # fmt: skip
LISTS = {
    "/connections/": "connections", "/sync-attempts/": "sync_attempts", "/audit-events/": "audit_events", "/webhooks/": "webhooks",
    "/sync-attempts/failed/": "failed_attempts",
}  # fmt: skip


def main() -> None:
    tally = Tally("admin")
    process, facts = demo()
    try:
        judge(tally, facts)
    finally:
        process.terminate()
        process.wait(20)
    tally.finish()


def judge(tally: Tally, facts: dict) -> None:
    google = Google(facts["google_url"])
    base, token = facts["web_url"].rstrip("/"), facts["api_token"]
    ada = next(u for u in facts["users"] if u["name"] == "ada")
    client = Client(base, ada["name"], ada["password"])
    home = "/dav/calendars/ada/calendar/"

    def get(path: str) -> dict:
        status, answer = call(f"{base}{ROOT}{path}", token=token)
        tally.equal(f"GET {path}", status, 200)
        return answer or {}

    def post(path: str, body: object = None) -> tuple[int, dict]:
        return call(f"{base}{ROOT}{path}", body, token, "POST")

    def there(title: str) -> int:
        return google.titles().count(title)

    until(lambda: there("Training with Carl") == 1)
    for path in ("/connections/", "/connections", "/sync-attempts/", "/audit-events/", "/webhooks/", "/metrics-summary/"):
        status, _ = call(f"{base}{ROOT}{path}")
        tally.equal(f"{path}: nobody", status, 401)
    for verb, path in (("POST", "/connections/{id}/resync/"), ("GET", "/connections/{id}/sync-status/"), ("POST", "/sync-attempts/{id}/replay/"),
                       ("POST", "/connections/{id}/revoke/"), ("POST", "/links/{id}/confirm/"), ("POST", "/appointments/{id}/resync/")):  # fmt: skip
        path = path.replace("{id}", "019aa0f3-9a6e-7c2e-a3c4-111111111111")
        status, _ = call(f"{base}{ROOT}{path}", None, None, verb)
        tally.equal(f"{verb} {path}: nobody", status, 401)
        status, _ = call(f"{base}{ROOT}{path}", None, token, verb)
        tally.equal(f"{verb} {path}: of nothing", status, 404)
    for user in facts["users"]:
        if user["role"] != "manager":
            answer = Client(base, user["name"], user["password"]).send("GET", ROOT + "/connections/")
            tally.check(f"{user['role']} is no manager", answer.status in (401, 403), answer)
    for path, name in LISTS.items():
        page = get(path)
        tally.equal(f"{path}: fields", set(page), {name, "total_count", "next"})
        lead = {"webhooks": "channel_id", "failed_attempts": "attempt_id", "sync_attempts": "attempt_id", "audit_events": "audit_event_id"}.get(name, "connection_id")
        tally.check(f"{path}: each leads with an id", all(next(iter(item)) == lead or next(iter(item)).endswith("_id") for item in page[name]), page[name][:1])
    connection = next(c for c in get("/connections/?provider=google&status=active")["connections"] if c["account"] == ACCOUNT)
    of = f"/connections/{connection['connection_id']}"

    def told_of(answer: dict) -> list[str]:
        """What the audit says under a request's id, once it says how it ended."""
        told: list[str] = []

        def ended() -> bool:
            told[:] = [e["event"] for e in get(f"/audit-events/?text={answer['result']['correlation_id']}")["audit_events"] if e["event"] != "calendar_sync_retry"]
            return len(told) > 1

        until(ended)
        return told[::-1]

    # A fault that passes, one that is given up to a manager, and its replay.
    status, _ = call(google.base + "faults", [{"call": "events.insert", "fault": {"backend": {"status": 503}}}])
    tally.equal("a fault is ordered", status, 200)
    client.put(home + "admin-1.ics", event("admin-1", "Held up"))
    failed: list[dict] = []

    def has_failed() -> bool:
        failed[:] = get(f"{of}/failed-attempts/?include_exhausted=true")["failed_attempts"]
        return bool(failed)

    if tally.check("a failed attempt is listed", until(has_failed) is not None):
        one = failed[0]
        tally.equal("with its class", one["error_class"], "transient")
        tally.check("it says why without content", "Held up" not in json.dumps(failed), one)
        tally.equal("its fields", set(one), FAILED)
        tally.equal("as counted", set(get(f"{of}/failed-attempts/")), {"connection_id", "failed_attempts", "total_count", "next"})
        status, answer = post(f"/sync-attempts/{one['attempt_id']}/replay/")
        if tally.equal("a replay is answered", status, 200):
            tally.equal("with these fields", (set(answer), answer["attempt_id"]), ({"message", "attempt_id", "result"}, one["attempt_id"]))
            tally.check("and this result", RESULT <= set(answer["result"]), answer)
            tally.equal("it is audited as asked for and as ended", told_of(answer), ["calendar_sync_manual_replay_requested", "calendar_sync_manual_replay_success"])
        tally.check("it is replayed", status == 200 and answer["result"]["status"] == "success", answer)
    tally.check("the event reaches Google", until(lambda: there("Held up") == 1) is not None)
    good = get("/sync-attempts/?status=success")["sync_attempts"][0]
    tally.equal("what succeeded is not replayed", post(f"/sync-attempts/{good['attempt_id']}/replay/")[0], 409)

    # One id from the request to the provider's wire.
    body = json.dumps({"title": "Correlated", "start": "2027-03-05T10:00:00Z", "end": "2027-03-05T11:00:00Z"})
    answer = client.send("POST", "/api/appointments", body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "X-Request-Id": "wire-4711"})
    tally.equal("the id is given back", (answer.status, answer.header("X-Correlation-Id"), answer.header("X-Request-Id")), (201, "wire-4711", "wire-4711"))
    tally.check("the event reaches Google", until(lambda: there("Correlated") == 1) is not None)
    sent = [r for r in call(google.base + "requests")[1] if "Correlated" in r["body"]]
    tally.equal("its call carries the id", {r["headers"].get("x-correlation-id") for r in sent}, {"wire-4711"})
    own = get("/sync-attempts/?text=wire-4711")["sync_attempts"]
    tally.check("so does its attempt", own and all(a["correlation_id"] == "wire-4711" for a in own), own)

    # What fails for good is not replayed, and that says so.
    call(google.base + "faults", [{"call": "events.insert", "fault": {"backend": {"status": 400}}}])
    client.put(home + "admin-2.ics", event("admin-2", "Refused"))
    refused: list[dict] = []

    def was_refused() -> bool:
        refused[:] = get("/sync-attempts/?status=failed&error_class=non_retryable")["sync_attempts"]
        return bool(refused)

    if tally.check("a refusal is listed", until(was_refused) is not None):
        tally.equal("it is not replayed", post(f"/sync-attempts/{refused[0]['attempt_id']}/replay/")[0], 400)

    # Resyncs: one appointment, a month, everything.
    status, found = call(f"{base}/api/appointments?text=Held%20up", token=token)
    status, listed = call(f"{base}/api/appointments?limit=1", token=token)
    own = (found or {}).get("items") or (listed or {}).get("items") or []
    if own:
        status, answer = post(f"/appointments/{own[0]['id']}/resync/")
        tally.check("one appointment", status in (200, 409), answer)
        if status == 200:
            tally.equal("its fields", set(answer), {"message", "appointment_id", "external_event_id", "result"})
    for body in ({"start_date": "2027-03-01", "end_date": "2027-03-31"}, None):
        answer = {}

        def done() -> bool:
            nonlocal answer
            status, answer = post(f"{of}/resync/", body)
            return status == 200

        tally.check(f"resync {body}", until(done) is not None, answer)
        if "result" in answer:
            tally.check("it succeeds", answer["result"]["status"] == "success", answer)
            tally.equal("its fields", set(answer), {"message", "connection_id", "provider", "result"})
            tally.check("and those of the result", RESULT <= set(answer["result"]), answer)
            tally.equal("it names the connection", answer["connection_id"], connection["connection_id"])
            tally.equal("it is audited as asked for and as ended", told_of(answer), ["calendar_connection_resync_requested", "calendar_connection_resync_completed"])

    # Resyncs of everything, all at once: whoever is not first is told by whoever is.
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(lambda _: post(f"{of}/resync/"), range(4)))
    for status, answer in answers:
        if tally.equal("each is answered", status, 200):
            tally.equal("and told how it ended", told_of(answer), ["calendar_connection_resync_requested", "calendar_connection_resync_completed"])
    titles = google.titles()
    tally.equal("nothing is doubled", sorted(set(titles)), titles)

    told = get(f"{of}/sync-status/")
    figures = told["statistics"]
    tally.equal("the status has these fields", set(told), {"connection_id", "provider", "status", "last_sync_at", "last_sync_cursor", "statistics"})
    tally.equal("and these statistics", set(figures), STATISTICS)
    tally.equal("errors are broken down", set(figures["error_breakdown"]), {"transient", "non_retryable", "rate_limited"})
    tally.equal("successes and failures add up", figures["successes"] + figures["failures"], figures["total_attempts"])
    rate = f"{100 * figures['successes'] / figures['total_attempts']:.1f}%"
    tally.equal("the success rate", figures["success_rate"], rate)
    tally.equal("errors by class add up", sum(figures["error_breakdown"].values()), figures["failures"])

    for verb, status in (("pause", "paused"), ("resume", "active")):
        tally.equal(verb, post(f"{of}/{verb}/")[1].get("status"), status)
    events = {e["event"] for e in get("/audit-events/")["audit_events"]}
    for name in ("calendar_connection_resync_requested", "calendar_connection_paused", "calendar_admin_read"):
        tally.check(f"the audit has {name}", name in events, sorted(events))

    # Secrets are made, appointments have titles: none of either is in the trail, from its first event to its last.
    secrets = [facts["api_token"], facts["feed_url"].rsplit("/", 1)[-1], *(u["password"] for u in facts["users"])]
    for path, body in (("/api/app-passwords", {"name": "phone"}), ("/api/tokens", {"name": "script", "scopes": ["sync"]})):
        status, made = call(f"{base}{path}", body, token)
        if tally.equal(f"POST {path}", status, 201):
            words = [made[k] for k in ("password", "token", "secret") if isinstance(made.get(k), str)]
            tally.check(f"{path} shows a secret once", words, sorted(made))
            secrets += words
    trail, path = [], "/audit-events/"
    while path:
        page = get(path)
        trail += page["audit_events"]
        path = (page["next"] or "").removeprefix(ROOT)
    numbers = [e["number"] for e in trail]
    tally.equal("the trail is whole", numbers, list(range(numbers[0], 0, -1)))
    titles = {t for t in google.titles() if len(t) > 3} | {"Held up", "Correlated", "Refused"}
    # A title is not looked for in the names of acts.
    said = json.dumps([{k: v for k, v in e.items() if k != "event"} for e in trail])
    tally.equal("it has no title", [t for t in titles if t in said], [])
    tally.equal("and no secret", [s for s in secrets if s in said], [])
    asked = next(e for e in trail if e["event"] == "calendar_connection_resync_requested")
    tally.equal("who, at what, from where", (asked["actor"], asked["target"], bool(asked["address"])), ("ada", connection["connection_id"], True))
    tally.check("when, and under which id", asked["at"] and asked["correlation_id"], asked)

    # The metrics, as the Prometheus project's own client reads them.
    with urllib.request.urlopen(f"{base}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    read = subprocess.run([str(PYTHON), str(READER)], input=text, capture_output=True, text=True, check=True)
    families = json.loads(read.stdout)
    for name in ("kalends_sync_attempts", "kalends_sync_runs", "kalends_sync_lag_seconds", "kalends_provider_call_seconds", "kalends_links"):
        tally.check(f"{name} has samples", name in families and families[name]["samples"], sorted(families))
    attempts = sum(value for _, _, value in families["kalends_sync_attempts"]["samples"])
    summary = get("/metrics-summary/?days=2")
    tally.check("metrics and summary agree", abs(attempts - summary["total_attempts"]) <= 3, (attempts, summary["total_attempts"]))
    tally.check("no title is told", "Held up" not in text)
    seen = [name for name, family in families.items() if family["type"] == "unknown"]
    tally.equal("every family has a type", seen, [])


if __name__ == "__main__":
    main()
