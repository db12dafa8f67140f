"""``idoc``: IDoc files of anybody, looked at, converted, and checked. Needs no configuration."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Annotated, BinaryIO

import typer

from adapters.idoc.format.codepage import codec_of
from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Head
from adapters.idoc.format.framing import Padding
from adapters.idoc.format.json_form import JsonWriter
from adapters.idoc.format.loading import load_dictionary
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.problems import Findings, Problem, Report
from adapters.idoc.format.validation import Validator
from agent.cli.idoc_tree import Paper, problem_fields, show_items, show_problems
from agent.cli.output import JsonOption, put, say
from agent.errors import InputError
from agent.operations.wire import clean

FileArgument = Annotated[Path, typer.Argument(help="An IDoc file: flat, XML or JSON; - for standard input.")]
DictionaryOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--dictionary", "-d", help="WE60 parser export, XML schema, WSDL or CSV; may be given several times."
    ),
]
EncodingOption = Annotated[
    str, typer.Option(help="Code page of the file: SAP's number (1100) or a name. XML declares its own.")
]
ColorOption = Annotated[bool, typer.Option("--no-color", help="No colour, as NO_COLOR says it too.")]

#: What is converted is held back until it is whole: in memory up to this size, then in a file.
_IN_MEMORY = 32 << 20


_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
_FORMS = ", ".join((*_ENDS, *(padding.value for padding in Padding), "types", "encoding=NAME"))


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = typer.Typer(
        help="IDoc files: look at, convert, check. Needs no configuration.", no_args_is_help=True
    )
    verbs.command("show")(show)
    verbs.command("convert")(convert_file)
    verbs.command("validate")(validate)
    app.add_typer(verbs, name="idoc")


@dataclass(slots=True)
class _Reading:
    """A file that is open, what is known about its segments, and what was found wrong."""

    opened: Opened
    dictionary: Dictionary
    findings: Findings
    report: Report


def show(
    file: FileArgument,
    dictionary: DictionaryOption = None,
    encoding: EncodingOption = "",
    as_json: JsonOption = False,
    no_color: ColorOption = False,
) -> None:
    """Show the tree of segments with their fields."""
    with _reading(file, dictionary, encoding) as reading, _pipe():
        if as_json:
            writer = JsonWriter(reading.dictionary, reading.report, headers=False)
            _write(writer.write(reading.opened))
        else:
            show_items(reading.opened, reading.dictionary, Paper.of(sys.stdout, no_color))
    _end(reading.findings)


def convert_file(
    file: FileArgument,
    to: Annotated[Form, typer.Option(help="The form to make.")],
    dictionary: DictionaryOption = None,
    encoding: EncodingOption = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to, when it is whole; stdout else.")
    ] = None,
    form: Annotated[str, typer.Option(help=f"What to write, separated by commas: {_FORMS}.")] = "",
) -> None:
    """Convert between flat, XML and JSON. Nothing is written when anything is wrong."""
    wanted = _wanted(to, form)
    with _reading(file, dictionary, encoding) as reading:
        pieces = convert(reading.opened, wanted, reading.dictionary, reading.report)
        if output is None or str(output) == "-":
            _to_stdout(pieces, reading.findings)
        else:
            _to_file(pieces, reading.findings, output)
    _end(reading.findings)


def validate(
    file: FileArgument,
    dictionary: DictionaryOption = None,
    encoding: EncodingOption = "",
    as_json: JsonOption = False,
    no_color: ColorOption = False,
) -> None:
    """Check a file against its dictionary and tell of every problem; exit 2 when there is an error."""
    idocs = segments = 0
    with _reading(file, dictionary, encoding) as reading, _pipe():
        validator = Validator(reading.dictionary, reading.report, codec=reading.opened.codec)
        for item in validator.check(reading.opened):
            idocs, segments = (idocs + 1, segments) if isinstance(item, Head) else (idocs, segments + 1)
        found = reading.findings
        if as_json:
            problems = [problem_fields(problem) for problem in found]
            counts = {"errors": found.errors, "warnings": found.warnings}
            put({"file": clean(file), "idocs": idocs, "segments": segments, **counts, "problems": problems})
        else:
            paper = Paper.of(sys.stdout, no_color)
            show_problems(found, paper)
            paper.write([(f"{file}: {idocs} IDoc(s), {segments} segment(s), ", "")])
            paper.line([(f"{found.errors} error(s), {found.warnings} warning(s)", "bold")])
    if found.errors:
        raise typer.Exit(2)


def _wanted(to: Form, form: str) -> Conversion:
    """What --form asks for: each thing once."""
    wanted = Conversion(to)
    asked: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in form.split(","))):
        name, _, value = word.partition("=")
        if word in _ENDS:
            about, wanted = "the line end", replace(wanted, line_end=_ENDS[word])
        elif word in Padding.__members__.values():
            about, wanted = "the padding", replace(wanted, padding=Padding(word))
        elif word == "types":
            about, wanted = "the types", replace(wanted, types=True)
        elif name == "encoding" and value:
            about, wanted = "the encoding", replace(wanted, encoding=_known(value))
        else:
            raise InputError(f"'{clean(word)}' is no form", where="--form", remedy=f"known are {_FORMS}")
        if asked.setdefault(about, word) != word:
            both = f"'{clean(asked[about])}' and '{clean(word)}' contradict each other"
            raise InputError(both, where="--form", remedy=f"say {about} once")
    return wanted


def _known(encoding: str) -> str:
    try:
        codec_of(encoding)
    except ValueError as error:
        raise InputError(str(error), where="encoding") from None
    return encoding


@contextmanager
def _reading(file: Path, dictionaries: list[Path] | None, encoding: str) -> Iterator[_Reading]:
    """The file, open, with what the dictionaries know. A dictionary with a fault is not used at all."""
    findings = Findings()
    try:
        known = load_dictionary(dictionaries or (), report=findings.add)
    except OSError as error:
        raise _unreadable(error, str(error.filename or "")) from None
    if findings.errors:
        _tell(findings)
        raise InputError("the dictionary cannot be used", remedy="export it again, or correct the table")
    name = "standard input" if str(file) == "-" else str(file)
    with _stream(file) as stream:

        def named(problem: Problem) -> None:
            findings.add(replace(problem, file=name))

        opened = Opened(stream, encoding=_known(encoding) if encoding else "", dictionary=known, report=named)
        yield _Reading(opened, known, findings, named)


class _Source:
    """What is read; that it cannot be is told apart from what cannot be written."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self._name = name
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        try:
            return self._stream.read(size)
        except OSError as error:
            raise _unreadable(error, self._name) from None


@contextmanager
def _stream(file: Path) -> Iterator[BinaryIO]:
    stream: BinaryIO
    with ExitStack() as stack:
        if str(file) != "-":
            try:
                stream = stack.enter_context(file.open("rb"))
            except OSError as error:
                raise _unreadable(error, str(file)) from None
        elif sys.stdin is None:
            raise InputError("it is closed", where="standard input", remedy="name a file instead of -")
        else:
            stream = sys.stdin.buffer
        yield _Source(str(file), stream)  # type: ignore[misc]  # readers only read


def _unreadable(error: OSError, name: str) -> InputError:
    return InputError(error.strerror or type(error).__name__, where=clean(name))


@contextmanager
def _pipe() -> Iterator[None]:
    """Whoever reads our output may stop reading: that is no error. A full disk is one."""
    if sys.stdout is None:
        raise InputError("it is closed", where="standard output", remedy="name a file with --output")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise _unreadable(error, "standard output") from None


def _write(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)


def _to_stdout(pieces: Iterable[bytes], findings: Findings) -> None:
    with _whole(pieces) as whole, _pipe():
        if not findings.errors:
            shutil.copyfileobj(whole, sys.stdout.buffer)


@contextmanager
def _whole(pieces: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """All pieces, held back."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as whole:
        try:
            for piece in pieces:
                whole.write(piece)
            whole.seek(0)
        except OSError as error:
            raise _unreadable(error, tempfile.gettempdir()) from None
        yield whole


def _to_file(pieces: Iterable[bytes], findings: Findings, output: Path) -> None:
    """Under its name only when it is whole; what was there is replaced, and keeps its permissions. A device
    or a pipe is written to.
    """
    try:
        target = output.resolve()
        mode = target.stat().st_mode if target.exists() else 0
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if mode and not stat.S_ISREG(mode):
            with _whole(pieces) as whole, target.open("wb") as device:
                if not findings.errors:
                    shutil.copyfileobj(whole, device)
            return
        _replace(pieces, findings, target, stat.S_IMODE(mode) or 0o666 & ~_umask())
    except OSError as error:
        raise _unreadable(error, str(output)) from None


def _replace(pieces: Iterable[bytes], findings: Findings, target: Path, mode: int) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".isthmus-", delete=False) as whole:
        temporary = Path(whole.name)
        try:
            for piece in pieces:
                whole.write(piece)
            whole.flush()
            if not findings.errors:
                temporary.chmod(mode)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _tell(findings: Findings) -> None:
    """What was found, on stderr."""
    if sys.stderr is None:
        return
    show_problems(findings, Paper.of(sys.stderr, no_color=False))


def _end(findings: Findings) -> None:
    """Tell what was found; exit 2 when there was an error."""
    _tell(findings)
    if findings.errors:
        say(f"isthmus: {findings.errors} error(s)")
        raise typer.Exit(2)
