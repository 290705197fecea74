"""Debian's Thunderbird in a virtual screen, remote-controlled through Marionette, the protocol that the program itself has.

    with Thunderbird(folder) as app:
        app.call("calendars")                # a function of thunderbird.js, run inside the program with all its rights

The folder keeps the profile: a second Thunderbird on it is the same one after a restart.
"""

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = ("/usr/lib/thunderbird/thunderbird", "/usr/bin/thunderbird")  # the second is Debian's wrapper of the first
START_SECONDS = 120  # until Marionette answers; a fresh profile on a busy machine takes long
SCRIPT_SECONDS = 60  # for one call
STOP_SECONDS = 30

# What a fresh profile must not do: ask a person, look for updates, talk to its makers.
PREFERENCES = {
    "app.donation.eoy.version.viewed": 999,
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "app.update.enabled": False,
    "calendar.alarms.show": False,
    "calendar.alarms.showmissed": False,
    "calendar.item.promptDelete": False,
    "calendar.timezone.local": "Europe/Vienna",
    "calendar.timezone.useSystemTimezone": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 99,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "marionette.port": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "remote.prefs.recommended": False,  # Marionette would have passwords not kept
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": True,
    "toolkit.telemetry.enabled": False,
}


class CallFailed(Exception):
    """What Thunderbird says of a call that it could not do."""


class Thunderbird:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = folder / "profile"
        self.screen: subprocess.Popen | None = None
        self.process: subprocess.Popen | None = None
        self.socket: socket.socket | None = None
        self.ids = itertools.count(1)
        self.functions = (HERE / "thunderbird.js").read_text()

    def __enter__(self) -> "Thunderbird":
        self.profile.mkdir(parents=True, exist_ok=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (self.profile / "user.js").write_text("\n".join(lines) + "\n")
        (self.profile / "MarionetteActivePort").unlink(missing_ok=True)
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.command("Marionette:Quit", {"flags": ["eAttemptQuit"]})
            self.process.wait(STOP_SECONDS)
        except (OSError, CallFailed, subprocess.TimeoutExpired):
            pass
        self._end()

    def call(self, function: str, *arguments: object) -> object:
        """Runs a function of thunderbird.js and waits for what it promises."""
        script = f"{self.functions}\nreturn (async () => await {function}(...arguments))();"
        return self.command("WebDriver:ExecuteScript", {"script": script, "args": list(arguments), "newSandbox": True})["value"]

    def until(self, function: str, *arguments: object, seconds: float = SCRIPT_SECONDS) -> object:
        """Asks again until the answer is one; the last answer when the time is over."""
        deadline = time.monotonic() + seconds
        while not (answer := self.call(function, *arguments)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return answer

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.command("WebDriver:TakeScreenshot", {"full": True})["value"]))

    def log(self) -> str:
        path = self.folder / "thunderbird.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # Marionette: messages are a length, a colon and JSON

    def command(self, name: str, parameters: dict) -> dict:
        message = json.dumps([0, next(self.ids), name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise CallFailed(f"{name}: {error.get('error')}: {error.get('message')} {error.get('stacktrace', '')[:1500]}")
        return result

    def _receive(self) -> list:
        length = b""
        while (octet := self._read(1)) != b":":
            length += octet
        return json.loads(self._read(int(length)))

    def _read(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            piece = self.socket.recv(count - len(read))
            if not piece:
                raise OSError("Thunderbird closed the connection")
            read += piece
        return read

    # Life and death

    def _start(self) -> None:
        program = next((path for path in PROGRAMS if Path(path).exists()), None)
        if program is None or shutil.which("Xvfb") is None:
            raise SystemExit("thunderbird and Xvfb are missing: conformance/tools.sh thunderbird installs them")
        with (self.folder / "thunderbird.log").open("ab") as log:
            self.screen = subprocess.Popen(
                ["Xvfb", "-displayfd", "1", "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
            display = self.screen.stdout.readline().strip()
            if not display:
                raise SystemExit(f"Xvfb does not start: {self.log()[-2000:]}")
            env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            env |= {"DISPLAY": f":{display}", "HOME": str(self.folder), "MOZ_CRASHREPORTER_DISABLE": "1", "TZ": "Europe/Vienna", "LC_ALL": "C.UTF-8"}
            env.pop("WAYLAND_DISPLAY", None)
            self.process = subprocess.Popen(
                [program, "--no-remote", "--profile", str(self.profile), "--marionette", "-remote-allow-system-access"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        port = self._port()
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(SCRIPT_SECONDS + 30)
        self._receive()  # who it is
        # A dialog that opens is answered by us, not waved away.
        self.command("WebDriver:NewSession", {"unhandledPromptBehavior": "ignore"})
        self.command("WebDriver:SetTimeouts", {"script": SCRIPT_SECONDS * 1000})
        self.command("Marionette:SetContext", {"value": "chrome"})

    def _port(self) -> int:
        """The port that Marionette chose, which it writes into the profile."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"Thunderbird ended with {self.process.returncode}: {self.log()[-2000:]}")
            try:
                return int((self.profile / "MarionetteActivePort").read_text())
            except (FileNotFoundError, ValueError):
                time.sleep(0.2)
        raise SystemExit(f"Thunderbird does not open Marionette: {self.log()[-2000:]}")

    def _end(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        for process in (self.process, self.screen):
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.wait()
        self.process = self.screen = None
