"""JSON Schemas out of Google's machine-readable description of its Calendar API, as the official client carries it.

    schemas = Schemas()
    schemas.response("GET", "/calendar/v3/calendars/primary/events", body)      # what is wrong with an answer: [] or sentences
    schemas.request("POST", "/calendar/v3/calendars/primary/events?x=1", body)  # the same for a request and its parameters

usage: google_schema.py FILE...     JSON lines of {"method", "path", "body"}: requests that a client of Google sent
"""

import datetime
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import googleapiclient
import jsonschema

from recorded import judge

DOCUMENT = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "calendar.v3.json"
PREFIX = "/calendar/v3/"
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?")
# What a layer in front of the API reads, on every method.
COMMON = {"alt", "fields", "key", "oauth_token", "prettyPrint", "quotaUser", "userIp"}
# Errors are not in the description; this is their form in the guide "Handle API errors".
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["errors", "code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object", "required": ["@type"]}},
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["domain", "reason", "message"],
                        "additionalProperties": False,
                        "properties": {name: {"type": "string"} for name in ("domain", "reason", "message", "locationType", "location")},
                    },
                },
            },
        }
    },
}


def checker(offset: bool) -> jsonschema.FormatChecker:
    """Formats as the description names them. `offset`: an instant has one; in requests a wall time with a zone may stand."""
    formats = jsonschema.FormatChecker(formats=())

    @formats.checks("date", raises=ValueError)
    def _date(value: object) -> bool:
        return not isinstance(value, str) or (len(value) == 10 and bool(datetime.date.fromisoformat(value)))

    @formats.checks("date-time", raises=ValueError)
    def _time(value: object) -> bool:
        if not isinstance(value, str):
            return True
        found = INSTANT.fullmatch(value)
        datetime.datetime.fromisoformat(value)
        return bool(found) and (not offset or found.group(2) is not None)

    @formats.checks("int64")
    def _int64(value: object) -> bool:
        return not isinstance(value, str) or bool(re.fullmatch(r"-?\d{1,19}", value))

    return formats


def convert(schema: dict, nullable: bool) -> dict:
    """One schema of the description as JSON Schema: unknown members are errors; `nullable`: null clears, as in a patch."""
    if "$ref" in schema:
        reference = {"$ref": f"#/$defs/{schema['$ref']}"}
        return {"anyOf": [reference, {"type": "null"}]} if nullable else reference
    out: dict = {}
    kind = schema.get("type")
    if kind and kind != "any":
        out["type"] = [kind, "null"] if nullable else kind
    for name in ("format", "pattern", "minimum", "maximum"):
        if name in schema:
            out[name] = int(schema[name]) if name in ("minimum", "maximum") else schema[name]
    if kind == "array":
        out["items"] = convert(schema["items"], False)
    if kind == "object":
        out["properties"] = {name: convert(member, nullable) for name, member in schema.get("properties", {}).items()}
        extra = schema.get("additionalProperties")
        out["additionalProperties"] = convert(extra, nullable) if extra else False
    return out


class Schemas:
    def __init__(self) -> None:
        self.document = json.loads(DOCUMENT.read_text())
        self.methods = list(self._methods(self.document))
        self.strict = self._definitions(nullable=False)
        self.lenient = self._definitions(nullable=True)
        self.validators: dict[tuple[str, bool, bool], jsonschema.Draft202012Validator] = {}

    def _definitions(self, nullable: bool) -> dict:
        return {name: convert(schema, nullable) for name, schema in self.document["schemas"].items()}

    def _methods(self, resource: dict):
        for method in resource.get("methods", {}).values():
            # An id is one segment; it may hold anything but a slash.
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(method["path"]))
            yield method, re.compile(pattern)
        for below in resource.get("resources", {}).values():
            yield from self._methods(below)

    def method(self, verb: str, path: str) -> dict | None:
        """The method that a request means, None outside the API."""
        path = urlsplit(path).path
        if not path.startswith(PREFIX):
            return None
        rest = path[len(PREFIX) :]
        # `events/import` and `events/{eventId}` differ by verb or by length, so at most one fits.
        found = [method for method, pattern in self.methods if method["httpMethod"] == verb and pattern.fullmatch(rest)]
        exact = [method for method in found if "{" not in method["path"].rsplit("/", 1)[-1]]
        return (exact or found or [None])[0]

    def response(self, verb: str, path: str, body: object) -> list[str]:
        """What is wrong with the body of a 2xx answer."""
        method = self.method(verb, path)
        if method is None:
            return [f"no method is {verb} {path}"]
        reference = method.get("response", {}).get("$ref")
        if reference is None:
            return [] if body in (None, "") else [f"{method['id']} has no body"]
        return self._errors(reference, body, nullable=False, offset=True)

    def error(self, body: object) -> list[str]:
        """What is wrong with the body of any other answer."""
        return [self._text(error) for error in jsonschema.Draft202012Validator(ERROR).iter_errors(body)]

    def request(self, verb: str, path: str, body: object) -> list[str]:
        """What is wrong with a request: its method, its parameters, its body."""
        method = self.method(verb, path)
        if method is None:
            return [f"no method is {verb} {path}"]
        wrong = self._parameters(method, path)
        reference = method.get("request", {}).get("$ref")
        if reference is None:
            return wrong + ([] if body in (None, "") else [f"{method['id']} takes no body"])
        if not isinstance(body, dict):
            return [*wrong, f"{method['id']} needs an object"]
        return wrong + self._errors(reference, body, nullable=verb == "PATCH", offset=False)

    def _parameters(self, method: dict, path: str) -> list[str]:
        known, wrong, seen = method.get("parameters", {}), [], set()
        for name, value in parse_qsl(urlsplit(path).query, keep_blank_values=True):
            if name in COMMON:
                continue
            parameter = known.get(name)
            if parameter is None or parameter.get("location") != "query":
                wrong.append(f"{method['id']} has no parameter {name}")
                continue
            if name in seen and not parameter.get("repeated"):
                wrong.append(f"{name} is given twice")
            seen.add(name)
            if "enum" in parameter and value not in parameter["enum"]:
                wrong.append(f"{name} cannot be {unquote(value)}")
            if parameter["type"] == "boolean" and value not in ("true", "false"):
                wrong.append(f"{name} is no boolean: {value}")
            if parameter["type"] == "integer" and not re.fullmatch(r"-?\d+", value):
                wrong.append(f"{name} is no number: {value}")
            if parameter.get("format") == "date-time" and not (found := INSTANT.fullmatch(value)):
                wrong.append(f"{name} is no instant: {value}")
            elif parameter.get("format") == "date-time" and found.group(2) is None:
                wrong.append(f"{name} has no offset: {value}")
        for name, parameter in known.items():
            if parameter.get("location") == "query" and parameter.get("required") and name not in seen:
                wrong.append(f"{name} is missing")
        return wrong

    def _errors(self, reference: str, body: object, nullable: bool, offset: bool) -> list[str]:
        key = (reference, nullable, offset)
        if key not in self.validators:
            definitions = self.lenient if nullable else self.strict
            schema = {"$ref": f"#/$defs/{reference}", "$defs": definitions}
            self.validators[key] = jsonschema.Draft202012Validator(schema, format_checker=checker(offset))
        return [self._text(error) for error in self.validators[key].iter_errors(body)]

    @staticmethod
    def _text(error: jsonschema.ValidationError) -> str:
        return f"{error.json_path}: {error.message[:300]}"


if __name__ == "__main__":
    sys.exit(judge(Schemas()))
