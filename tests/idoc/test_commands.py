"""``isthmus idoc``: show, convert, validate; on any file, with no configuration."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.errors import InputError
from tests.idoc.format.exports import SAMPLES, flat_file, parser_text, record

ORDERS = SAMPLES / "sap_recipes_ORDERS05_flat_crlf.txt"
WSDL = SAMPLES / "sap_recipes_ORDERS05.wsdl"


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["idoc", *map(str, arguments)], input=stdin)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A parser export."""
    (tmp_path / "orders05.txt").write_text(parser_text())
    return tmp_path / "orders05.txt"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file that fits it."""
    rows = (
        record("E2EDK01005", "000", "000001", "000000", "01").ljust(137),
        record("E2EDP01011", "000010", "000002", "000000", "02").ljust(92),
        record("E2EDP19003", "001A-1", "000003", "000002", "03").ljust(211),
    )
    (tmp_path / "order").write_bytes(flat_file(*rows))
    return tmp_path / "order"


def test_show_prints_the_tree_with_field_names_and_descriptions() -> None:
    done = run("show", ORDERS, "-d", WSDL)
    assert done.exit_code == 0
    assert "IDoc 1 ORDERS ORDERS05" in done.stdout
    assert "  E1EDKA1 E2EDKA1003\n    PARVW      WE" in done.stdout
    assert "    E1EDKA3 E2EDKA3\n      QUALP      001" in done.stdout
    assert "\x1b" not in done.stdout


def test_show_as_json_has_the_promised_shape(small: Path, orders: Path) -> None:
    document: dict[str, Any] = json.loads(run("show", small, "--json", "--dictionary", orders).stdout)
    (idoc,) = document["idocs"]
    assert idoc["control"]["MESTYP"] == "ORDERS"
    item = idoc["segments"][1]
    assert set(item) == {"type", "definition", "fields", "children"}
    assert (item["type"], item["definition"]) == ("E1EDP01", "E2EDP01011")
    assert item["fields"] == {"POSEX": "000010"}
    assert item["children"][0]["fields"] == {"QUALF": "001", "IDTNR": "A-1"}


def test_every_form_becomes_every_other_and_comes_back(small: Path, orders: Path, tmp_path: Path) -> None:
    for form in ("xml", "json"):
        middle = tmp_path / f"order.{form}"
        assert run("convert", small, "--to", form, "-d", orders, "-o", middle).exit_code == 0
        back = run("convert", middle, "--to", "flat", "-d", orders)
        assert back.exit_code == 0
        assert back.stdout_bytes == small.read_bytes()


def test_standard_input_is_a_file_too(small: Path, orders: Path) -> None:
    done = run("convert", "-", "--to", "xml", "-d", orders, stdin=small.read_bytes())
    assert done.exit_code == 0
    assert '<E1EDP19 SEGMENT="1">' in done.stdout


def wide(text: bytes) -> bytes:
    lines = text.split(b"\n")[:-1]
    return b"".join(line.ljust(524 if line.startswith(b"EDI") else 1063) + b"\n" for line in lines)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("crlf", lambda text: text.replace(b"\n", b"\r\n")),
        ("trimmed", lambda text: b"\n".join(line.rstrip() for line in text.split(b"\n"))),
        ("full", wide),
        ("encoding=4103", lambda text: text.decode().encode("utf-16-le")),
    ],
)
def test_what_is_written_may_be_framed_as_the_receiver_wants_it(small: Path, form: str, wanted: Any) -> None:
    done = run("convert", small, "--to", "flat", "--form", form)
    assert done.exit_code == 0, done.stderr
    assert done.stdout_bytes == wanted(small.read_bytes())


def test_nothing_is_written_when_a_value_does_not_fit_and_every_such_value_is_told_of(
    orders: Path, tmp_path: Path
) -> None:
    segments = "".join(f"<E1EDK14 SEGMENT='1'><QUALF>{'9' * n}</QUALF></E1EDK14>" for n in (4, 5))
    control = "<EDI_DC40 SEGMENT='1'><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP></EDI_DC40>"
    (tmp_path / "long.xml").write_text(f"<O><IDOC BEGIN='1'>{control}{segments}</IDOC></O>")
    done = run("convert", tmp_path / "long.xml", "--to", "flat", "-d", orders, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.count("E1EDK14.QUALF") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.xml", "orders05.txt"]
    assert run("convert", tmp_path / "long.xml", "--to", "flat", "-d", orders).stdout_bytes == b""


def test_validate_tells_of_every_problem_with_its_place_and_exits_2(small: Path, orders: Path) -> None:
    small.write_bytes(small.read_bytes().replace(b"00000300000203", b"00000300000901"))
    done = run("validate", small, "-d", orders)
    assert done.exit_code == 2
    assert "PSGNUM 000009 names no segment before this one" in done.stdout
    assert "line 4" in done.stdout
    told = json.loads(run("validate", small, "-d", orders, "--json").stdout)
    assert (told["idocs"], told["segments"], told["errors"]) == (1, 3, 2)
    assert told["problems"][0]["line"] == 4
    assert told["problems"][0]["offset"] == 524 + 1 + 138 + 93


def test_validate_of_a_right_file_exits_0(small: Path, orders: Path) -> None:
    done = run("validate", small, "-d", orders)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 IDoc(s), 3 segment(s), 0 error(s), 0 warning(s)" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "no-such-file"),
        ("show", ORDERS, "-d", "no-such-dictionary"),
        ("show", ORDERS, "-d", ORDERS),
        ("show", ORDERS, "--encoding", "klingon"),
        ("convert", ORDERS, "--to", "flat", "--form", "wide"),
        ("convert", ORDERS, "--to", "flat", "--form", "lf,crlf"),
        ("convert", ORDERS, "--to", "flat", "--form", "full,crlf,trimmed"),
        ("convert", ORDERS, "--to", "flat", "--form", "encoding=1100,encoding=4110"),
    ],
)
def test_wrong_use_is_an_input_error(arguments: tuple[object, ...]) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2


def test_a_file_that_is_broken_is_shown_as_far_as_it_can_be_read(small: Path, orders: Path) -> None:
    small.write_bytes(small.read_bytes() + b"<rubbish/>\n")
    done = run("show", small, "-d", orders)
    assert done.exit_code == 2
    assert "E1EDP19" in done.stdout
    assert "line 5" in done.stderr


def test_values_cannot_control_the_terminal(small: Path, orders: Path) -> None:
    small.write_bytes(small.read_bytes().replace(b"001A-1 ", b"001\x1b[2Jx"[:7].ljust(7)))
    done = run("show", small, "-d", orders)
    assert "\x1b" not in done.stdout


def terminal(*arguments: object, **environment: str) -> str:
    """What a terminal gets."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent.cli", "idoc", *map(str, arguments)]
    clean = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    with subprocess.Popen(command, stdout=theirs, env={**clean, "TERM": "xterm", **environment}) as process:
        os.close(theirs)
        pieces: list[bytes] = []
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError:  # the other end of a pty is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    return b"".join(pieces).decode()


def test_colour_is_for_terminals_and_can_be_refused(small: Path, orders: Path) -> None:
    assert "\x1b[" in terminal("show", small, "-d", orders)
    assert "\x1b[" not in terminal("show", small, "-d", orders, "--no-color")
    assert "\x1b[" not in terminal("show", small, "-d", orders, NO_COLOR="1")


def test_a_reader_who_stops_reading_is_no_error(orders: Path, tmp_path: Path) -> None:
    (tmp_path / "many").write_bytes(flat_file(*(record("E2EDP01011", "x") for _ in range(5000))))
    command = [sys.executable, "-m", "agent.cli", "idoc", "show", str(tmp_path / "many"), "-d", str(orders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, 2)


def process(command: str, *paths: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell, with the verbs as ``$IDOC``."""
    verbs = f"{sys.executable} -m agent.cli idoc"
    return subprocess.run(
        ["bash", "-c", command, "bash", *map(str, paths)],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "IDOC": verbs, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )


@pytest.mark.parametrize(
    ("command", "where"),
    [
        ('$IDOC show "$1" >/dev/full', "standard output: No space left on device"),
        ('$IDOC validate "$1" --json >/dev/full', "standard output: No space left on device"),
        ('$IDOC convert "$1" --to json >/dev/full', "standard output: No space left on device"),
        ('$IDOC show "$1" >&-', "standard output: it is closed"),
        ("$IDOC show - <&-", "standard input: it is closed"),
        ("$IDOC show /proc/self/mem", "/proc/self/mem: Input/output error"),
        ("$IDOC show /", "/: Is a directory"),
        ('$IDOC convert "$1" --to json -o /', "/: Is a directory"),
        ('$IDOC convert "$1" --to json -o "$1/none/x"', "order/none/x: Not a directory"),
    ],
)
def test_what_cannot_be_read_or_written_is_named_and_exits_2(small: Path, command: str, where: str) -> None:
    done = process(command, small)
    told = done.stderr.decode()
    assert (done.returncode, where in told, "Traceback" in told) == (2, True, False), told


def test_a_terminal_that_has_not_every_letter_shows_a_stand_in(small: Path, orders: Path) -> None:
    done = process('$IDOC show "$1" -d "$2"', small, orders, PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, b"f\\xfcr jeden" in done.stdout) == (0, True)


def test_a_file_with_a_strange_name_is_told_of_by_a_name_that_can_be_shown(small: Path) -> None:
    strange = Path(os.fsdecode(bytes(small.parent) + b"/odd\xff\x1b[2J"))
    strange.write_bytes(small.read_bytes())
    for verb in ("validate", "validate --json"):
        done = process(f'$IDOC {verb} "$1"', strange, PYTHONIOENCODING="utf-8:strict")
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout
        assert b"odd" in done.stdout


def test_what_was_there_before_keeps_its_permissions_and_its_links(small: Path, tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.write_text("old")
    secret.chmod(0o600)
    link.symlink_to(secret)
    assert run("convert", small, "--to", "json", "-o", link).exit_code == 0
    assert link.is_symlink()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert json.loads(secret.read_text())["idocs"]


def test_a_pipe_or_a_device_is_written_to_and_never_replaced(small: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = process('cat "$1" & $IDOC convert "$2" --to json -o "$1"; wait', tmp_path / "pipe", small)
    assert (tmp_path / "pipe").is_fifo()
    assert json.loads(done.stdout)["idocs"]
    assert run("convert", small, "--to", "json", "-o", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_nothing_is_replaced_by_what_is_not_whole(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    small.write_bytes(small.read_bytes().replace(b"E2EDP01011", b"e2edp01011"))
    assert run("convert", small, "--to", "json", "-o", out).exit_code == 2
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["order", "out"]


def test_a_hyphen_is_standard_output_and_a_file_may_be_converted_in_its_place(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.parent)
    done = run("convert", small, "--to", "json", "-o", "-")
    assert json.loads(done.stdout)["idocs"]
    assert not Path("-").exists()
    assert run("convert", small, "--to", "json", "-o", small).exit_code == 0
    assert small.read_text() == done.stdout


def test_standard_input_has_a_name_in_what_is_told() -> None:
    done = run("validate", "-", stdin=b"rubbish")
    assert (done.exit_code, "standard input, line 1" in done.stdout) == (2, True)


def test_a_file_of_rubbish_is_told_of_in_a_word_and_not_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"\0\xff\x1a line\n" * 1000)
    done = run("show", tmp_path / "rubbish")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) < 8
