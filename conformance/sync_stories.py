"""What users of a sync know as stories, end to end: a real server, a real provider's protocol, both looked at from outside.

Initial sync; create, edit, delete each way; conflicts and every way to decide them, one by one and many at once; selective sync;
privacy (words that may not leave are looked for in every request that the provider recorded); one way only; filters; what a
deletion there does here.

usage: sync_stories.py [sqlite|postgres] [STORY]...
"""

import re
import sys

from sync_ground import Ground, Pair, event, remote_event, unfolded, until
from tally import Tally

SERIES = "RRULE:FREQ=WEEKLY;COUNT=5\r\n"


def initial(tally: Tally, ground: Ground) -> None:
    def before(pair: Pair) -> None:
        pair.create_there("There, single")
        pair.human("create", event={"summary": "There, all day", "start": {"date": "2027-03-05"}, "end": {"date": "2027-03-06"}})
        series = pair.create_there("There, series", recurrence=["RRULE:FREQ=WEEKLY;COUNT=5"])
        found = ground.google.look("occurrences", calendar=pair.remote, **{"from": 1803000000000, "to": 1809000000000})
        _, second, third, *_ = [e for e in found if e.get("recurringEventId") == series]
        pair.edit_there(second["id"], summary="There, moved", location="Elsewhere")
        pair.human("delete", id=third["id"])
        pair.put("single.ics", event("initial-1", "Here, single"))
        pair.put("series.ics", event("initial-2", "Here, series", lines=SERIES + "EXDATE;TZID=Europe/Berlin:20270315T100000\r\n", more=exception("initial-2", "Here, moved")))
        pair.make("Here, typed", appointment_type="one_on_one")

    pair = ground.pair("initial", before=before)
    both = ["Here, series", "Here, single", "Here, typed", "There, all day", "There, series", "There, single"]
    # An exception is an event of its own there, and a part of its series here.
    tally.equal("everything of both sides is there", sorted(e["summary"] for e in pair.events() if "recurringEventId" not in e), both)
    tally.equal("everything of both sides is here", sorted(a["title"] for a in pair.appointments()), both)
    tally.equal("the status counts it", pair.stand()["itemsSynced"], 6)
    text = pair.titled("There, series")
    tally.check("a changed and a deleted occurrence came with their series", "SUMMARY:There, moved" in text and text.count("RECURRENCE-ID") + text.count("EXDATE") == 2, text)
    moved = pair.there("Here, moved")
    tally.check("a changed occurrence went with its series", moved and moved["start"]["dateTime"].startswith("2027-03-08T12:00"), moved)
    count = len(pair.requests())
    run = pair.step()
    tally.equal("a second run changes nothing", (run["status"], run["itemsPushed"], run["itemsPulled"], run["itemsDeleted"]), ("success", 0, 0, 0))
    tally.equal("and costs one request", len(pair.requests()) - count, 1)
    tally.equal("nobody is mailed", ground.google.look("mails"), [])


def exception(uid: str, title: str, of: str = "20270308T100000", at: str = "20270308T120000") -> str:
    return (
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20270101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Berlin:{of}\r\n"
        f"DTSTART;TZID=Europe/Berlin:{at}\r\nDURATION:PT1H\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
    )


def edits(tally: Tally, ground: Ground) -> None:
    pair = ground.pair("edits")

    def arrives(what: str, holds) -> None:
        tally.check(what, until(holds))

    # From here: by a client and by the API.
    pair.put("a.ics", event("edits-a", "Client's"))
    made = pair.make("API's", notes="Two\nlines", location="Hall; the big, one")
    arrives("what a client and the API make is there", lambda: pair.titles_there() == ["API's", "Client's"])
    seen = pair.there("API's")
    tally.equal("with its texts", (seen["description"], seen["location"]), ("Two\nlines", "Hall; the big, one"))
    id = pair.there("Client's")["id"]
    pair.put("a.ics", event("edits-a", "Client's, later", start="20270301T150000", lines="LOCATION:Room\r\n"))
    arrives("an edit follows", lambda: (e := pair.there("Client's, later")) and e["start"]["dateTime"].startswith("2027-03-01T15") and e["location"] == "Room")
    tally.equal("to the same event", pair.there("Client's, later")["id"], id)
    pair.change(made["id"], start="2027-03-04", end="2027-03-06", all_day=True, time_zone=None)
    arrives("a timed one becomes a whole day there", lambda: pair.there("API's")["start"].get("date") == "2027-03-04")
    pair.put("s.ics", event("edits-s", "Series", lines=SERIES))
    arrives("a series is there", lambda: pair.there("Series"))
    pair.put("s.ics", event("edits-s", "Series", lines=SERIES + "EXDATE;TZID=Europe/Berlin:20270315T100000\r\n", more=exception("edits-s", "Series, moved")))
    arrives("a moved occurrence follows", lambda: pair.there("Series, moved"))
    span = {"from": 1803700000000, "to": 1806534000000}

    def occurrences() -> list[str]:
        found = ground.google.look("occurrences", calendar=pair.remote, **span)
        return sorted(e["start"]["dateTime"][:13] for e in found if e["summary"].startswith("Series") and e["status"] != "cancelled")

    tally.equal("each at its time", occurrences(), ["2027-03-01T10", "2027-03-08T12", "2027-03-22T10", "2027-03-29T10"])
    pair.delete("a.ics")
    arrives("what is deleted here is gone there", lambda: not pair.there("Client's, later"))
    pair.delete("s.ics")
    arrives("a series with its exceptions too", lambda: pair.titles_there() == ["API's"])

    # From there.
    there = pair.create_there("Theirs", description="Said there")
    pair.step()
    tally.check("what is made there is here", "DESCRIPTION:Said there" in pair.titled("Theirs"), pair.titles())
    tally.equal("the API tells where it came from", pair.appointment("Theirs")["origin"], "google")
    pair.edit_there(there, summary="Theirs, later", start={"dateTime": "2027-03-02T16:00:00", "timeZone": "Europe/Berlin"}, end={"dateTime": "2027-03-02T17:00:00", "timeZone": "Europe/Berlin"})
    pair.step()
    tally.check("an edit comes", "20270302T160000" in pair.titled("Theirs, later"), pair.titles())
    series = pair.create_there("Their series", recurrence=["RRULE:FREQ=DAILY;COUNT=4"])
    pair.step()
    found = [e for e in ground.google.look("occurrences", calendar=pair.remote, **span) if e.get("recurringEventId") == series]
    pair.edit_there(found[1]["id"], summary="Their second")
    pair.human("delete", id=found[2]["id"])
    pair.step()
    text = pair.titled("Their series")
    tally.check("an occurrence changed and one deleted there are so here", "SUMMARY:Their second" in text and text.count("RECURRENCE-ID") + text.count("EXDATE") == 2, text)
    second = pair.edit_there(found[1]["id"], location="Garden")
    pair.put(name_of(pair, "Their series"), text.replace("SUMMARY:Their series", "SUMMARY:Their series, ours", 1))
    pair.step()
    tally.check("both sides' edits of one series meet", pair.there("Their series, ours") and "LOCATION:Garden" in pair.titled("Their series, ours"), (second, pair.titles_there()))
    pair.human("delete", id=there)
    pair.step()
    tally.check("what is deleted there is cancelled here", "STATUS:CANCELLED" in pair.titled("Theirs, later"), pair.titled("Theirs, later"))
    tally.equal("nothing is doubled here", sorted(set(pair.titles())), pair.titles())
    tally.equal("nobody is mailed", ground.google.look("mails"), [])


def name_of(pair: Pair, title: str) -> str:
    return next(name for name, text in pair.texts().items() if f"\r\nSUMMARY:{title}\r\n" in text)


def quarrel(pair: Pair, titles: list[str]) -> dict[str, str]:
    """Events of these titles, edited on both sides at once: title and place differ, the notes changed there only."""
    for title in titles:
        pair.put(f"{title}.ics", event(f"{pair.slug}-{title}", title, lines="LOCATION:Base\r\n"))
    until(lambda: len(pair.events()) >= len(titles))
    pair.settled()
    ids = {title: pair.there(title)["id"] for title in titles}
    pair.pause()
    for title in titles:
        pair.put(f"{title}.ics", event(f"{pair.slug}-{title}", f"{title} ours", lines="LOCATION:Ours\r\n"))
        pair.edit_there(ids[title], summary=f"{title} theirs", location="Theirs", description="Only there")
    pair.resume()
    assert until(lambda: len(pair.conflicts()) >= len(titles)), (pair.conflicts(), pair.runs(2))
    return ids


def conflicts(tally: Tally, ground: Ground) -> None:
    pair = ground.pair("conflicts")
    names = ["platform", "external", "merge", "recent"]
    ids = quarrel(pair, names)
    open_ones = {next(t for t in names if ids[t] == c["externalEventId"]): c for c in pair.conflicts()}
    tally.equal("each simultaneous edit is a conflict", sorted(open_ones), sorted(names))
    one = open_ones["merge"]
    tally.equal("of its type, with its fields", (one["conflictType"], sorted(one["fields"])), ("data_mismatch", ["location", "title"]))
    tally.check("the fields tell both sides", "merge ours" in str(one["fields"]["title"]) and "merge theirs" in str(one["fields"]["title"]), one["fields"])
    tally.check("both sides are left alone", all(f"SUMMARY:{t} ours" in pair.text(f"{t}.ics") and pair.there(f"{t} theirs") for t in names), pair.titles_there())
    pair.put("free.ics", event("conflicts-free", "Unconcerned"))
    tally.check("everything else goes on", until(lambda: pair.there("Unconcerned")))
    tally.equal("the status counts them", pair.stand()["openConflicts"], 4)

    def resolve(title: str, resolution: str, **more: object) -> None:
        answer = ground.ask("POST", "/api/schedule/sync/resolve-conflict", {"conflictId": open_ones[title]["conflictId"], "resolution": resolution, **more})
        tally.equal(f"{resolution} is taken", (answer["success"], answer["results"][0]["status"]), (True, "resolved"))

    def are(title: str, resolution: str, summary: str, location: str) -> None:
        def same() -> bool:
            there = pair.there(summary)
            text = unfolded(pair.text(f"{title}.ics"))
            return there and there.get("location") == location and f"SUMMARY:{summary}\r\n" in text and f"LOCATION:{location}\r\n" in text

        tally.check(f"{resolution}: both sides say {summary} at {location}", until(same), (pair.text(f"{title}.ics"), pair.there(f"{title} ours"), pair.there(f"{title} theirs")))
        tally.check(f"{resolution}: what only one side changed is kept", "DESCRIPTION:Only there" in unfolded(pair.text(f"{title}.ics")), pair.text(f"{title}.ics"))
        tally.equal(f"{resolution}: to the same event", [e["id"] for e in pair.events() if e.get("summary") == summary], [ids[title]])

    resolve("platform", "keep_platform")
    are("platform", "keep_platform", "platform ours", "Ours")
    resolve("external", "keep_external")
    are("external", "keep_external", "external theirs", "Theirs")
    resolve("merge", "merge", choices={"title": "platform", "location": "external"})
    are("merge", "merge", "merge ours", "Theirs")
    pair.edit_there(ids["recent"], description="Only there")  # nothing new, but later than ours by the provider's clock
    resolve("recent", "most_recent")
    are("recent", "most_recent", "recent theirs", "Theirs")
    status, again = ground.api("POST", "/api/schedule/sync/resolve-conflict", {"conflictId": one["conflictId"], "resolution": "keep_external"})
    tally.check("a conflict is decided once", status == 409, (status, again))
    done = {c["conflictId"]: c for c in pair.conflicts("resolved")}
    tally.equal("who decided how is kept", [(done[open_ones[t]["conflictId"]]["resolution"], done[open_ones[t]["conflictId"]]["resolvedBy"]) for t in names], [("keep_platform", "ada"), ("keep_external", "ada"), ("merge", "ada"), ("most_recent", "ada")])
    run = pair.step()
    tally.equal("and nothing is open or left to do", (pair.conflicts(), run["itemsPushed"], run["itemsPulled"]), ([], 0, 0))

    # Times, and a deletion against an edit.
    pair.pause()
    pair.put("free.ics", event("conflicts-free", "Unconcerned", start="20270301T140000"))
    free = pair.there("Unconcerned")["id"]
    pair.edit_there(free, **{k: v for k, v in remote_event("", day="2027-03-03").items() if k != "summary"})
    pair.human("delete", id=ids["platform"])
    pair.put("platform.ics", event("conflicts-platform", "platform again"))
    pair.human("delete", id=ids["external"])
    pair.put("external.ics", event("conflicts-external", "external again"))
    pair.resume()
    kinds = until(lambda: len(c := pair.conflicts()) == 3 and {c["externalEventId"]: c for c in c})
    if not tally.check("times and deletions are conflicts of their own", kinds, pair.conflicts()):
        return
    tally.equal("of their types", [kinds[id]["conflictType"] for id in (free, ids["platform"], ids["external"])], ["time_change", "deleted", "deleted"])
    decide = [(free, "keep_external"), (ids["platform"], "keep_platform"), (ids["external"], "keep_external")]
    ground.ask("POST", "/api/schedule/sync/resolve-conflict", {"conflicts": [{"conflictId": kinds[id]["conflictId"], "resolution": how} for id, how in decide]})
    tally.check("the time of the other side is taken", until(lambda: "DTSTART;TZID=Europe/Berlin:20270303T090000" in pair.text("free.ics")), pair.text("free.ics"))
    tally.check("an edit that is kept is there again", until(lambda: [e["id"] for e in pair.events() if e.get("summary") == "platform again"] == [ids["platform"]]), pair.titles_there())
    tally.check("a deletion that is kept holds here", until(lambda: "STATUS:CANCELLED" in pair.text("external.ics") or not pair.text("external.ics") or not pair.there("external again")), pair.text("external.ics"))
    tally.equal("nothing is open", until(lambda: not pair.conflicts()), True)


def bulk(tally: Tally, ground: Ground) -> None:
    pair = ground.pair("bulk")
    names = [f"bulk{n}" for n in range(8)]
    ids = quarrel(pair, names)
    by_id = {c["externalEventId"]: c["conflictId"] for c in pair.conflicts()}
    first, second = names[:5], names[5:]
    answer = ground.ask("POST", "/api/schedule/sync/resolve-conflict", {"conflictIds": [by_id[ids[t]] for t in first], "resolution": "keep_external"})
    tally.equal("five are decided alike by one request", (answer["success"], len(answer["results"])), (True, 5))
    how = [("keep_platform", {}), ("merge", {"title": "external", "location": "platform"}), ("keep_external", {})]
    body = [{"conflictId": by_id[ids[t]], "resolution": r, "choices": c} for t, (r, c) in zip(second, how, strict=True)]
    answer = ground.ask("POST", "/api/schedule/sync/resolve-conflict", {"conflicts": body})
    tally.equal("three each in its own way", [r["status"] for r in answer["results"]], ["resolved"] * 3)
    wanted = sorted([f"{t} theirs" for t in first] + ["bulk5 ours", "bulk6 theirs", "bulk7 theirs"])
    tally.check("all are so there", until(lambda: pair.titles_there() == wanted), pair.titles_there())
    tally.check("all are so here", until(lambda: pair.titles() == wanted), pair.titles())
    tally.equal("a merge took each field from its side", pair.there("bulk6 theirs")["location"], "Ours")
    tally.equal("none is open", (pair.conflicts(), pair.stand()["openConflicts"]), ([], 0))
    # Policies decide without anybody, and what was overwritten is kept in the record.
    for policy, title in (("keep_platform", "ours"), ("keep_external", "theirs"), ("most_recent", "theirs")):
        pair.set(conflictPolicy={"policy": policy})
        pair.put("p.ics", event(f"bulk-{policy}", policy))
        until(lambda policy=policy: pair.there(policy))
        pair.settled()
        id = pair.there(policy)["id"]
        pair.pause()
        pair.put("p.ics", event(f"bulk-{policy}", f"{policy} ours"))
        pair.edit_there(id, summary=f"{policy} theirs")
        pair.resume()
        tally.check(f"policy {policy}: both sides say {title}", until(lambda policy=policy, title=title: pair.there(f"{policy} {title}") and f"SUMMARY:{policy} {title}\r\n" in pair.text("p.ics")), pair.titles_there())
        tally.equal(f"policy {policy}: nothing waits", pair.conflicts(), [])
        pair.delete("p.ics")
        until(lambda policy=policy: not any(t.startswith(policy) for t in pair.titles_there()))


def leaks(ground: Ground, words: list[str]) -> list[str]:
    """Which of the words went out in whatever request the provider saw: path, headers or body."""
    found = []
    for request in ground.google.requests():
        whole = f"{request['path']} {request['headers']} {request['body']}".lower()
        found += [f"{word} in {request['call']}" for word in words if word.lower() in whole]
    return found


def selective(tally: Tally, ground: Ground) -> None:
    def before(pair: Pair) -> None:
        pair.make("Lesson", appointment_type="one_on_one")
        pair.make("Taintclass before", appointment_type="group_class", notes="Tainttext", location="Taintplace")
        pair.put("untyped.ics", event("taintuid", "Taintuntyped"))

    pair = ground.pair("selective", before=before, filters={"appointmentTypes": ["one_on_one"]})
    tally.equal("only one_on_one goes out", pair.titles_there(), ["Lesson"])
    taught = pair.make("Taintclass after", appointment_type="group_class", client_id="taintclient", categories=["Taintcategory"])
    pair.change(taught["id"], title="Taintclass edited")
    series = pair.make("Taintclass series", appointment_type="group_class", recurrence={"rrule": ["FREQ=DAILY;COUNT=3"]})
    pair.change(series["id"], notes="Taintnotes")
    pair.step()
    tally.equal("edits and series of a group class stay here", pair.titles_there(), ["Lesson"])
    lesson = pair.appointment("Lesson")
    id = pair.there("Lesson")["id"]
    pair.change(lesson["id"], appointment_type="group_class")
    tally.check("what becomes a group class is withdrawn", until(lambda: not pair.titles_there()), pair.titles_there())
    pair.change(lesson["id"], title="Tainted meanwhile")
    pair.step()
    tally.equal("and stays here with its edits", pair.titles_there(), [])
    pair.change(lesson["id"], title="Lesson again", appointment_type="one_on_one")
    tally.check("what becomes one_on_one again is there again", until(lambda: pair.titles_there() == ["Lesson again"]), pair.titles_there())
    tally.equal("as the same event, once", [e["id"] for e in pair.events()], [id])
    pair.edit_there(id, location="Theirs")
    pair.step()
    tally.equal("and in step", pair.appointment("Lesson again")["location"], "Theirs")
    tally.equal("no word of a group class left", leaks(ground, ["taint"]), [])


PRIVATE_LINES = (
    "CLASS:PRIVATE\r\nLOCATION:Secretplace\r\nDESCRIPTION:Secrettext\r\nCATEGORIES:Secretcategory\r\nURL:https://secreturl.example/\r\n"
    "X-SECRETPROP:Secretx\r\nATTENDEE;CN=Secretname:mailto:secretmail@example.org\r\nORGANIZER:mailto:secretorganizer@example.org\r\n"
    "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Secretalarm\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n"
)


def private(tally: Tally, ground: Ground) -> None:
    def before(pair: Pair) -> None:
        pair.put("secret.ics", event("secretuid", "Secrettitle", lines=PRIVATE_LINES))
        pair.make("Open one")

    kept = ground.pair("excluded", before=before)
    tally.equal("a private appointment stays here", kept.titles_there(), ["Open one"])
    kept.put("secret.ics", event("secretuid", "Secretedit", lines=PRIVATE_LINES))
    kept.make("Secretapi", private=True)
    kept.step()
    tally.equal("edited or made by the API too", kept.titles_there(), ["Open one"])
    tally.equal("no word of it left", leaks(ground, ["secret" + w for w in ("title", "edit", "api", "text", "place", "uid", "category", "url", "prop", "x", "name", "mail", "organizer", "alarm")]), [])

    masked = ground.pair("masked", before=before, privacy="mask_private")
    tally.equal("masked, it is there as busy", masked.titles_there(), ["Busy", "Open one"])
    busy = masked.there("Busy")
    tally.check("with its time and nothing else", busy["start"]["dateTime"].startswith("2027-03-01T10:00") and not {"location", "description", "attendees"} & set(busy), busy)
    masked.put("secret.ics", event("secretuid", "Secretedit", start="20270301T180000", lines=PRIVATE_LINES + SERIES, more=exception("secretuid", "Secretexception").replace("T100000", "T180000")))
    tally.check("a new time follows", until(lambda: any(e["start"]["dateTime"].startswith("2027-03-01T18") for e in masked.events() if e["summary"] == "Busy")), masked.events())
    masked.settled()
    before_text = unfolded(masked.text("secret.ics"))
    series = next(e for e in masked.events() if e.get("recurrence"))
    masked.edit_there(series["id"], summary="Guess", location="Somewhere")
    masked.step()
    text = unfolded(masked.text("secret.ics"))
    tally.check("what is written over the mask there changes nothing here", "SUMMARY:Secretedit" in text and "LOCATION:Secretplace" in text, text)
    tally.equal("not a line of it", sorted(x for x in text.split("\r\n") if "SECRET" in x.upper()), sorted(x for x in before_text.split("\r\n") if "SECRET" in x.upper()))
    masked.set(privacy="exclude_private")
    tally.check("excluded from now on, it is withdrawn", until(lambda: masked.titles_there() == ["Open one"]), masked.titles_there())
    masked.set(privacy="mask_private")
    tally.check("masked again, it is there again", until(lambda: "Busy" in masked.titles_there()), masked.titles_there())
    tally.equal("no word of it ever left", leaks(ground, ["secret" + w for w in ("title", "edit", "exception", "text", "place", "uid", "category", "url", "prop", "x", "name", "mail", "organizer", "alarm")]), [])
    log = ground.server.log()
    tally.check("nor is one in the log", not re.search("secret(title|edit|text|place|mail|alarm)", log.lower()), "")


def one_way(tally: Tally, ground: Ground) -> None:
    def before(pair: Pair) -> None:
        pair.create_there("Theirs")
        pair.put("ours.ics", event(f"{pair.slug}-ours", "Ours"))

    out = ground.pair("push", before=before, direction="push")
    tally.equal("push: ours is there", out.titles_there(), ["Ours", "Theirs"])
    tally.equal("push: theirs is not here", out.titles(), ["Ours"])
    out.edit_there(out.there("Ours")["id"], summary="Overwritten", location="There")
    out.create_there("Theirs, new")
    out.step()
    tally.check("push: an edit there is taken back", until(lambda: out.titles_there() == ["Ours", "Theirs", "Theirs, new"]), out.titles_there())
    tally.equal("push: nothing came here", out.titles(), ["Ours"])
    out.human("delete", id=out.there("Ours")["id"])
    out.step()
    tally.check("push: ours is never deleted from there", "SUMMARY:Ours" in out.text("ours.ics"), out.text("ours.ics"))
    out.delete("ours.ics")
    tally.check("push: theirs are left alone for ever", until(lambda: out.titles_there() == ["Theirs", "Theirs, new"]), out.titles_there())

    into = ground.pair("pull", before=before, direction="pull")
    tally.equal("pull: theirs is here", into.titles(), ["Ours", "Theirs"])
    name = name_of(into, "Theirs")
    into.put(name, into.text(name).replace("SUMMARY:Theirs", "SUMMARY:Changed here"))
    into.put("more.ics", event("pull-more", "More of ours"))
    into.edit_there(into.there("Theirs")["id"], location="There")
    into.step()
    tally.equal("pull: nothing went there", into.titles_there(), ["Theirs"])
    tally.check("pull: changes there go on coming", "LOCATION:There" in unfolded(into.text(name)), into.text(name))
    into.delete(name)
    into.step()
    tally.equal("pull: nor does a deletion", into.titles_there(), ["Theirs"])
    wrote = [r["call"] for r in into.requests("events.") if r["call"] not in ("events.list", "events.get", "events.watch", "events.instances")]
    tally.equal("pull: not one request that writes", wrote, [])


def filters(tally: Tally, ground: Ground) -> None:
    pair = ground.pair("filters")
    made = {t: pair.make(t, start=f"2027-0{n}-01T10:00:00", end=f"2027-0{n}-01T11:00:00", client_id=f"client{n}", categories=[f"Category{n}"]) for n, t in enumerate(("One", "Two", "Three"), 1)}
    tally.check("without filters all are there", until(lambda: pair.titles_there() == ["One", "Three", "Two"]), pair.titles_there())
    ids = {e["summary"]: e["id"] for e in pair.events()}

    def narrowed(what: str, wanted: list[str], **filters: object) -> None:
        pair.set(filters=filters)
        tally.check(f"{what}: what does not match is withdrawn", until(lambda: pair.titles_there() == sorted(wanted)), pair.titles_there())
        tally.equal(f"{what}: and stays here", pair.titles(), ["One", "Three", "Two"])
        pair.set(filters={})
        tally.check(f"{what}: what matches again is there again", until(lambda: pair.titles_there() == ["One", "Three", "Two"]), pair.titles_there())
        tally.equal(f"{what}: as the same events, once", {e["summary"]: e["id"] for e in pair.events()}, ids)

    narrowed("clients", ["Two"], clientIds=["client2"])
    narrowed("dates", ["Two", "Three"], **{"from": "2027-01-15T00:00:00Z"})
    narrowed("dates until", ["One"], until="2027-01-15T00:00:00Z")
    narrowed("categories", ["Three"], categories=["Category3"])
    narrowed("one put in", ["One", "Three"], clientIds=["client1"], include=[made["Three"]["id"]])
    narrowed("one taken out", ["One", "Three"], exclude=[made["Two"]["id"]])
    narrowed("rule", ["One", "Two"], rules=[{"field": "title", "operator": "not_contains", "value": "three"}])
    pair.set(fieldMapping={"title": "{client_id}: {title}"})
    tally.check("a template makes the titles there", until(lambda: pair.titles_there() == ["client1: One", "client2: Two", "client3: Three"]), pair.titles_there())
    pair.edit_there(ids["Two"], location="There")
    pair.step()
    tally.equal("and none here", [a["title"] for a in pair.appointments() if a["location"] == "There"], ["Two"])
    pair.set(fieldMapping={}, syncNotes=False)
    pair.change(made["One"]["id"], notes="Not for them")
    tally.check("without a template they are as here", until(lambda: pair.titles_there() == ["One", "Three", "Two"]), pair.titles_there())
    pair.step()
    tally.equal("notes that are not wanted stay here", [e.get("description") for e in pair.events()], [None, None, None])


def deletions(tally: Tally, ground: Ground) -> None:
    pairs = {policy: ground.pair(f"delete-{policy.replace('_', '-')}", deletePolicy=policy) for policy in ("cancel", "mark_external_removed", "delete")}
    for policy, pair in pairs.items():
        pair.put("ours.ics", event(f"{pair.slug}-ours", "Ours"))
        pair.put("rest.ics", event(f"{pair.slug}-rest", "Rest"))
        pair.create_there("Theirs")
        pair.step()
        until(lambda pair=pair: pair.titles_there() == ["Ours", "Rest", "Theirs"])
        ours, theirs = pair.appointment("Ours"), pair.appointment("Theirs")
        for title in ("Ours", "Theirs"):
            pair.human("delete", id=pair.there(title)["id"])
        run = pair.step()
        found = {a["title"]: a for a in pair.appointments()}
        if policy == "cancel":
            tally.equal("cancel: they are kept as cancelled", [found[t]["status"] for t in ("Ours", "Theirs")], ["cancelled"] * 2)
        elif policy == "mark_external_removed":
            tally.equal("mark: they are kept as they were", [found[t]["status"] for t in ("Ours", "Theirs")], ["confirmed"] * 2)
            notes = [i["note"] for i in run["items"] if i["action"] == "kept"]
            tally.equal("mark: and the record says that they are gone there", notes, ["gone there"] * 2)
        else:
            tally.equal("delete: they are gone", sorted(found), ["Rest"])
            for one in (ours, theirs):
                status, back = ground.api("POST", f"/api/appointments/{one['id']}/restore", {})
                tally.check(f"delete: {one['title']} can be restored", status in (200, 201), (status, back))
            tally.check("delete: what is restored is there again", until(lambda pair=pair: pair.titles_there() == ["Ours", "Rest", "Theirs"]), pair.titles_there())
            continue
        tally.equal(f"{policy}: nothing is sent back there", pair.titles_there(), ["Rest"])
        pair.step()
        tally.equal(f"{policy}: also not later", pair.titles_there(), ["Rest"])
    tally.equal("the rest is untouched", [p.appointment("Rest")["status"] for p in pairs.values()], ["confirmed"] * 3)


STORIES = [initial, edits, conflicts, bulk, selective, private, one_way, filters, deletions]


def main() -> None:
    wanted = sys.argv[1:]
    database = wanted.pop(0) if wanted and wanted[0] in ("sqlite", "postgres") else "sqlite"
    tally = Tally("sync_stories")
    for story in STORIES:
        if wanted and story.__name__ not in wanted:
            continue
        print(f"-- {story.__name__}", flush=True)
        with Ground(database) as ground:
            try:
                story(tally, ground)
            except (AssertionError, KeyError, IndexError, StopIteration, TypeError) as error:
                tally.check(f"{story.__name__} comes to its end", False, f"{type(error).__name__} at line {error.__traceback__.tb_next.tb_lineno}: {error!r}")
            log = ground.server.log()
            tally.check(f"{story.__name__}: the server is alive and did not panic", ground.server.alive() and "panicked" not in log, log[-600:])
            status, doctor = 0, ground.server.cli("doctor", check=False)
            tally.check(f"{story.__name__}: doctor finds nothing", doctor.returncode == status, doctor.stdout + doctor.stderr)
    tally.finish()


if __name__ == "__main__":
    main()
