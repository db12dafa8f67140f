"""Memory: a file of any size, one IDoc or many, is read, checked and converted in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.document import Item
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter
from adapters.idoc.format.framing import Padding
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.problems import Findings
from adapters.idoc.format.validation import Validator
from adapters.idoc.format.xml_writing import XmlWriter
from tests.benchmarks.idoc.samples import DICTIONARY, PER_IDOC, orders
from tests.benchmarks.streaming.figure import Figure, beside

#: SEGNUM has six digits: no IDoc has more segments.
LONGEST_IDOC = 999_997


def holding(megabytes: int, folder: Path) -> Iterator[Figure]:
    """Peak memory for files of a size, beside that of a file of one IDoc."""
    small = _peak(_file(folder / "small", Form.FLAT, 0, PER_IDOC), Form.XML)["peak_mb"]
    for form, other in ((Form.FLAT, Form.XML), (Form.XML, Form.FLAT)):
        for name, per_idoc in (("many IDocs", PER_IDOC), ("IDocs of 999,997 segments", LONGEST_IDOC)):
            path = _file(folder / "large", form, megabytes << 20, per_idoc)
            told = _peak(path, other)
            size = path.stat().st_size / (1 << 20)
            path.unlink()
            yield beside(
                f"{form}, {size:,.0f} MB, {name}: peak", "MB", told["peak_mb"], small, "one order's peak"
            )
            rate = told["segments"] / told["seconds"]
            yield beside(f"{form} → {other} with validation, segments", "1/s", rate, rate, "itself")


def _file(path: Path, form: Form, size: int, per_idoc: int) -> Path:
    with path.open("wb") as stream:
        for piece in _pieces(form, per_idoc):
            stream.write(piece)
            if stream.tell() > size and piece.endswith(b"\n"):
                break
        _end(stream, form)
    return path


def _pieces(form: Form, per_idoc: int) -> Iterator[bytes]:
    items: Iterator[Item] = orders(10**9, per_idoc)
    if form is Form.FLAT:
        yield from FlatWriter(FlatForm(padding=Padding.FULL), DICTIONARY).write(items)
    else:
        for piece in XmlWriter(None, DICTIONARY).write(items):
            yield piece + (b"" if piece.startswith(b"<?") else b"\n")


def _end(stream: BinaryIO, form: Form) -> None:
    """What is cut off behind a segment still has its elements to close."""
    if form is Form.XML:
        stream.write(b"</E1EDK01></IDOC></ORDERS05>")


def _peak(path: Path, to: Form) -> dict[str, float]:
    command = [sys.executable, "-m", __name__, str(path), to.value]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main(path: str, to: str) -> None:
    """Check and convert a file; what it took."""
    started, found, count = time.process_time(), Findings(), 0
    with Path(path).open("rb") as stream:
        for _ in Validator(DICTIONARY, found.add).check(
            Opened(stream, dictionary=DICTIONARY, report=found.add)
        ):
            count += 1
    with Path(path).open("rb") as stream:
        opened = Opened(stream, dictionary=DICTIONARY, report=found.add)
        for _ in convert(opened, Conversion(Form(to)), DICTIONARY, found.add):
            pass
    told = {"segments": count, "seconds": time.process_time() - started, "peak_mb": _own_peak()}
    sys.stdout.write(json.dumps(told) + "\n")


def _own_peak() -> float:
    """Peak memory of this process in MB. On Linux rusage counts what stood here before this program, too."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
