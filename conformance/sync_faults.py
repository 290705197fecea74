"""A sync under a provider that fails: the retry matrix attempt by attempt, the breaker, a poison event; answers that no provider
should give; a cursor that is lost; webhooks that come, double, stay away and end; the guard, the preview, undo.

Time passes by setting the clock forward. Nothing that fails may delete anything, here or there.

usage: sync_faults.py [sqlite|postgres] [PART]...
"""

import json
import sys
import time
from datetime import datetime
from pathlib import Path

from sync_ground import Ground, Pair, call, event, until
from tally import Tally


def seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def failed(pair: Pair) -> list[dict]:
    """The link's failed attempts, oldest first."""
    return sorted((a for a in pair.attempts() if a["outcome"] == "failed"), key=lambda a: a["attemptId"])


def peak_mib(ground: Ground) -> float:
    for line in Path(f"/proc/{ground.server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def attempts_of(tally: Tally, ground: Ground, pair: Pair, what: str, waits: list[float], provoke, others) -> None:
    """Provokes a failure and lets its retries come due one after the other: each is as the matrix says."""
    before = len(failed(pair))
    provoke()
    for number, wait in enumerate([*waits, None]):
        found = until(lambda number=number: len(f := failed(pair)) > before + number and f)
        if not tally.check(f"{what}: attempt {number + 1} is made when it is due", found, failed(pair)[before:]):
            return
        one = found[before + number]
        tally.equal(f"{what}: attempt {number + 1} counts the {number} before", one["retryCount"], number)
        if wait is None:
            tally.equal(f"{what}: after {number} retries it is left to the schedule", (one["nextRetryAt"], one["maxRetriesReached"]), (None, True))
            return
        tally.equal(f"{what}: attempt {number + 1} is not the last", one["maxRetriesReached"], False)
        planned = seconds(one["nextRetryAt"]) - seconds(one["startedAt"])
        tally.check(f"{what}: the next is planned {wait:g} s later, a tenth more or less", wait * 0.9 - 1.5 <= planned <= wait * 1.1 + 2.5, planned)
        others()
        if wait >= 8:  # the real clock goes on, too
            ground.forward(wait * 0.5)
            tally.equal(f"{what}: it is not made before its time", len(failed(pair)), before + number + 1)
            planned -= wait * 0.5
        ground.forward(planned + 1)


def retries(tally: Tally, ground: Ground) -> None:
    google = ground.google
    pair, calm = ground.pair("retries"), ground.pair("calm")
    account = "retries@example.com"
    pair.put("kept.ics", event("retries-kept", "Kept"))
    until(lambda: pair.there("Kept"))
    pair.settled()

    def calls() -> int:
        return len([r for r in pair.requests() if r["status"] != 200])

    # Somebody else's call that succeeds keeps the provider's breaker closed, which is judged on its own below.
    for what, fault in (("503", {"backend": {"status": 503}}), ("a lost connection", "loseRequest")):
        google.fault(fault, call="events.list", part=account, times=None)
        attempts_of(tally, ground, pair, f"listing, {what}", [1, 2, 4, 8, 16], lambda: ground.ask("POST", "/api/schedule/sync/sync-now", {"linkId": pair.link}), calm.run)
        one = failed(pair)[-1]
        tally.equal(f"listing, {what}: is transient", (one["operation"], one["direction"], one["errorClass"]), ("list_changes", "pull", "transient"))
        tally.equal(f"listing, {what}: the run says so", (pair.runs(1)[0]["status"], bool(pair.runs(1)[0]["errorSummary"])), ("failed", True))
        google.mend()
        ground.forward(15 * 60 + 1)
        tally.check(f"listing, {what}: the scheduled run is well again", until(lambda: pair.stand()["lastSyncStatus"] == "success"), pair.stand())

    google.fault({"backend": {"status": 503}}, call="events.insert", part=account, times=None)
    attempts_of(tally, ground, pair, "writing, 503", [1, 2, 4, 8, 16], lambda: pair.put("late.ics", event("retries-late", "Late")), calm.run)
    one = failed(pair)[-1]
    tally.equal("writing, 503: is transient", (one["operation"], one["direction"], one["errorClass"]), ("upsert", "push", "transient"))
    google.mend()
    tally.equal("writing, 503: the appointment waits", pair.stand()["itemsWaiting"], 1)
    ground.forward(15 * 60 + 1)
    tally.check("writing, 503: it is sent with the next scheduled run", until(lambda: pair.titles_there() == ["Kept", "Late"]), pair.titles_there())
    pair.settled()

    # Too many calls: the whole account waits.
    google.steer("calendars", account=account, id="second@group.example.com", name="Second", role="owner", timeZone="Europe/Berlin")
    second = ground.pair("second", connection=pair.connection, remote="second@group.example.com")
    google.fault({"tooManyRequests": {"retryAfterS": 40}}, call="events.insert", part=account)
    count = calls()
    pair.put("limited.ics", event("retries-limited", "Limited"))
    one = until(lambda: (f := failed(pair)) and f[-1]["errorClass"] == "rate_limited" and f[-1])
    if tally.check("429: the attempt is rate limited", one, failed(pair)[-1:]):
        planned = seconds(one["nextRetryAt"]) - seconds(one["startedAt"])
        tally.check("429: Retry-After is honoured", 39 <= planned <= 42, planned)
    connection = next(c for c in ground.status()["connections"] if c["connectionId"] == pair.connection)
    tally.check("429: the account is slowed down", connection["slowUntil"] and 38 <= seconds(connection["slowUntil"]) - ground.now() <= 42, connection)
    asked = len(google.requests())
    second.put("waits.ics", event("second-waits", "Waits"))
    ground.forward(20)
    calm.put("goes.ics", event("calm-goes", "Goes"))
    tally.check("429: another account goes on", until(lambda: calm.there("Goes")), calm.titles_there())
    tally.equal("429: no call for the account before its time", [r["call"] for r in google.requests()[asked:] if account in r["path"] or "second%40" in r["path"] or "second@" in r["path"]], [])
    ground.forward(22)
    tally.check("429: then both of its links go on", until(lambda: pair.there("Limited") and second.there("Waits")), (pair.titles_there(), second.titles_there(), count))
    for fault in ("userRateLimit", "rateLimit", "quotaExceeded"):
        google.fault(fault, call="events.insert", part=account)
        pair.put("limited.ics", event("retries-limited", f"Limited {fault}"))
        pair.delete("limited.ics")
        pair.put("new.ics", event(f"retries-{fault}", fault))
        one = until(lambda: (f := failed(pair)) and f[-1]["errorClass"] == "rate_limited" and seconds(f[-1]["startedAt"]) > ground.now() - 10 and f[-1])
        if tally.check(f"403 {fault}: is rate limited", one, failed(pair)[-1:]):
            planned = seconds(one["nextRetryAt"]) - seconds(one["startedAt"])
            tally.check(f"403 {fault}: without a word of when, in a minute", 53 <= planned <= 68, planned)
        ground.forward(70)
        tally.check(f"403 {fault}: and then it is done", until(lambda fault=fault: pair.there(fault)), pair.titles_there())
        pair.settled()
        pair.delete("new.ics")
        until(lambda fault=fault: not pair.there(fault))

    # Refused for good.
    for fault in ("invalid", "forbidden"):
        google.fault(fault, call="events.insert", part=account)
        names = [f"{fault} {n}" for n in range(4)]
        pair.pause()
        for name in names:
            pair.put(f"{name.replace(' ', '-')}.ics", event(f"retries-{name}", name))
        pair.resume()
        tally.check(f"{fault}: one poison event keeps nobody else", until(lambda names=names: len([t for t in pair.titles_there() if t in names]) == 3), pair.titles_there())
        link = pair.settled()
        run = next(r for r in pair.runs() if r["errors"])
        tally.equal(f"{fault}: the run is partial", (run["status"], run["itemsPushed"], run["errors"]), ("partial", 3, 1))
        one = failed(pair)[-1]
        tally.equal(f"{fault}: never tried again", (one["errorClass"], one["nextRetryAt"], one["maxRetriesReached"], one["retryCount"]), ("non_retryable", None, False, 0))
        tally.check(f"{fault}: the status counts what is left alone", link["itemsParked"] >= 1, link)
        ground.forward(15 * 60 + 1)
        pair.step()
        tally.equal(f"{fault}: not by a later run either", len([t for t in pair.titles_there() if t in names]), 3)
        left = next(name for name in names if name not in pair.titles_there())
        pair.put(f"{left.replace(' ', '-')}.ics", event(f"retries-{left}", f"{left} mended"))
        tally.check(f"{fault}: but when it was edited", until(lambda left=left: pair.there(f"{left} mended")), pair.titles_there())
    google.steer("deleteCalendar", calendar="second@group.example.com")
    until(lambda: second.stand()["status"] == "broken" or second.run() is None, 5)
    tally.equal("a calendar that is gone breaks its link", second.stand()["status"], "broken")
    tally.check("and deletes nothing here", "SUMMARY:Waits" in second.text("waits.ics"))
    notices = ground.ask("GET", "/api/schedule/sync/notices")["items"]
    tally.check("its owner is told", any("second" in str(n).lower() for n in notices), notices)
    tally.equal("nothing is doubled", sorted(set(pair.titles_there())), pair.titles_there())


def breaker(tally: Tally, ground: Ground) -> None:
    google = ground.google
    pairs = [ground.pair(f"breaker{n}") for n in range(3)]
    google.fault({"backend": {"status": 503}}, call="events.list", times=None)

    def asked() -> int:
        return google.look("counts").get("events.list", 0)

    count = asked()
    for n in range(9):
        ground.ask("POST", "/api/schedule/sync/sync-now", {"linkId": pairs[n % 3].link})
        ground.ask("POST", "/api/schedule/sync/resume", {"linkId": pairs[n % 3].link})
    until(lambda: asked() >= count + 5)
    tally.check("after five failures the provider is left alone", asked() - count == 5, asked() - count)
    tally.check("and the attempts say so", until(lambda: any("left alone" in a["errorSummary"] for p in pairs for a in failed(p))), [a["errorSummary"] for p in pairs for a in failed(p)])
    count = asked()
    ground.forward(31)
    tally.check("after half a minute one call goes to see", until(lambda: asked() == count + 1), asked() - count)
    ground.forward(31)
    ground.ring()
    tally.equal("it failed: twice as long nobody goes", asked() - count, 1)
    google.mend()
    ground.forward(31)
    tally.check("the next one succeeds", until(lambda: asked() > count + 1), asked() - count)
    ground.forward(15 * 60 + 1)
    tally.check("and everything is well again", until(lambda: all(p.stand()["lastSyncStatus"] == "success" for p in pairs)), [p.stand()["lastSyncStatus"] for p in pairs])


BAD = {
    "wrong JSON": "wrongJson",
    "HTML with 200": "html",
    "half of the body": {"truncate": {"perMille": 500}},
    "50 MB": {"huge": {"bytes": 50 * 1024 * 1024}},
    "a redirect": {"redirect": {"to": "http://127.0.0.1:9/elsewhere"}},
    "an error of the server": {"backend": {"status": 500}},
    "wrong types": "wrongTypes",
    "a type of event nobody knows": "unknownEventType",
    "10,000 attendees": {"manyAttendees": {"count": 10_000}},
    "a rule without instances": "impossibleRecurrence",
    "a deletion that was none": "falseRemoval",
    "no etag": "noEtag",
    "an empty page": {"shortPage": {"entries": 0}},
    "a page twice": "repeatItem",
    "other etags": "newEtags",
}
WHOLE = ("wrong JSON", "HTML with 200", "half of the body", "50 MB", "a redirect", "an error of the server")


def answers(tally: Tally, ground: Ground) -> None:
    google = ground.google
    begin = peak_mib(ground)
    for full in (False, True):
        kind = "full listing" if full else "changes"
        for number, (what, fault) in enumerate(BAD.items()):
            if what == "a deletion that was none" and not full:
                continue  # a delta's word for a deletion is believed: there is nothing else to go by
            name = f"bad{number}{'full' if full else ''}"

            def before(pair: Pair) -> None:
                pair.put("ours.ics", event(f"{pair.slug}-ours", "Ours"))
                for n in range(3):
                    pair.create_there(f"Theirs {n}", recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"] if n == 2 else [])

            pair = ground.pair(name, before=before)
            ids = {e["summary"]: e["id"] for e in pair.events()}
            here, there = pair.titles(), pair.titles_there()
            for n in range(3):
                pair.edit_there(ids[f"Theirs {n}"], location="Elsewhere")
            if full:
                google.steer("expireSyncTokens", calendar=pair.remote)
            google.fault(fault, call="events.list", part=name, skip=1 if full else 0)
            run = pair.run()
            tally.equal(f"{kind}, {what}: nothing is gone here", pair.titles(), here)
            tally.equal(f"{kind}, {what}: nothing is gone there", pair.titles_there(), there)
            tally.equal(f"{kind}, {what}: nothing is cancelled", [a["status"] for a in pair.appointments()], ["confirmed"] * 4)
            tally.equal(f"{kind}, {what}: nothing counts as deleted", run["itemsDeleted"], 0)
            if what in WHOLE:
                tally.check(f"{kind}, {what}: the run failed and says why", run["status"] == "failed" and run["errorSummary"], (run["status"], run["errorSummary"]))
                tally.check(f"{kind}, {what}: without content or address", not any(w in run["errorSummary"] for w in ("Theirs", "127.0.0.1", "example.com")), run["errorSummary"])
            elif what in ("wrong types", "a rule without instances"):
                tally.check(f"{kind}, {what}: one event is left alone, the others are done", run["errors"] >= 1 and run["status"] in ("partial", "success"), run)
            google.mend()
            ground.forward(20)
            pair.edit_there(ids["Theirs 0"], location="Last")
            for n in (1, 2):
                pair.edit_there(ids[f"Theirs {n}"], location="Last")
            pair.step()
            places = {a["title"]: a["location"] for a in pair.appointments()}
            tally.equal(f"{kind}, {what}: the next run makes it good", [places.get(f"Theirs {n}") for n in range(3)], ["Last"] * 3)
            tally.equal(f"{kind}, {what}: nothing is doubled", (pair.titles(), pair.titles_there()), (here, there))
            ground.ask("POST", "/api/schedule/sync/pause", {"linkId": pair.link})
    # Answers to what we write.
    for number, what in enumerate([*WHOLE, "wrong types", "no etag"]):
        pair = ground.pair(f"written{number}")
        for call_name, text in (("events.insert", "Written"), ("events.patch", "Written again")):
            google.fault(BAD[what], call=call_name, part=pair.remote)
            pair.put("w.ics", event(f"{pair.slug}-w", text))
            for _ in range(6):
                if until(lambda text=text, pair=pair: pair.titles_there() == [text] and pair.stand()["itemsWaiting"] == 0, 1.5):
                    break
                ground.forward(20)
            tally.equal(f"answer to {call_name}, {what}: it is there once", pair.titles_there(), [text])
            google.mend()
        pair.step()
        tally.equal(f"answers to writing, {what}: in step", (pair.titles(), pair.titles_there(), pair.conflicts()), (["Written again"], ["Written again"], []))
        pair.pause()
    peak = peak_mib(ground)
    tally.note(f"peak memory: {begin:.0f} MiB before, {peak:.0f} MiB after 50 MB answers and 10,000 attendees")
    tally.check("memory stays bounded", peak < 512, peak)


def recovery(tally: Tally, ground: Ground) -> None:
    """A lost cursor; webhooks in every way; the guard; a preview and what is then done; undo."""
    google = ground.google

    def before(pair: Pair) -> None:
        for n in range(12):
            pair.create_there(f"Theirs {n:02}")
            pair.put(f"ours{n:02}.ics", event(f"{pair.slug}-{n}", f"Ours {n:02}"))

    pair = ground.pair("recovery", before=before)
    whole = pair.titles()
    tally.equal("both sides are in step", (len(whole), pair.titles_there()), (24, whole))

    # A lost cursor: everything is listed, and only what is missing is missing.
    ids = {e["summary"]: e["id"] for e in pair.events()}
    pair.human("delete", id=ids["Theirs 03"])
    pair.edit_there(ids["Theirs 04"], location="Moved")
    google.steer("expireSyncTokens", calendar=pair.remote)
    run = pair.step()
    found = {a["title"]: a for a in pair.appointments()}
    tally.equal("410: the run succeeds", (run["status"], run["itemsPulled"] + run["itemsDeleted"]), ("success", 2))
    tally.equal("410: what changed and what went meanwhile is so here", (found["Theirs 04"]["location"], found["Theirs 03"]["status"]), ("Moved", "cancelled"))
    tally.equal("410: nothing else is touched or doubled", (sorted(found), sum(a["status"] == "cancelled" for a in found.values())), (whole, 1))

    # A series and its exceptions on different pages of a full listing: half of it is not taken for the whole.
    parts = ground.pair("parts")
    series = parts.create_there("Series", recurrence=["RRULE:FREQ=DAILY;COUNT=5"])
    parts.create_there("Single")
    _, second, third, *_ = [e for e in google.look("occurrences", calendar=parts.remote, **{"from": 1803000000000, "to": 1809000000000}) if e.get("recurringEventId") == series]
    parts.edit_there(second["id"], summary="Series, second")
    parts.human("delete", id=third["id"])
    parts.step()
    version = parts.appointment("Series")["version"]
    google.steer("expireSyncTokens", calendar=parts.remote)
    google.fault({"shortPage": {"entries": 1}}, call="events.list", part=parts.remote, skip=1, times=None)
    count = len(parts.requests())
    told = parts.preview()
    tally.equal("parts on several pages: the preview says that nothing is to be done", (told["items"], told["stopped"]), ([], None))
    previewed = len(parts.requests()) - count
    run = parts.step()
    tally.equal("parts on several pages: nothing is done, here or there", (run["status"], run["itemsPulled"], run["itemsPushed"], parts.appointment("Series")["version"]), ("success", 0, 0, version))
    tally.check("parts on several pages: nothing is asked for besides the pages", not [r for r in parts.requests()[count + previewed :] if r["call"] == "events.get"], [r["path"] for r in parts.requests()[count:]])
    google.mend()

    # Push and webhook, with figures.
    took = []
    for n in range(5):
        begin = time.monotonic()
        pair.put("quick.ics", event("recovery-quick", f"Quick {n}"))
        until(lambda n=n: pair.there(f"Quick {n}"))
        took.append(time.monotonic() - begin)
    tally.check("a local change is there within a second", max(took) < 1, took)
    tally.note(f"push: {min(took):.2f} to {max(took):.2f} s")
    pair.delete("quick.ics")
    until(lambda: not any(t.startswith("Quick") for t in pair.titles_there()))
    time.sleep(6)  # our own changes' notifications are gathered and over
    pair.settled()
    begin, lists = time.monotonic(), len(pair.requests("events.list"))
    for n in range(6):
        pair.edit_there(ids["Theirs 05"], location=f"Hooked {n}")
    came = until(lambda: pair.appointment("Theirs 05")["location"] == "Hooked 5")
    took = time.monotonic() - begin
    tally.check("by webhook a remote change is here within six seconds", came and took < 6, took)
    tally.equal("and six notifications are one run", len(pair.requests("events.list")) - lists, 1)
    tally.note(f"webhook: {took:.2f} s")
    pair.settled()

    # Not everybody is believed.
    watch = next(r for r in pair.requests("events.watch"))
    channel = json.loads(watch["body"])
    resource = google.look("channels")
    headers = {"X-Goog-Channel-ID": channel["id"], "X-Goog-Resource-State": "exists", "X-Goog-Resource-ID": "guess", "X-Goog-Channel-Token": channel["token"]}
    hook = f"{ground.server.base}/api/webhooks/google/calendar"
    tally.check("a channel is open", resource["open"] >= 1, resource)
    for what, more in (("another resource", {}), ("another token", {"X-Goog-Channel-Token": "x" * 43}), ("no token", {"X-Goog-Channel-Token": ""}), ("an unknown channel", {"X-Goog-Channel-ID": "01a1feac-0000-7000-8000-000000000000"})):
        status, _ = call("POST", hook, None, headers | more)
        tally.equal(f"a notification with {what} finds nothing", status, 404)

    # Lost, doubled, late; a channel that ends, and one that is gone.
    lists = len(pair.requests("events.list"))
    google.fault("duplicateDelivery")
    pair.edit_there(ids["Theirs 06"], location="Doubled")
    tally.check("doubled: it comes", until(lambda: pair.appointment("Theirs 06")["location"] == "Doubled"))
    tally.equal("doubled: by one run", len(pair.requests("events.list")) - lists, 1)
    google.fault("dropDelivery")
    pair.edit_there(ids["Theirs 07"], location="Dropped")
    tally.check("lost: a notification was to go, and did not", until(lambda: not google.look("faults")), google.look("faults"))
    ground.forward(15 * 60 + 1)
    tally.check("lost: it comes with the schedule", until(lambda: pair.appointment("Theirs 07")["location"] == "Dropped"), pair.stand())
    google.mend()
    opened = lambda: len(pair.requests("events.watch"))  # noqa: E731
    pair.settled()
    count = opened()
    google.steer("dropChannels")
    pair.edit_there(ids["Theirs 08"], location="Silent")
    ground.forward(15 * 60 + 1)
    tally.check("a channel that is gone: polling goes on", until(lambda: pair.appointment("Theirs 08")["location"] == "Silent"))
    tally.check("and another is made", until(lambda: opened() > count), pair.runs(2))
    pair.settled()
    pair.edit_there(ids["Theirs 08"], location="Heard again")
    tally.check("which speaks", until(lambda: pair.appointment("Theirs 08")["location"] == "Heard again", 15))
    pair.settled()
    count, stopped = opened(), google.look("counts").get("channels.stop", 0)
    ground.forward(4 * 24 * 3600)
    pair.step()
    tally.equal("a channel is left alone while it has time", opened(), count)
    ground.forward(2 * 24 * 3600)
    pair.step()
    tally.check("and renewed before it ends", until(lambda: opened() == count + 1), opened() - count)
    tally.check("the old one is stopped", until(lambda: google.look("counts").get("channels.stop", 0) > stopped))

    # The guard, on either side; a preview is what is then done.
    guarded = ground.pair("guarded", before=before)
    for e in guarded.events():
        if e["summary"].startswith("Theirs"):
            guarded.human("delete", id=e["id"])
    kept = [a["status"] for a in guarded.appointments()]
    run = guarded.run()
    stand = guarded.stand()
    tally.equal("the guard stops a run that would remove half", (run["status"], stand["status"]), ("partial", "needs_confirmation"))
    tally.equal("before it removed anything", [a["status"] for a in guarded.appointments()], kept)
    tally.check("and says what it would do", "12 of 24" in stand["statusNote"], stand["statusNote"])
    preview = guarded.preview()
    told = sorted((i["direction"], i["action"], i["appointmentId"]) for i in preview["items"])
    tally.equal("the preview names the twelve", (preview["total"], {t[:2] for t in told}), (12, {("pull", "cancelled")}))
    tally.check("and what stops it", preview["stopped"], preview)
    tally.equal("it changed nothing", ([a["status"] for a in guarded.appointments()], guarded.stand()["status"]), (kept, "needs_confirmation"))
    ground.ask("POST", "/api/schedule/sync/confirm", {"linkId": guarded.link})
    tally.check("confirmed, they are cancelled", until(lambda: sum(a["status"] == "cancelled" for a in guarded.appointments()) == 12), guarded.stand())
    guarded.settled()
    run = next(r for r in (guarded.details(r["syncId"]) for r in guarded.runs()) if r["itemsDeleted"])
    done = sorted((i["direction"], i["action"], i["appointmentId"]) for i in run["items"])
    tally.equal("what was done is what the preview said", done, told)

    # Undo of that run, and of one that pushed.
    undone = ground.ask("POST", f"/api/schedule/sync/history/{run['syncId']}/undo")
    tally.equal("undone, they are as they were", (undone["status"], sorted(a["status"] for a in guarded.appointments())), ("success", ["confirmed"] * 24))
    status, again = ground.api("POST", f"/api/schedule/sync/history/{run['syncId']}/undo")
    tally.check("once", status == 409 or status == 400, (status, again))
    both = ground.pair("undo", before=before)
    both.pause()
    both.put("ours00.ics", event("undo-0", "Renamed here", lines="LOCATION:Here\r\n"))
    both.put("new.ics", event("undo-new", "New here"))
    both.delete("ours01.ics")
    by = {e["summary"]: e["id"] for e in both.events()}
    both.edit_there(by["Theirs 00"], summary="Renamed there")
    both.create_there("New there")
    preview = both.preview()
    both.resume()
    told = sorted((i["direction"], i["action"], i["title"]) for i in preview["items"])
    until(lambda: both.there("Renamed here") and both.titled("Renamed there") and both.titled("New there"))
    both.settled()
    runs = [both.details(r["syncId"]) for r in both.runs() if r["itemsPushed"] + r["itemsPulled"] + r["itemsDeleted"]]
    last = [r for r in runs if any(i["action"] in ("updated", "deleted") for i in r["items"])]
    done = sorted((i["direction"], i["action"]) for r in last for i in r["items"])
    tally.equal("a preview of both ways is what is then done", [t[:2] for t in told], done)
    for run in last:
        tally.equal("undo of it succeeds", ground.ask("POST", f"/api/schedule/sync/history/{run['syncId']}/undo")["status"], "success")
    tally.check("there it is as before", until(lambda: "Ours 00" in both.titles_there() and "Ours 01" in both.titles_there() and "New here" not in both.titles_there()), both.titles_there())
    tally.check("here it is as before", "Theirs 00" in both.titles() and "New there" not in both.titles(), both.titles())
    ground.forward(16 * 60)
    both.step()
    tally.check("and stays so", "Ours 00" in both.titles_there() and "New here" not in both.titles_there() and "New there" not in both.titles(), (both.titles(), both.titles_there()))

    # A client that loses its calendar does not empty the one there.
    emptied = ground.pair("emptied", before=before)
    emptied.pause()
    for name in emptied.client.members(emptied.home):
        emptied.delete(name)
    emptied.resume()
    tally.check("the guard stops a push that would empty the other side", until(lambda: emptied.stand()["status"] == "needs_confirmation"), emptied.stand())
    tally.equal("before anything went", len(emptied.events()), 24)


PARTS = [retries, breaker, answers, recovery]


def main() -> None:
    wanted = sys.argv[1:]
    database = wanted.pop(0) if wanted and wanted[0] in ("sqlite", "postgres") else "sqlite"
    tally = Tally("sync_faults")
    for part in PARTS:
        if wanted and part.__name__ not in wanted:
            continue
        print(f"-- {part.__name__}", flush=True)
        begin = time.monotonic()
        with Ground(database) as ground:
            try:
                part(tally, ground)
            except (AssertionError, KeyError, IndexError, StopIteration, TypeError) as error:
                tally.check(f"{part.__name__} comes to its end", False, f"{type(error).__name__} at line {error.__traceback__.tb_next.tb_lineno}: {error!r}")
            log = ground.server.log()
            tally.check(f"{part.__name__}: the server is alive and did not panic", ground.server.alive() and "panicked" not in log, log[-600:])
            doctor = ground.server.cli("doctor", check=False)
            tally.check(f"{part.__name__}: doctor finds nothing", doctor.returncode == 0, doctor.stdout + doctor.stderr)
        tally.note(f"{part.__name__}: {time.monotonic() - begin:.0f} s")
    tally.finish()


if __name__ == "__main__":
    main()
