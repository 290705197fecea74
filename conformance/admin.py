"""What managers do, against the demo: a simulated Google account, faults in it, resyncs and replays, the audit, the metrics.

Everything goes through the outside; the metrics are read by the parser of the Prometheus project's own client.

usage: admin.py
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from google_sync import ACCOUNT, Google, call, event, until
from server import demo
from tally import Tally
from wire import Client

ROOT = "/api/calendar/admin"
PYTHON = Path(sys.executable).parent.parent.parent / "metrics" / "bin" / "python"
READER = Path(__file__).resolve().parent / "metrics_read.py"


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
    connection = next(c for c in get("/connections/?provider=google&status=active")["connections"] if c["account"] == ACCOUNT)
    of = f"/connections/{connection['connection_id']}"

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
        status, answer = post(f"/sync-attempts/{one['attempt_id']}/replay/")
        tally.check("it is replayed", status == 200 and answer["result"]["status"] in ("success", "running"), answer)
    tally.check("the event reaches Google", until(lambda: there("Held up") == 1) is not None)
    good = get("/sync-attempts/?status=success")["sync_attempts"][0]
    tally.equal("what succeeded is not replayed", post(f"/sync-attempts/{good['attempt_id']}/replay/")[0], 409)

    # Resyncs: one appointment, a month, everything.
    status, found = call(f"{base}/api/appointments?text=Held%20up", token=token)
    status, listed = call(f"{base}/api/appointments?limit=1", token=token)
    own = (found or {}).get("items") or (listed or {}).get("items") or []
    if own:
        status, answer = post(f"/appointments/{own[0]['id']}/resync/")
        tally.check("one appointment", status in (200, 409), answer)
    for body in ({"start_date": "2027-03-01", "end_date": "2027-03-31"}, None):
        answer = {}

        def done() -> bool:
            nonlocal answer
            status, answer = post(f"{of}/resync/", body)
            return status == 200

        tally.check(f"resync {body}", until(done) is not None, answer)
        if "result" in answer:
            tally.check("it succeeds", answer["result"]["status"] in ("success", "running"), answer)
            tally.equal("it names the connection", answer["connection_id"], connection["connection_id"])
    titles = google.titles()
    tally.equal("nothing is doubled", sorted(set(titles)), titles)

    told = get(f"{of}/sync-status/")
    figures = told["statistics"]
    tally.equal("successes and failures add up", figures["successes"] + figures["failures"], figures["total_attempts"])
    rate = f"{100 * figures['successes'] / figures['total_attempts']:.1f}%"
    tally.equal("the success rate", figures["success_rate"], rate)
    tally.equal("errors by class add up", sum(figures["error_breakdown"].values()), figures["failures"])

    for verb, status in (("pause", "paused"), ("resume", "active")):
        tally.equal(verb, post(f"{of}/{verb}/")[1].get("status"), status)
    events = {e["event"] for e in get("/audit-events/")["audit_events"]}
    for name in ("calendar_connection_resync_requested", "calendar_connection_paused", "calendar_admin_read"):
        tally.check(f"the audit has {name}", name in events, sorted(events))
    tally.check("the audit has no title", "Held up" not in json.dumps(get("/audit-events/")))

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
