"""One run: how large, how long, the stores that its parts share, and what is told meanwhile."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.filled import Layout, fill
from tests.proof.narration import Narration

#: Where stores on disk are made, and where those in memory are.
DISK = Path(__file__).resolve().parents[2] / ".cache"
MEMORY = Path("/dev/shm")
#: Rounds of a measurement, and how many of them are made however late it is.
ROUNDS, LEAST = 5, 2
#: Events of a round, with those of a batch.
EVENTS, BATCH = 400, 100


@dataclass
class Stores:
    """Large stores on disk, each made once in a run; all are taken away at its end."""

    directory: Path
    narration: Narration
    made: dict[int, Path] = field(default_factory=dict)

    def of(self, images: int) -> Path:
        """The store with so many mirror rows. Parts may go on from what others left in it. Raises NoRoom."""
        if images not in self.made:
            self.narration.begin(f"a store with {images:,} mirror rows")
            began = time.monotonic()
            directory = self.directory / f"mirror-{images}"
            try:
                fill(directory, Layout(images), self._teller(images, began))
            except BaseException:
                shutil.rmtree(directory)
                raise
            self.made[images] = directory
        return self.made[images]

    def _teller(self, images: int, began: float) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            self.narration.progress("writing", images * done // total, "rows", time.monotonic() - began)

        return tell

    @contextmanager
    def copy(self, images: int, where: Path | None = None) -> Iterator[Path]:
        """A copy of it as another place would have it, taken away behind its use."""
        source = self.of(images)
        with tempfile.TemporaryDirectory(prefix="isthmus-bench-", dir=where or self.directory) as name:
            directory = Path(name) / "store"
            shutil.copytree(source, directory)
            yield directory


@dataclass
class Run:
    """What a part is given.

    records  rows of the largest mirror
    ends     when this part should be done, by the monotonic clock
    """

    records: int
    stores: Stores
    narration: Narration
    profile: bool = False
    profiles: list[str] = field(default_factory=list)
    ends: float = 0.0

    def rounds(self, what: str, at_most: int = ROUNDS, least: int = LEAST) -> Iterator[int]:
        """The numbers of the rounds, for as long as there is time, and some in any case."""
        self.narration.begin(what)
        began = time.monotonic()
        for number in range(at_most):
            if number >= least and time.monotonic() > self.ends:
                return
            yield number
            self.narration.progress(what, number + 1, "rounds", time.monotonic() - began)

    def events(self) -> int:
        """Events of a round: fewer in a small mirror, where each is to meet another record."""
        return min(EVENTS, max(self.records // 100, 4))

    def places(self) -> Iterator[tuple[str, Path]]:
        """Where a store may lie: in memory, if the system has such a place, and on disk."""
        if MEMORY.is_dir():
            yield "in memory", MEMORY
        yield "on disk", self.stores.directory


Part = Callable[[Run], Iterator[Figure]]


@contextmanager
def stores(narration: Narration) -> Iterator[Stores]:
    """Room for the stores of a run."""
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=DISK) as name:
        yield Stores(Path(name), narration)
