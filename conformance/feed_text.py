"""What the text of a feed must and must not be, judged on its octets without any parser."""

import re

LINE_OCTETS_MAX = 75
# What a busy_only feed may say of an event: when, that it is busy, and what RFC 5545 asks of every component.
BUSY_PROPERTIES = {"UID", "DTSTAMP", "DTSTART", "DTEND", "DURATION", "SUMMARY", "SEQUENCE", "TRANSP", "CLASS", "LAST-MODIFIED"}
# Times and rules, whose values a feed may share with its source.
TIME_PROPERTIES = {"DTSTART", "DTEND", "DURATION", "DUE", "DTSTAMP", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "SEQUENCE", "CREATED",
                   "LAST-MODIFIED", "COMPLETED", "TRANSP", "CLASS", "STATUS", "PRIORITY", "PERCENT-COMPLETE", "TRIGGER", "ACTION", "BEGIN", "END"}  # fmt: skip
SECRET_LETTERS_MIN = 6  # a shorter value may stand in a feed by chance


def unfold(data: bytes) -> list[str]:
    """Content lines; whatever line ends the source has."""
    text = re.sub(rb"(\r\n|\n|\r)[ \t]", b"", data).decode("utf-8", "replace")
    return [line for line in re.split(r"\r\n|\n|\r", text) if line]


def name_of(line: str) -> str:
    return re.split(r"[:;]", line, maxsplit=1)[0].upper()


def value_of(line: str) -> str:
    """What follows the first colon outside quotes."""
    quoted = False
    for at, sign in enumerate(line):
        if sign == '"':
            quoted = not quoted
        elif sign == ":" and not quoted:
            return line[at + 1 :]
    return ""


def zone_parameter(line: str) -> str | None:
    found = re.search(r';TZID=("[^"]*"|[^;:]*)', line.split(":", 1)[0] if '"' not in line else line, re.IGNORECASE)
    return found.group(1).strip('"') if found else None


def faults(data: bytes) -> list[str]:
    """What is wrong with a feed's text by RFC 5545 and by what consumers need."""
    found = []
    if not data.endswith(b"\r\n"):
        found.append("does not end with CRLF")
    if re.search(rb"(?<!\r)\n|\r(?!\n)", data):
        found.append("has a bare CR or LF")
    for line in data.split(b"\r\n")[:-1]:
        if len(line) > LINE_OCTETS_MAX:
            found.append(f"has a line of {len(line)} octets: {line[:40]!r}")
        try:
            line.decode()
        except UnicodeDecodeError:
            found.append(f"has a line that splits a character: {line[-20:]!r}")
        if re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", line):
            found.append(f"has a control character: {line[:40]!r}")
    lines = unfold(data)
    if not lines or lines[0] != "BEGIN:VCALENDAR" or lines[-1] != "END:VCALENDAR" or lines.count("BEGIN:VCALENDAR") != 1:
        found.append("is not exactly one VCALENDAR")
    for needed in ("VERSION:2.0", "PRODID", "NAME", "X-WR-CALNAME", "REFRESH-INTERVAL", "X-PUBLISHED-TTL"):
        if not any(line == needed or name_of(line) == needed for line in lines):
            found.append(f"has no {needed}")
    # TZID is a property only within VTIMEZONE, and its value a TEXT with escapes; a parameter has none.
    zones = [re.sub(r"\\(.)", r"\1", value_of(line)) for line in lines if name_of(line) == "TZID"]
    used = {zone for line in lines if (zone := zone_parameter(line)) is not None}
    if len(zones) != len(set(zones)):
        found.append(f"defines a zone twice: {zones}")
    if used - set(zones):
        found.append(f"uses a zone it does not define: {sorted(used - set(zones))}")
    if set(zones) - used:
        found.append(f"defines a zone it does not use: {sorted(set(zones) - used)}")
    return found


def secrets(data: bytes) -> set[str]:
    """Every text of a source that a busy_only feed must not show: values and parameter values, whole and by line."""
    found: set[str] = set()
    inside_zone = depth = 0
    for line in unfold(data):
        if line.upper().startswith("BEGIN:"):
            depth += 1
            inside_zone += "VTIMEZONE" in line.upper() or inside_zone > 0
            continue
        if line.upper().startswith("END:"):
            depth -= 1
            inside_zone -= inside_zone > 0
            continue
        if depth < 2 or inside_zone or name_of(line) in TIME_PROPERTIES:
            continue
        value = value_of(line)
        found.add(value)
        found.update(re.split(r"\\n|\\N|\\,|\\;|[,;]", value))
        found.update(re.findall(r'="([^"]*)"', line))
    return {text.strip() for text in found if len(text.strip()) >= SECRET_LETTERS_MIN and not re.fullmatch(r"[0-9TZ+-]+|BUSY|OPAQUE", text.strip())}


def leaks(feed: bytes, source: bytes) -> list[str]:
    """Texts of the source that a busy_only feed of it shows, and properties that it should not have."""
    lines = unfold(feed)
    whole = "\n".join(lines)
    found = [f"shows {text[:60]!r}" for text in sorted(secrets(source)) if text in whole]
    stack: list[str] = []
    for line in lines:
        if line.startswith("BEGIN:"):
            stack.append(line[6:])
            if stack[-1] not in ("VCALENDAR", "VEVENT", "VTIMEZONE", "STANDARD", "DAYLIGHT"):
                found.append(f"has a {stack[-1]}")
        elif line.startswith("END:"):
            stack.pop()
        elif stack and stack[-1] == "VEVENT":
            if name_of(line) not in BUSY_PROPERTIES:
                found.append(f"has {line[:60]!r}")
            elif name_of(line) == "SUMMARY" and value_of(line) != "Busy":
                found.append(f"has {line[:60]!r}")
    return found
