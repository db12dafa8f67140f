"""Words and comments that must not stand in a tracked file; spelled in pieces here, so as not to match."""

import io
import re
import tokenize
from collections.abc import Iterator

from tests.architecture.source import Offence, Source

_UNFINISHED = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3))
_HOSTS = "|".join(
    re.escape(name + dot)
    for name, dot in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("npmjs", ".org"),
        ("deb.debian", ".org"),
        ("security.debian", ".org"),
        ("crates", ".io"),
    )
)
_FORBIDDEN = {
    rf"\b(?:{_UNFINISHED})\b": "is unfinished work",
    rf"\b{'help' + 'ers'}\b": "names nothing",
    rf"(?<![\w/.:>*|-])/(?:{'wo' + 'rk'}|{'ro' + 'ot'}|{'ho' + 'me'}/\w+)/": "is a path of one machine",
    rf"(?i)(?:{_HOSTS})\b": "is a package registry's host",
}
_IGNORE = re.compile(r"#\s*type:\s*ignore")
_REASONED_IGNORE = re.compile(r"#\s*type:\s*ignore\[[\w, -]+\]\s*(?:#|-|—|:)\s*\w+")


def forbidden_words(source: Source) -> Iterator[Offence]:
    """Unfinished work, empty names, one machine's paths and registry hosts."""
    for number, line in enumerate(source.text.splitlines(), 1):
        for pattern, why in _FORBIDDEN.items():
            for match in re.finditer(pattern, line):
                yield Offence(source.path, number, f"{match.group()!r} {why}")


def silent_ignores(source: Source) -> Iterator[Offence]:
    """Type errors that are ignored without naming the error and, after it, the reason."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        ignores = token.type == tokenize.COMMENT and _IGNORE.search(token.string)
        if ignores and not _REASONED_IGNORE.search(token.string):
            yield Offence(source.path, token.start[0], "ignores a type error without code and reason")
