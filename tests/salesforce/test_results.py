"""Answers of the bulk APIs as a real org may give them: compressed, mislabelled, in several results."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import PositionLost, Refused, Unreachable
from agent.ports import Reader
from tests.salesforce.conftest import Org
from tests.salesforce.orgprocess import keys_of, taken
from tests.salesforce.peers import Answer, Asked

ORDER = ObjectSpec("Order", "Id", (FieldSpec("Name"),))
TITLES = '"Id","IsDeleted","LastModifiedDate","Name"\n'
AT = "2026-11-23T10:00:00.000Z"
JOB, BATCH = "750000000000001AAA", "751000000000001AAA"
SPACE = "http://www.force.com/2009/06/asyncapi/dataload"
FOUND = "a page nobody asked for"


def key(number: int) -> str:
    return f"801{number:012d}AAA"


def file_of(*numbers: int, name: str = "Łódź 漢字") -> bytes:
    return (TITLES + "".join(f'"{key(one)}","false","{AT}","{name}"\n' for one in numbers)).encode()


def xml(tag: str, **values: Any) -> str:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return f'<{tag} xmlns="{SPACE}">{inside}</{tag}>'


def labelled(body: bytes | str, **headers: str) -> Answer:
    """An answer of Bulk API 1.0, with parameters behind its type."""
    content = body.encode() if isinstance(body, str) else body
    kind = "application/xml;charset=UTF-8" if content.startswith(b"<") else "text/csv; charset=ISO-8859-1"
    return 200, content, {"Content-Type": kind, **headers}


def org_of(results: dict[str, bytes], state: str = "Completed") -> Callable[[Asked], Answer]:
    """An org with one job of each API, whose results are these files."""
    batch = xml("batchInfo", id=BATCH, jobId=JOB, state=state, createdDate=AT, systemModstamp=AT)
    job = {"id": JOB, "state": "JobComplete", "createdDate": AT, "systemModstamp": AT}
    told = {
        f"/services/async/62.0/job/{JOB}/batch/{BATCH}/result": xml(
            "result-list", **{f"result{number}": name for number, name in enumerate(results)}
        )
        .replace("result0", "result")
        .replace("result1", "result"),
        f"/services/async/62.0/job/{JOB}/batch/{BATCH}": batch,
        f"/services/async/62.0/job/{JOB}/batch": f"<batchInfoList xmlns='{SPACE}'>{batch}</batchInfoList>",
        f"/services/async/62.0/job/{JOB}": xml("jobInfo", id=JOB, state="Open", createdDate=AT),
        "/services/async/62.0/job": xml("jobInfo", id=JOB, state="Open", createdDate=AT),
    }

    def answer(asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        if path in told:
            return labelled(told[path])
        name = path.rpartition("/")[2]
        if name in results or name == "results":
            body = results.get(name, next(iter(results.values())))
            extra = {"Sforce-Locator": "null"}
            if "gzip" in asked.headers.get("accept-encoding", ""):
                return labelled(gzip.compress(body), **extra, **{"Content-Encoding": "gzip"})
            return labelled(body, **extra)
        if name == "describe":
            return 200, {"fields": []}, {}
        return 200, job if "/jobs/query" in path else {"totalSize": 2}, {}

    return answer


def reading(org: Org, way: str) -> Reader:
    reader = org.connect(ORDER, snapshot=way).reader
    assert reader is not None
    return reader


@pytest.mark.parametrize("way", ["bulk", "bulk2"])
async def test_compressed_text_beyond_latin_1_is_no_mojibake_whatever_the_label_says(
    org: Org, way: str
) -> None:
    org.http.answer = org_of({"752A": file_of(1, 2)})
    pages = await taken(reading(org, way).page("Order"))
    assert keys_of(pages) == [key(1), key(2)]
    assert {row.fields["Name"] for page in pages for row in page.rows if row.fields} == {"Łódź 漢字"}


async def test_a_batch_may_have_several_results(org: Org) -> None:
    org.http.answer = org_of({"752A": file_of(1, 2), "752B": file_of(3)})
    reader = reading(org, "bulk")
    pages = await taken(reader.page("Order"))
    assert keys_of(pages) == [key(1), key(2), key(3)]
    for number, page in enumerate(pages):
        assert keys_of(await taken(reader.page("Order", page.resume))) == keys_of(pages[number + 1 :])


@pytest.mark.parametrize("way", ["bulk", "bulk2"])
async def test_a_result_that_became_shorter_begins_anew(org: Org, way: str) -> None:
    org.http.answer = org_of({"752A": file_of(1, 2)})
    reader = reading(org, way)
    pages = await taken(reader.page("Order"))
    org.http.answer = org_of({"752A": file_of(1)})
    with pytest.raises(PositionLost, match="shorter"):
        await taken(reader.page("Order", pages[-1].resume))


@pytest.mark.parametrize("way", ["bulk", "bulk2"])
@pytest.mark.parametrize(
    ("file", "error", "text"),
    [
        (file_of(1)[:-8], Unreachable, "damaged"),
        (file_of(1).replace(b'"Name"', b'"Nom"'), Refused, "no column Name"),
        (file_of(1) + b'"x"\n', Refused, "number of cells"),
    ],
)
async def test_results_that_are_not_as_asked(
    org: Org, way: str, file: bytes, error: type[Exception], text: str
) -> None:
    org.http.answer = org_of({"752A": file})
    with pytest.raises(error, match=text):
        await taken(reading(org, way).page("Order"))


@pytest.mark.parametrize("way", ["bulk", "bulk2"])
async def test_answers_that_are_no_jobs_are_no_answer(org: Org, way: str) -> None:
    def answer(asked: Asked) -> Answer:
        if "/job" in asked.path:
            return 200, FOUND.encode(), {"Content-Type": "text/html"}
        return 200, {"fields": [], "totalSize": 1}, {}

    org.http.answer = answer
    with pytest.raises(Unreachable) as error:
        await taken(reading(org, way).page("Order"))
    assert FOUND not in str(error.value)


async def test_a_redirect_never_carries_the_session_elsewhere(org: Org) -> None:
    elsewhere = f"http://localhost:{org.http.port}/services/async/62.0/job"

    def answer(asked: Asked) -> Answer:
        if asked.path.startswith("/services/async"):
            assert asked.headers["host"].startswith("127.0.0.1")
            return 302, b"", {"Location": elsewhere}
        return 200, {"fields": [], "totalSize": 1}, {}

    org.http.answer = answer
    with pytest.raises(Unreachable):
        await taken(reading(org, "bulk").page("Order"))
    assert sum(asked.path.startswith("/services/async") for asked in org.http.asked) == 1
