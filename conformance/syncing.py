"""A client that follows a calendar by sync-collection (RFC 6578) and nothing else."""

from urllib.parse import unquote, urlsplit

from wire import DAV, NAMESPACES, Client

PAGES_MAX = 1000  # of one answer that is cut short again and again


class SyncClient:
    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        self.token = ""
        self.members: dict[str, str] = {}  # name → etag

    def follow(self, client: Client, limit: int | None = None) -> int:
        """Asks for the changes until the answer is complete; returns the number of pages."""
        for page in range(1, PAGES_MAX):
            cut = f"<D:limit><D:nresults>{limit}</D:nresults></D:limit>" if limit else ""
            body = (
                f"<D:sync-collection {NAMESPACES}><D:sync-token>{self.token}</D:sync-token><D:sync-level>1</D:sync-level>"
                f"{cut}<D:prop><D:getetag/></D:prop></D:sync-collection>"
            )
            answer = client.report(self.calendar, body, "0")
            if answer.status != 207:
                raise AssertionError(f"sync-collection with token {self.token!r}: {answer}")
            root = answer.xml()
            more = False
            for response in root.iter(DAV + "response"):
                name = unquote(urlsplit(response.findtext(DAV + "href", "")).path).rsplit("/", 1)[-1]
                status = response.findtext(DAV + "status", "")
                if " 507 " in status:
                    more = True
                elif " 404 " in status:
                    self.members.pop(name, None)
                elif name:
                    self.members[name] = response.findtext(f"{DAV}propstat/{DAV}prop/{DAV}getetag", "")
            token = root.findtext(DAV + "sync-token", "")
            if not token:
                raise AssertionError("sync-collection without a sync-token")
            self.token = token
            if not more:
                return page
        raise AssertionError(f"sync-collection is cut short {PAGES_MAX} times")
