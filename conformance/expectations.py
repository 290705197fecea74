"""Expectation files: what of a stranger's suite does not come out as it should, why, and until when.

    [[deviation]]
    test = "TestForServerkalends::testSomething"     # as the suite's runner names it
    outcome = "failed"                               # what is seen instead of the usual outcome
    reason = "why it is so"
    plan = "what makes it go away, or why it stays"

`tests` with a list stands for several of the same kind.
Every deviation must be seen and every one seen must be listed: an unexpected pass fails as an unexpected failure does.
"""

import tomllib
from pathlib import Path

from tally import Tally

FOLDER = Path(__file__).resolve().parent / "expect"


class Expected:
    def __init__(self, name: str) -> None:
        self.path = FOLDER / f"{name}.toml"
        self.outcomes: dict[str, str] = {}
        for entry in tomllib.loads(self.path.read_text()).get("deviation", []):
            tests = entry.get("tests", [entry["test"]] if "test" in entry else [])
            missing = {"outcome", "reason", "plan"} - {key for key, value in entry.items() if str(value).strip()}
            if missing or not tests:
                raise SystemExit(f"{self.path}: {tests or entry} has no {' and no '.join(sorted(missing)) or 'test'}")
            for test in tests:
                if test in self.outcomes:
                    raise SystemExit(f"{self.path}: {test} is listed twice")
                self.outcomes[test] = entry["outcome"]

    def judge(self, tally: Tally, seen: dict[str, str], usual: str, details: dict[str, str] | None = None) -> None:
        """Compares the outcome of every test with the usual one or the listed deviation."""
        for test, outcome in sorted(seen.items()):
            want = self.outcomes.get(test, usual)
            told = (details or {}).get(test, "")
            if outcome == want:
                tally.check(test, True)
            elif outcome == usual:
                tally.check(f"{test}: unexpectedly {outcome}, listed as {want}: take it off {self.path.name}", False)
            else:
                tally.check(f"{test}: {outcome}, expected {want}", False, told)
        for test in sorted(self.outcomes.keys() - seen.keys()):
            tally.check(f"{test}: listed in {self.path.name}, but the suite has no such test", False)
