"""HTTP by hand over a socket: what no client library would send, and the server's answer or its hanging up."""

import base64
import http.client
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Heard:
    """What came back: a status with headers and body, or 0 when the server hung up without a word."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    timed_out: bool = False

    def __str__(self) -> str:
        if self.timed_out:
            return f"no answer within {self.seconds:.0f} s"
        return f"{self.status or 'hung up'} after {self.seconds:.1f} s {self.body[:200]!r}"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def head(method: str | bytes, target: str | bytes, headers: Iterable[tuple[str, str]] = (), version: str = "HTTP/1.1") -> bytes:
    """A request head, nothing checked; a Host header leads unless one is given."""
    lines = list(headers)
    if not any(name.lower() == "host" for name, _ in lines):
        lines.insert(0, ("Host", "127.0.0.1"))
    method = method.encode("latin-1") if isinstance(method, str) else method
    target = target.encode("latin-1") if isinstance(target, str) else target
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return method + b" " + target + b" " + version.encode() + b"\r\n" + text.encode("latin-1") + b"\r\n"


def speak(base: str, data: bytes | Iterable[bytes], pause: float = 0, timeout: float = 30, half_close: bool = False) -> Heard:
    """Sends `data` (pieces with `pause` seconds between them) and listens until one answer is whole or the line is dead."""
    parts = urlsplit(base)
    begin = time.monotonic()
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout) as line:
            line.settimeout(timeout)
            refused = not _send(line, data, pause, begin + timeout)
            if half_close and not refused:
                line.shutdown(socket.SHUT_WR)
            return _listen(line, begin)
    except TimeoutError:
        return Heard(0, {}, b"", time.monotonic() - begin, True)
    except OSError:
        return Heard(0, {}, b"", time.monotonic() - begin)


def _send(line: socket.socket, data: bytes | Iterable[bytes], pause: float, deadline: float) -> bool:
    """False when the server stopped listening (it may have answered first)."""
    try:
        if isinstance(data, bytes):
            line.sendall(data)
            return True
        for piece in data:
            line.sendall(piece)
            if pause:
                if time.monotonic() > deadline:
                    raise TimeoutError
                # An answer that comes while the request is still dripping ends the dripping.
                line.settimeout(pause)
                try:
                    if line.recv(1, socket.MSG_PEEK) == b"":
                        return False
                    return True
                except TimeoutError:
                    pass
                finally:
                    line.settimeout(max(deadline - time.monotonic(), 0.1))
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


def _listen(line: socket.socket, begin: float) -> Heard:
    answer = http.client.HTTPResponse(line)
    try:
        answer.begin()
        body = answer.read()
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError, ValueError):
        return Heard(0, {}, b"", time.monotonic() - begin)
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Heard(answer.status, headers, body, time.monotonic() - begin)
