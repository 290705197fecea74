"""The same random requests to Kalends, Radicale and Xandikos: what is stored and what is found is compared.

Each step goes to all three: objects put, changed, deleted, and questions (list, multiget, time ranges, kinds, properties,
first sync). Every kind of difference is in expect/differential.toml with the RFC that says who is right; one that is not
listed fails, and so does one that is listed and no longer seen.

usage: differential.py [SEED…]
"""

import random
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import requests

import peers
from server import USERS, Server
from tally import Tally

EXPECT = Path(__file__).resolve().parent / "expect" / "differential.toml"
SEEDS = range(1, 13)
STEPS = 60
C, D = "{urn:ietf:params:xml:ns:caldav}", "{DAV:}"
NAMES = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'"


class Peer:
    """One server and a calendar on it."""

    def __init__(self, name: str, home: str, user: str, password: str) -> None:
        self.name, self.session = name, requests.Session()
        self.session.auth = (user, password)
        self.session.trust_env = False
        self.home, self.calendar = home, ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> requests.Response:
        headers = {"Content-Type": "text/calendar" if method == "PUT" else "application/xml"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.session.request(method, path, data=body.encode(), headers=headers, timeout=30, allow_redirects=False)

    def begin(self, name: str) -> None:
        self.calendar = f"{self.home}{name}/"
        # Without a body: Xandikos answers a plain one with 207 and makes no calendar.
        reply = self.session.request("MKCALENDAR", self.calendar, timeout=30)
        if reply.status_code != 201:
            raise SystemExit(f"{self.name} makes no calendar: {reply.status_code} {reply.text[:200]}")

    def found(self, reply: requests.Response) -> dict[str, str] | str:
        """Name → calendar data (or nothing) of what a multistatus finds; a status where it is none."""
        if reply.status_code != 207:
            return f"status {reply.status_code}"
        names = {}
        for response in ElementTree.fromstring(reply.content).findall(f"{D}response"):
            name = unquote(response.findtext(f"{D}href", "")).rstrip("/").rsplit("/", 1)[-1]
            status = response.findtext(f"{D}status") or ""
            if not name.endswith(".ics") or " 404" in status:
                continue
            names[name] = response.findtext(f".//{C}calendar-data") or ""
        return names


def event(dice: random.Random, uid: str) -> str:
    day = dice.randint(1, 28)
    start = dice.choice([
        f"DTSTART:202606{day:02}T{dice.randint(0, 23):02}0000Z\nDURATION:PT1H",
        f"DTSTART;TZID=Europe/Berlin:202606{day:02}T{dice.randint(0, 23):02}0000\nDTEND;TZID=Europe/Berlin:202607{day:02}T100000",
        f"DTSTART;VALUE=DATE:202606{day:02}",
        f"DTSTART;VALUE=DATE:202606{day:02}\nDTEND;VALUE=DATE:202607{day:02}",
        f"DTSTART:202606{day:02}T120000Z",
        f"DTSTART:202606{day:02}T{dice.randint(0, 23):02}0000Z\nDTEND:202607{day:02}T110000Z",
    ])  # fmt: skip
    rule = dice.choice(["", "", "RRULE:FREQ=DAILY;COUNT=5\n", "RRULE:FREQ=WEEKLY\n", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3\n"])
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT15M\nEND:VALARM\n" if dice.random() < 0.3 else ""
    more = dice.choice(["", "LOCATION:Studio\n", "CATEGORIES:Music,Kids\n", "STATUS:TENTATIVE\n", "X-OWN:1\n"])
    return part("VEVENT", f"UID:{uid}\nDTSTAMP:20260101T000000Z\n{start}\n{rule}SUMMARY:{dice.choice(WORDS)}\n{more}{alarm}")


def todo(dice: random.Random, uid: str) -> str:
    day = dice.randint(1, 28)
    times = dice.choice(["", f"DUE:202606{day:02}T120000Z\n", f"DTSTART:202606{day:02}T100000Z\nDUE:202606{day:02}T120000Z\n"])
    return part("VTODO", f"UID:{uid}\nDTSTAMP:20260101T000000Z\nSUMMARY:{dice.choice(WORDS)}\n{times}")


WORDS = ["Piano", "piano lesson", "Violin", "Ärger", "STUDIO"]
BERLIN = (
    "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19961027T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n"
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:19810329T020000\nTZOFFSETFROM:+0100\n"
    "TZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
)


def part(kind: str, lines: str) -> str:
    zone = BERLIN if "Europe/Berlin" in lines else ""
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//judge//EN\n{zone}BEGIN:{kind}\n{lines}END:{kind}\nEND:VCALENDAR\n"
    return text.replace("\n", "\r\n")


def query(inside: str, data: str = "") -> str:
    return (
        f"<C:calendar-query {NAMES}><D:prop><D:getetag/>{data}</D:prop><C:filter><C:comp-filter name='VCALENDAR'>{inside}"
        "</C:comp-filter></C:filter></C:calendar-query>"
    )


def questions(dice: random.Random) -> tuple[str, str]:
    """A kind of question and its body."""
    day = dice.randint(1, 27)
    kind = dice.choice(["VEVENT", "VEVENT", "VTODO"])
    start, end = f"202606{day:02}T{dice.randint(0, 23):02}0000Z", f"202606{day + 1:02}T{dice.randint(0, 23):02}0000Z"
    span = f"<C:time-range start='{start}' end='{end}'/>"
    comp = f"<C:comp-filter name='{kind}'>{{}}</C:comp-filter>"
    word = dice.choice(["piano", "PIANO", "violin", "studio", "ärger"])
    text = f"<C:prop-filter name='SUMMARY'><C:text-match{{}}>{word}</C:text-match></C:prop-filter>"
    return dice.choice([
        (f"{kind} by time", query(comp.format(span))),
        (f"{kind} all", query(comp.format(""))),
        (f"{kind} by text", query(comp.format(text.format("")))),
        (f"{kind} by text, octets", query(comp.format(text.format(" collation='i;octet'")))),
        (f"{kind} by text, negated", query(comp.format(text.format(" negate-condition='yes'")))),
        (f"{kind} without LOCATION", query(comp.format("<C:prop-filter name='LOCATION'><C:is-not-defined/></C:prop-filter>"))),
        (f"{kind} with CATEGORIES", query(comp.format("<C:prop-filter name='CATEGORIES'/>"))),
        (f"{kind} with alarm", query(comp.format("<C:comp-filter name='VALARM'/>"))),
        ("VEVENT expanded", query(f"<C:comp-filter name='VEVENT'>{span}</C:comp-filter>", f"<C:calendar-data><C:expand start='{start}' end='{end}'/></C:calendar-data>")),
    ])  # fmt: skip


def instances(data: str) -> list[str]:
    """When what an expansion gives starts."""
    return sorted(re.findall(r"BEGIN:VEVENT.*?DTSTART(?:;[^:]*)?:(\w+)", data.replace("\r", ""), re.S))


def shown(question: str, answer: dict[str, str] | str) -> object:
    if isinstance(answer, str):
        return answer
    return {name: instances(data) for name, data in sorted(answer.items())} if "expanded" in question else sorted(answer)


class Known:
    def __init__(self) -> None:
        self.entries = tomllib.loads(EXPECT.read_text())["difference"]
        self.seen: set[int] = set()
        for entry in self.entries:
            lacking = {"peer", "question", "what", "rfc", "right"} - entry.keys()
            if lacking:
                raise SystemExit(f"{EXPECT}: {entry} lacks {sorted(lacking)}")

    def holds(self, peer: str, question: str, detail: str) -> bool:
        for number, entry in enumerate(self.entries):
            fits = entry["peer"] == peer and re.fullmatch(entry["question"], question) and re.search(entry.get("shows", ""), detail)
            if fits:
                self.seen.add(number)
                return True
        return False


def detail(ours: object, theirs: object, texts: dict[str, str]) -> str:
    """What one finds and the other does not, with the lines that matter."""
    if isinstance(ours, str) or isinstance(theirs, str):
        return f"ours {ours!r:.80} theirs {theirs!r:.80}"

    def lines(name: str) -> str:
        keep = ("DTSTART", "DTEND", "DURATION", "DUE", "RRULE", "SUMMARY", "LOCATION", "CATEGORIES", "BEGIN:VALARM")
        text = texts.get(name, "").split("END:VTIMEZONE")[-1]
        return " ".join(line for line in text.split("\r\n") if line.startswith(keep))

    if isinstance(ours, dict) and isinstance(theirs, dict):
        differing = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
        return "; ".join(f"[{lines(name)}] ours {ours.get(name)} theirs {theirs.get(name)}" for name in differing[:4])
    only_ours, only_theirs = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    return "; ".join([*(f"only ours [{lines(n)}]" for n in only_ours[:4]), *(f"only theirs [{lines(n)}]" for n in only_theirs[:4])])


def differ(tally: Tally, known: Known, peer: Peer, seed: int, question: str, ours: object, theirs: object, texts: dict[str, str]) -> None:
    if ours == theirs:
        tally.check(question, True)
        return
    told = detail(ours, theirs, texts)
    tally.check(f"{peer.name}, seed {seed}: {question}", known.holds(peer.name, question, told), told)


def sequence(tally: Tally, known: Known, ours: Peer, others: list[Peer], seed: int) -> None:
    dice = random.Random(seed)
    everybody = [ours, *others]
    for peer in everybody:
        peer.begin(f"seq{seed}")
    texts: dict[str, str] = {}
    for step in range(STEPS):
        act = dice.random()
        if act < 0.35 or len(texts) < 3:
            name = f"{seed}-{step}.ics"
            text = (event if dice.random() < 0.75 else todo)(dice, f"u{seed}-{step}")
            replies = [peer.ask("PUT", peer.calendar + name, text, If_None_Match="*") for peer in everybody]
            question = "PUT new"
            texts[name] = text
        elif act < 0.45:
            name = dice.choice(sorted(texts))
            make = event if "BEGIN:VEVENT" in texts[name] else todo
            text = make(dice, re.search(r"UID:(\S+)", texts[name]).group(1))
            replies = [peer.ask("PUT", peer.calendar + name, text) for peer in everybody]
            question, texts[name] = "PUT changed", text
        elif act < 0.52:
            name = dice.choice(sorted(texts))
            replies = [peer.ask("DELETE", peer.calendar + name) for peer in everybody]
            question = "DELETE"
            del texts[name]
        elif act < 0.58:
            name = dice.choice(sorted(texts))
            text = part("VEVENT", f"UID:other\nDTSTAMP:20260101T000000Z\nDTSTART:20260601T100000Z\nSUMMARY:x\n")
            replies = [peer.ask("PUT", peer.calendar + name, text, If_None_Match="*") for peer in everybody]
            question = "PUT new over what is there"
        elif act < 0.64:
            name = dice.choice(sorted(texts))
            uid = re.search(r"UID:(\S+)", texts[name]).group(1)
            text = part("VEVENT", f"UID:{uid}\nDTSTAMP:20260101T000000Z\nDTSTART:20260601T100000Z\nSUMMARY:x\n")
            replies = [peer.ask("PUT", f"{peer.calendar}again-{name}", text, If_None_Match="*") for peer in everybody]
            question = "PUT of a UID that is elsewhere"
            for peer, reply in zip(everybody, replies, strict=True):
                if reply.ok:  # put right, so that the sequence goes on alike
                    peer.ask("DELETE", f"{peer.calendar}again-{name}")
        elif act < 0.7:
            name = dice.choice(sorted(texts))
            replies = [peer.ask("GET", peer.calendar + name) for peer in everybody]
            for peer, reply in zip(everybody, replies, strict=True):
                kept = "kept" if reply.text.replace("\r\n", "\n") == texts[name].replace("\r\n", "\n") else "rewritten"
                differ(tally, known, peer, seed, "GET", "kept", kept, {}) if peer is not ours else tally.equal("we keep what we get", kept, "kept")
            question = "GET"
        elif act < 0.75:
            body = f"<D:sync-collection {NAMES}><D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
            answers = [shown("", peer.found(peer.ask("REPORT", peer.calendar, body))) for peer in everybody]
            tally.equal("a first sync lists what is there", answers[0], sorted(texts))
            for peer, answer in zip(others, answers[1:], strict=True):
                differ(tally, known, peer, seed, "first sync", answers[0], answer, texts)
            continue
        else:
            question, body = questions(dice)
            answers = [shown(question, peer.found(peer.ask("REPORT", peer.calendar, body, Depth="1"))) for peer in everybody]
            for peer, answer in zip(others, answers[1:], strict=True):
                differ(tally, known, peer, seed, question, answers[0], answer, texts)
            continue
        for peer, reply in zip(others, replies[1:], strict=True):
            differ(tally, known, peer, seed, question, str(replies[0].status_code), str(reply.status_code), {})


def main() -> None:
    tally, known = Tally("differential"), Known()
    seeds = [int(seed) for seed in sys.argv[1:]] or SEEDS
    ada = USERS[0]
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        running, others = [], []
        try:
            for number, name in enumerate(peers.HOMES):
                port = 20_000 + (int(time.time() * 7) + number * 997) % 20_000
                argv = peers.command(name, Path(folder) / name, port, {user.name: user.password for user in USERS})
                running.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                home = f"http://127.0.0.1:{port}{peers.HOMES[name].format(user=ada.name)}"
                others.append(Peer(name, home, ada.name, ada.password))
            for peer in others:
                wait(peer)
            ours = Peer("kalends", f"{server.base}/dav/calendars/{ada.name}/", ada.name, ada.password)
            for seed in seeds:
                sequence(tally, known, ours, others, seed)
        finally:
            for process in running:
                process.terminate()
                process.wait()
    if not sys.argv[1:]:
        for number, entry in enumerate(known.entries):
            tally.check(f"{entry['peer']}, {entry['question']}: listed ({entry['what']}) and not seen", number in known.seen)
    tally.note(f"{len(seeds)} sequences of {STEPS} steps; {len(known.seen)} kinds of differences, all listed")
    tally.finish()


def wait(peer: Peer) -> None:
    for _ in range(300):
        try:
            peer.ask("OPTIONS", peer.home)
            return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise SystemExit(f"{peer.name} does not start")


if __name__ == "__main__":
    main()
