"""Counts what a suite checked; each failure is printed once, with what was seen."""

import sys
import time


class Tally:
    def __init__(self, name: str) -> None:
        self.name = name
        self.passed = 0
        self.failures: list[str] = []
        self.start = time.monotonic()

    def check(self, what: str, holds: object, seen: object = "") -> bool:
        """Counts one check; `seen` is shown, shortened, when it does not hold."""
        if holds:
            self.passed += 1
            return True
        text = str(seen)
        self.failures.append(what)
        print(f"FAIL {what}{': ' + text[:600] if text else ''}", flush=True)
        return False

    def equal(self, what: str, got: object, want: object) -> bool:
        return self.check(what, got == want, f"got {got!r:.280}, want {want!r:.280}")

    def note(self, text: str) -> None:
        """A figure or a fact for the log; counts for nothing."""
        print(f"     {text}", flush=True)

    def finish(self) -> None:
        """Prints the count and ends the program: 0 when all held and at least one was checked."""
        taken = time.monotonic() - self.start
        print(f"{self.name}: {self.passed} passed, {len(self.failures)} failed in {taken:.1f} s")
        if not self.passed and not self.failures:
            print(f"{self.name}: nothing was checked")
        sys.exit(1 if self.failures or not self.passed else 0)
