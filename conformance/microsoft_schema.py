"""JSON Schemas out of the types that Microsoft publishes of Graph's metadata, as its npm package carries them.

    schemas = Schemas()
    schemas.response("GET", "/v1.0/me/events/x", 200, body)   # what is wrong with an answer: [] or sentences
    schemas.request("POST", "/v1.0/me/events", body)          # the same for a request

usage: microsoft_schema.py FILE...     JSON lines of {"method", "path", "body"}: requests that a client of Graph sent
"""

import os
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema

from recorded import judge

TOOLS = Path(os.environ.get("KALENDS_TOOLS", Path(__file__).resolve().parent.parent / ".cache" / "conformance"))
TYPES = TOOLS / "microsoft" / "node_modules" / "@microsoft" / "microsoft-graph-types" / "microsoft-graph.d.ts"

INTERFACE = re.compile(r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.S | re.M)
EMPTY = re.compile(r"^export interface (\w+)(?: extends (\w+))? \{\}", re.M)
UNION = re.compile(r"^export type (\w+) =\s*((?:\s*\|?\s*\"[^\"]*\")+)\s*;", re.M)
MEMBER = re.compile(r"^    (\w+)\??: ([^;]+);", re.M)
# A line that is a comment may hold what looks like the beginning of a longer one.
LINE_COMMENT = re.compile(r"^[ \t]*//[^\n]*$", re.M)
COMMENT = re.compile(r"^[ \t]*/\*.*?\*/", re.S | re.M)
SCALARS = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "number": {"type": "number"},
    "any": {},
    "unknown": {},
}
# What OData adds to an object beside its own members.
ANNOTATIONS = {r"^@odata\.\w+$": {"type": "string"}, r"^\w+@odata\.\w+$": {}, "^@removed$": {"type": "object", "required": ["reason"]}}
LINKS = {
    "@odata.context": {"type": "string"}, "@odata.nextLink": {"type": "string"}, "@odata.deltaLink": {"type": "string"},
    "@odata.count": {"type": "integer"},
}  # fmt: skip
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "target": {"type": "string"},
                "details": {"type": "array"},
                "@event.existingEventId": {"type": "string"},
                "innerError": {
                    "type": "object",
                    "required": ["date", "request-id", "client-request-id"],
                    "properties": {name: {"type": "string"} for name in ("date", "request-id", "client-request-id")},
                },
            },
        }
    },
}
BATCH = {
    "type": "object",
    "required": ["responses"],
    "properties": {
        "responses": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "status"],
                "additionalProperties": False,
                "properties": {"id": {"type": "string"}, "status": {"type": "integer"}, "headers": {"type": "object"}, "body": {}},
            },
        }
    },
}
BATCH_ASKED = {
    "type": "object",
    "required": ["requests"],
    "properties": {
        "requests": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "required": ["id", "method", "url"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"}, "method": {"enum": ["GET", "POST", "PATCH", "DELETE"]}, "url": {"type": "string", "pattern": "^/?[^:]*$|^/"},
                    "headers": {"type": "object"}, "body": {}, "dependsOn": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
}  # fmt: skip
ACTION = {"type": "object"}
ID = "[^/]+"
BELOW = f"(?:me|users/{ID})(?:/calendarGroups/{ID})?"
CALENDAR = f"{BELOW}(?:/calendar|/calendars/{ID})?"
DELTA = r"/(?:microsoft\.graph\.)?delta(?:\(\))?"
# verb, path: the type of the body that is sent, of the answer, whether the answer is a list of it
ROUTES = [
    ("GET", f"(?:me|users/{ID})", None, "User", False),
    ("POST", f"{BELOW}/revokeSignInSessions", None, None, False),
    ("POST", f"{BELOW}/translateExchangeIds", "*", "ConvertIdResult", True),
    ("GET", f"{BELOW}/mailboxSettings", None, "MailboxSettings", False),
    ("GET", f"{BELOW}/mailboxSettings/timeZone", None, "*", False),
    ("GET", rf"{BELOW}/outlook/supportedTimeZones(?:\(.*\))?", None, "TimeZoneInformation", True),
    ("GET", f"{BELOW}/calendarGroups", None, "CalendarGroup", True),
    ("GET", f"{BELOW}/calendars", None, "Calendar", True),
    ("POST", f"{BELOW}/calendars", "Calendar", "Calendar", False),
    ("GET", f"{BELOW}/(?:calendar|calendars/{ID})", None, "Calendar", False),
    ("PATCH", f"{BELOW}/(?:calendar|calendars/{ID})", "Calendar", "Calendar", False),
    ("DELETE", f"{BELOW}/calendars/{ID}", None, None, False),
    ("GET", f"{CALENDAR}/(?:events|calendarView)(?:{DELTA})?", None, "Event", True),
    ("POST", f"{CALENDAR}/events", "Event", "Event", False),
    ("GET", f"{CALENDAR}/events/{ID}", None, "Event", False),
    ("PATCH", f"{CALENDAR}/events/{ID}", "Event", "Event", False),
    ("DELETE", f"{CALENDAR}/events/{ID}", None, None, False),
    ("GET", f"{CALENDAR}/events/{ID}/instances", None, "Event", True),
    ("POST", f"{CALENDAR}/events/{ID}/(?:accept|tentativelyAccept|decline|cancel|permanentDelete|dismissReminder)", "*", None, False),
    ("GET", "subscriptions", None, "Subscription", True),
    ("POST", "subscriptions", "Subscription", "Subscription", False),
    ("GET", f"subscriptions/{ID}", None, "Subscription", False),
    ("PATCH", f"subscriptions/{ID}", "Subscription", "Subscription", False),
    ("DELETE", f"subscriptions/{ID}", None, None, False),
    ("POST", f"subscriptions/{ID}/reauthorize", None, None, False),
]  # fmt: skip
ROUTES = [(verb, re.compile(path), *rest) for verb, path, *rest in ROUTES]
QUERY = {
    "$select", "$expand", "$filter", "$orderby", "$top", "$skip", "$skiptoken", "$deltatoken", "$count", "startDateTime", "endDateTime",
}  # fmt: skip
# What change tracking of events does not take.
NOT_IN_DELTA = {"$select", "$expand", "$filter", "$orderby", "$top"}


class Schemas:
    def __init__(self) -> None:
        text = COMMENT.sub("", LINE_COMMENT.sub("", TYPES.read_text(encoding="utf-8")))
        self.unions = {name: re.findall(r'"([^"]*)"', values) for name, values in UNION.findall(text)}
        self.interfaces: dict[str, tuple[str, list[tuple[str, str]]]] = {name: (base, []) for name, base in EMPTY.findall(text)}
        for name, base, body in INTERFACE.findall(text):
            self.interfaces[name] = (base, [(member, kind.strip()) for member, kind in MEMBER.findall(body)])
        if not {"Event", "Calendar", "Subscription", "PatternedRecurrence"} <= self.interfaces.keys():
            raise RuntimeError(f"{TYPES} has not the types it should have")
        self.validators: dict[str, jsonschema.Draft202012Validator] = {}
        self.definitions: dict[str, dict] = {}

    def kind(self, text: str) -> dict:
        """One type as JSON Schema."""
        text = text.strip()
        if text.startswith("NullableOption<") and text.endswith(">"):
            inner = self.kind(text[len("NullableOption<") : -1])
            return {"anyOf": [inner, {"type": "null"}]}
        if text.endswith("[]"):
            return {"type": "array", "items": self.kind(text[:-2].strip("()"))}
        if text in SCALARS:
            return SCALARS[text]
        if text in self.unions:
            return {"enum": self.unions[text]}
        if text in self.interfaces:
            self.define(text)
            return {"$ref": f"#/$defs/{text}"}
        return {}

    def define(self, name: str) -> None:
        if name in self.definitions:
            return
        schema: dict = {"type": "object", "properties": {}, "patternProperties": ANNOTATIONS, "additionalProperties": False}
        self.definitions[name] = schema
        at: str = name
        while at:
            base, members = self.interfaces[at]
            for member, kind in members:
                schema["properties"].setdefault(member, self.kind(kind))
            at = base

    def validator(self, name: str) -> jsonschema.Draft202012Validator:
        if name not in self.validators:
            self.define(name)
            self.validators[name] = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": self.definitions})
        return self.validators[name]

    def errors(self, name: str, body: object) -> list[str]:
        return [self.text(error) for error in self.validator(name).iter_errors(body)]

    @staticmethod
    def text(error: jsonschema.ValidationError) -> str:
        return f"{error.json_path}: {error.message[:300]}"

    def route(self, verb: str, path: str):
        path = urlsplit(path).path.removeprefix("/v1.0/").removeprefix("/v1.0").strip("/")
        for known, pattern, sent, answer, many in ROUTES:
            if known == verb and pattern.fullmatch(path):
                return sent, answer, many
        return None

    def response(self, verb: str, path: str, status: int, body: object) -> list[str]:
        """What is wrong with an answer."""
        if status >= 300:
            return [self.text(error) for error in jsonschema.Draft202012Validator(ERROR).iter_errors(body)]
        if urlsplit(path).path.endswith("/$batch"):
            return [self.text(error) for error in jsonschema.Draft202012Validator(BATCH).iter_errors(body)]
        found = self.route(verb, path)
        if found is None:
            return [f"no method is {verb} {path}"]
        _, answer, many = found
        if answer is None or answer == "*":
            return []
        if not isinstance(body, dict):
            return [f"{verb} {path} answers with an object"]
        if not many:
            return self.errors(answer, body)
        wrong = [f"{name} is no member of a list" for name in body if name not in LINKS and name != "value"]
        for at, one in enumerate(body.get("value", ())):
            wrong += [f"value[{at}] {sentence}" for sentence in self.errors(answer, one)]
        return wrong if isinstance(body.get("value"), list) else [*wrong, "value is missing"]

    def request(self, verb: str, path: str, body: object) -> list[str]:
        """What is wrong with a request."""
        if urlsplit(path).path.endswith("/$batch"):
            wrong = [self.text(error) for error in jsonschema.Draft202012Validator(BATCH_ASKED).iter_errors(body)]
            for one in body.get("requests", ()) if isinstance(body, dict) else ():
                inner = self.request(one.get("method", ""), "/v1.0/" + one.get("url", "").lstrip("/"), one.get("body"))
                wrong += [f"request {one.get('id')}: {sentence}" for sentence in inner]
            return wrong
        found = self.route(verb, path)
        if found is None:
            return [f"no method is {verb} {path}"]
        names = {unquote(name) for name, _ in parse_qsl(urlsplit(path).query, keep_blank_values=True)}
        wrong = [f"there is no parameter {name}" for name in sorted(names - QUERY)]
        if re.search(DELTA + "$", urlsplit(path).path):
            wrong += [f"{name} does not go with delta" for name in sorted(names & NOT_IN_DELTA)]
        sent = found[0]
        if sent is None:
            return wrong + ([] if body in (None, "") else [f"{verb} {path} takes no body"])
        if sent == "*":
            return wrong
        if not isinstance(body, dict):
            return [*wrong, f"{verb} {path} needs an object"]
        return wrong + self.errors(sent, body)


if __name__ == "__main__":
    sys.exit(judge(Schemas()))
