"""The iCalendar files that suites feed to a server: fixtures/ics, and the shared corpus where it is present."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures" / "ics"


@dataclass(frozen=True)
class Document:
    name: str  # folder/file, as failures show it
    path: Path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


def fixtures() -> list[Document]:
    found = [Document(f"fixtures/{path.relative_to(FIXTURES)}", path) for path in sorted(FIXTURES.rglob("*.ics"))]
    if not found:
        raise SystemExit(f"no .ics file in {FIXTURES}")
    return found


def corpus() -> list[Document]:
    """The files of KALENDS_CORPUS, else of ../shared/corpus; says so aloud when neither is there."""
    named = os.environ.get("KALENDS_CORPUS")
    folder = Path(named) if named else ROOT.parent / "shared" / "corpus"
    found = [Document(f"corpus/{path.relative_to(folder)}", path) for path in sorted(folder.rglob("*.ics"))]
    if not found:
        if named:
            raise SystemExit(f"KALENDS_CORPUS={named} holds no .ics file")
        print(f"NOTE: the shared corpus is absent ({folder}): only the fixtures are tried. KALENDS_CORPUS names another folder.")
    return found


def refusals() -> dict[str, str]:
    """Name of a fixture that must not be stored → the precondition that refuses it (fixtures/ics/refused.tsv)."""
    lines = (FIXTURES / "refused.tsv").read_text().splitlines()
    return {f"fixtures/{line.split(chr(9))[0]}": line.split("\t")[1] for line in lines if line.strip()}
