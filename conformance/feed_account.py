"""Ada's calendars and feeds, made as she would make them: by the command line and by the API."""

import json
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from server import Server
from wire import Answer


class FeedAccount:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.token = server.secret("token", "add", "ada", "--scope", "appointments,sync,admin")
        self.http = server.client()

    def api(self, method: str, path: str, body: object | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        return self.http.send(method, path, json.dumps(body) if body is not None else None, headers)

    def calendar_with(self, slug: str, file: Path) -> str | None:
        """A calendar that holds what the server imports of a file; None when that is nothing."""
        self.server.cli("calendar", "add", "ada", slug)
        self.server.cli("import", f"ada/{slug}", str(file), check=False)
        path = f"{self.server.home('ada')}{slug}/"
        return path if self.server.client("ada").members(path) else None

    def create(self, slugs: list[str], privacy: str, **settings: object) -> dict:
        """The API's answer about a new feed that shows all of time unless told otherwise."""
        body = {"name": "-".join(slugs), "calendars": slugs, "privacy": privacy, "window": "all"} | settings
        answer = self.api("POST", "/api/feeds", body)
        if answer.status != 201:
            raise SystemExit(f"POST /api/feeds {body}: {answer}")
        return json.loads(answer.body)

    def point(self, feed: dict, slugs: list[str]) -> None:
        """Lets a feed show other calendars."""
        answer = self.api("PATCH", f"/api/feeds/{feed['id']}", {"calendars": slugs})
        if answer.status != 200:
            raise SystemExit(f"PATCH /api/feeds/{feed['id']}: {answer}")

    def feed(self, slugs: list[str], privacy: str, **settings: object) -> str:
        return urlsplit(self.create(slugs, privacy, **settings)["url"]).path
