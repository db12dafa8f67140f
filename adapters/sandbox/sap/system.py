"""The sample SAP itself: reads its folder, posts, confirms, and sends what its users change.

As real ones do, it checks no duplicates: the same file given twice makes two IDocs and, for a create, two
customers. A file is deleted only when all its IDocs are stored; status 64 waits for the background job.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Idoc
from adapters.idoc.format.segments import standard_dictionary
from adapters.sandbox.sap.files import PACK, FilePorts
from adapters.sandbox.sap.options import SampleSap, Switches
from adapters.sandbox.sap.posting import NO_PROFILE, NOT_POSTED, POSTED, SYNTAX, CustomerPosting, Posting
from adapters.sandbox.sap.store import FIELDS, SapStore

_NAMES = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Rowan")
_TRADES = ("Works", "Trading", "Systems", "Foods", "Logistics", "Tools")
_TOWNS = (
    ("Hamburg", "20095", "DE"),
    ("Graz", "8010", "AT"),
    ("Basel", "4051", "CH"),
    ("Lyon", "69001", "FR"),
)
#: What staff may run again or close: not posted, no partner profile, syntax error.
_REFUSED = (NOT_POSTED, NO_PROFILE, SYNTAX)


class UnknownFieldError(ValueError):
    """A field that the sample does not keep."""


class SapSystem:
    """One sample SAP. ``step`` does everything that is due; the methods below it are its users and staff."""

    def __init__(
        self,
        options: SampleSap,
        now: Callable[[], datetime] = datetime.now,
        monotonic: Callable[[], float] = time.time,
    ) -> None:
        options.directory.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.switches = Switches(echo=options.echo)
        self.store = SapStore(options.database)
        self._dictionary: Dictionary = standard_dictionary()
        self._ports = FilePorts(options, self._dictionary)
        self._posting = CustomerPosting(self.store, self._dictionary, self.switches)
        self._now = now
        self._clock = monotonic
        self._start()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def step(self) -> int:
        """Read, post, send, confirm what is due; how many things were done."""
        done = self._read_files() if self.switches.reading else 0
        if not self.switches.backlog:
            done += self._post_ready()
        done += self._send_pointers()
        if self.switches.answers:
            done += self._confirm()
        return done

    def change(self, kunnr: str, fields: Mapping[str, str], by_whom: str = "SMITH") -> bool:
        """A user edits a customer; whether anything differed. Raises UnknownFieldError, KeyError."""
        texts = {name.upper(): value for name, value in fields.items()}
        for name, text in texts.items():
            if name not in FIELDS:
                raise UnknownFieldError(f"the sample keeps no field {name}; it keeps {', '.join(FIELDS)}")
            self._check(name, text)
        with self.store.transaction():
            if self.store.customer(kunnr) is None:
                raise KeyError(kunnr)
            changed = self.store.write_customer(kunnr, texts, by_whom, self._stamp())
            if changed:
                self.store.point(kunnr)
        self._send_pointers()
        return changed

    def reprocess(self, docnum: str | None = None) -> int:
        """Staff run refused IDocs again (BD87); how many were posted now."""
        wanted = [number for number in self._refused() if docnum in (None, number)]
        return sum(self._post(number) == POSTED for number in wanted)

    def _refused(self) -> list[str]:
        sql = "SELECT docnum FROM idoc WHERE direction = 2 AND status IN (?, ?, ?) ORDER BY docnum"
        return [str(row["docnum"]) for row in self.store.rows(sql, *_REFUSED)]

    def dismiss(self, docnum: str) -> bool:
        """Staff close a refused IDoc for good (status 68); whether there was one."""
        with self.store.transaction():
            found = docnum in self._refused()
            if found:
                self._set_status(docnum, Posting("68", "Error - no further processing"))
            return found

    def send_all(self) -> int:
        """Send every customer once (BD12)."""
        numbers = [str(row["kunnr"]) for row in self.store.rows("SELECT kunnr FROM customer ORDER BY kunnr")]
        for kunnr in numbers:
            self._send_customer(kunnr)
        return len(numbers)

    def send_broken(self) -> str:
        """Write a file whose second IDoc is cut within its customer segment; its name."""
        customer = dict.fromkeys(FIELDS, "") | {"NAME1": "Broken"}
        parts = []
        for _ in range(2):
            docnum = self._docnum()
            idoc = self._ports.customer(docnum, "0000999999", customer, self._now())
            parts.append(self._ports.encode(idoc))
        name = f"O_{self.options.client}_{docnum}"
        self._ports.write(name, parts[0] + parts[1][:-700])
        return name

    def _start(self) -> None:
        """The customers it begins with, on the first start."""
        if self.store.rows("SELECT 1 FROM customer LIMIT 1"):
            return
        dice = random.Random(self.options.seed)
        with self.store.transaction():
            for _ in range(self.options.customers):
                number = self.store.next_number("kunnr")
                town, code, country = dice.choice(_TOWNS)
                fields = {
                    "NAME1": f"{dice.choice(_NAMES)} {dice.choice(_TRADES)} {number - 100000}",
                    "STRAS": f"Main Road {dice.randint(1, 99)}",
                    "ORT01": town,
                    "PSTLZ": code,
                    "LAND1": country,
                    "SORTL": f"C-{number - 100000:06d}",
                    "TELF1": f"+49 40 {dice.randint(100000, 999999)}",
                }
                self.store.write_customer(f"{number:010d}", fields, "START", self._stamp())

    def _read_files(self) -> int:
        files = self._ports.waiting()
        for path in files:
            self._read_file(path)
        return len(files)

    def _read_file(self, path: Path) -> None:
        """Store the IDocs, then delete the file; of a broken one what came before the fault is kept, as
        in SAP.
        """
        content = path.read_bytes()
        idocs, fault = self._ports.read(content)
        with self.store.transaction():
            for idoc in idocs:
                self._add(idoc, path.name, content)
        if fault:
            path.rename(path.with_name(f"{path.name}.broken"))
        else:
            path.unlink()

    def _add(self, idoc: Idoc, name: str, content: bytes) -> None:
        control, options = idoc.control, self.options
        status, text = "64", "IDoc ready to be transferred to application"
        profile = tuple(control[name] for name in ("MANDT", "SNDPRN", "SNDPRT", "MESCOD", "MESFCT", "TEST"))
        if profile != (options.client, options.partner, "LS", "", "", ""):
            status, text = NO_PROFILE, "EDI: Partner profile not available"
        raw = content[idoc.span.start : idoc.span.end] if idoc.span else content
        names = (control["DOCNUM"], control["ARCKEY"], 2, control["MESTYP"])
        self._insert(self._docnum(), names, Posting(status, text), name, raw)

    def _insert(
        self, docnum: str, names: tuple[str, str, int, str], posting: Posting, file: str, content: bytes
    ) -> None:
        self.store.run(
            "INSERT INTO idoc(docnum, partner_docnum, arckey, direction, mestyp, status, text, kunnr, file,"
            " content, received_at, changed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            *(docnum, *names, posting.status, posting.text, posting.kunnr, file, content),
            *(self._stamp(), self._clock()),
        )

    def _post_ready(self) -> int:
        sql = "SELECT docnum FROM idoc WHERE direction = 2 AND status = '64' ORDER BY docnum"
        rows = self.store.rows(sql)
        for row in rows:
            self._post(str(row["docnum"]))
        return len(rows)

    def _post(self, docnum: str) -> str:
        with self.store.transaction():
            row = self.store.rows("SELECT content FROM idoc WHERE docnum = ?", docnum)[0]
            content = row["content"]
            idocs, fault = self._ports.read(content) if isinstance(content, bytes) else ([], "no content")
            posting = Posting(SYNTAX, fault) if fault else self._posting.post(idocs[0], self._stamp())
            self._set_status(docnum, posting)
        return posting.status

    def _set_status(self, docnum: str, posting: Posting) -> None:
        self.store.run(
            "UPDATE idoc SET status = ?, text = ?, kunnr = ?, changed_at = ? WHERE docnum = ?",
            *(posting.status, posting.text, posting.kunnr, self._clock(), docnum),
        )

    def _send_pointers(self) -> int:
        with self.store.transaction():
            numbers = self.store.take_pointers()
            for kunnr in numbers:
                self._send_customer(kunnr)
        return len(numbers)

    def _send_customer(self, kunnr: str) -> None:
        with self.store.transaction():
            customer = self.store.customer(kunnr) or {}
            docnum = self._docnum()
            idoc = self._ports.customer(docnum, kunnr, customer, self._now())
            self._send(docnum, idoc, kunnr)

    def _confirm(self) -> int:
        """One ALEAUD per message type for every status that is due and was not confirmed yet."""
        due = self._clock() - self.options.answer_s
        sql = (
            "SELECT * FROM idoc WHERE direction = 2 AND status <> answered AND changed_at <= ?"
            " ORDER BY mestyp, docnum LIMIT ?"
        )
        with self.store.transaction():
            rows = self.store.rows(sql, due, PACK)
            for kind in dict.fromkeys(row["mestyp"] for row in rows):
                docnum = self._docnum()
                pack = [row for row in rows if row["mestyp"] == kind]
                self._send(docnum, self._ports.confirmation(docnum, pack, self._now()), "")
            for row in rows:
                self.store.run("UPDATE idoc SET answered = ? WHERE docnum = ?", row["status"], row["docnum"])
        return len(rows)

    def _send(self, docnum: str, idoc: Idoc, kunnr: str) -> None:
        """Status 03 says only that the file was written."""
        content = self._ports.encode(idoc)
        name = f"O_{self.options.client}_{docnum}"
        names = ("", "", 1, idoc.message_type)
        self._insert(docnum, names, Posting("03", "Data passed to port OK", kunnr), name, content)
        self._ports.write(name, content)

    def _check(self, name: str, text: str) -> None:
        layout = self._dictionary.layout("E1KNA1M")
        if layout is not None:
            layout.write({name: text})

    def _docnum(self) -> str:
        return f"{self.store.next_number('docnum'):016d}"

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%d %H:%M:%S")
