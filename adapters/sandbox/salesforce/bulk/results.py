"""What became of each row, written while the job runs."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from xml.sax.saxutils import escape

import orjson

from adapters.sandbox.salesforce.org.errors import ApiError

NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"


class Results(Protocol):
    """Takes one line per row, in the order of rows."""

    def written(self, identifier: str, created: bool, row: list[str]) -> None:
        """The row was carried out."""

    def refused(self, error: ApiError, row: list[str]) -> None:
        """The row changed nothing."""

    def __enter__(self) -> Results: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def told(error: ApiError) -> str:
    """An error in one cell: code, message, fields."""
    return f"{error.code}:{error.message}:{','.join(error.fields)}--"


class _File:
    def __init__(self, path: Path) -> None:
        self._out = path.open("w", encoding="utf-8", newline="")

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()


class CsvResults(_File):
    """API 1.0: Id, Success, Created, Error."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer = csv.writer(self._out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        self._writer.writerow(("Id", "Success", "Created", "Error"))

    def written(self, identifier: str, created: bool, row: list[str]) -> None:
        """The row was carried out."""
        self._writer.writerow((identifier, "true", str(created).lower(), ""))

    def refused(self, error: ApiError, row: list[str]) -> None:
        """The row changed nothing."""
        self._writer.writerow(("", "false", "false", told(error)))


class JsonResults(_File):
    """API 1.0: an array of objects."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._between = "["

    def _put(self, body: dict[str, Any]) -> None:
        self._out.write(self._between + orjson.dumps(body).decode())
        self._between = ","

    def written(self, identifier: str, created: bool, row: list[str]) -> None:
        """The row was carried out."""
        self._put({"success": True, "created": created, "id": identifier, "errors": []})

    def refused(self, error: ApiError, row: list[str]) -> None:
        """The row changed nothing."""
        item = {"message": error.message, "fields": list(error.fields), "statusCode": error.code}
        item["extendedErrorDetails"] = None  # type: ignore[assignment]  # an object of mixed values
        self._put({"success": False, "created": False, "id": None, "errors": [item]})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.write("[]" if self._between == "[" else "]")
        super().__exit__(kind, error, trace)


class XmlResults(_File):
    """API 1.0: result elements."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._out.write(f'<?xml version="1.0" encoding="UTF-8"?><results xmlns="{NAMESPACE}">')

    def written(self, identifier: str, created: bool, row: list[str]) -> None:
        """The row was carried out."""
        flag = str(created).lower()
        self._out.write(
            f"<result><id>{identifier}</id><success>true</success><created>{flag}</created></result>"
        )

    def refused(self, error: ApiError, row: list[str]) -> None:
        """The row changed nothing."""
        fields = "".join(f"<fields>{escape(each)}</fields>" for each in error.fields)
        self._out.write(
            f"<result><errors>{fields}<message>{escape(error.message)}</message>"
            f"<statusCode>{error.code}</statusCode></errors>"
            "<success>false</success><created>false</created></result>"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.write("</results>")
        super().__exit__(kind, error, trace)


class SplitResults:
    """API 2.0: one file of successful rows, one of failed ones, one of those never looked at; each with the
    columns of the upload."""

    KINDS = ("successfulResults", "failedResults", "unprocessedrecords")

    def __init__(self, path: Path, titles: list[str], delimiter: str) -> None:
        self._files = [part(path, kind).open("w", encoding="utf-8", newline="") for kind in self.KINDS]
        self._good, self._bad, self._left = (
            csv.writer(each, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for each in self._files
        )
        self._good.writerow(("sf__Id", "sf__Created", *titles))
        self._bad.writerow(("sf__Id", "sf__Error", *titles))
        self._left.writerow(titles)

    def __enter__(self) -> SplitResults:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._files:
            each.close()

    def written(self, identifier: str, created: bool, row: list[str]) -> None:
        """The row was carried out."""
        self._good.writerow((identifier, str(created).lower(), *row))

    def refused(self, error: ApiError, row: list[str]) -> None:
        """The row changed nothing."""
        self._bad.writerow(("", told(error), *row))

    def left(self, row: list[str]) -> None:
        """The row was not looked at."""
        self._left.writerow(row)


def part(path: Path, kind: str) -> Path:
    """The file of one kind of results."""
    return path.with_name(f"{path.name}.{kind}")
