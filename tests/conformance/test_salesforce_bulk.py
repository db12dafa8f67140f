"""salesforce-bulk: every method, in CSV, JSON and XML."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from salesforce_bulk import CsvDictsAdapter, SalesforceBulk
from salesforce_bulk.salesforce_bulk import BulkApiError, BulkBatchFailed

from tests.conformance.place import Place

# It leaves the connections of streamed answers to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def bulk(place: Place) -> SalesforceBulk:
    """Signed in with a session id, over plain HTTP."""
    return SalesforceBulk(sessionId=place.token(), host=place.http, API_version="60.0")


def posted(bulk: SalesforceBulk, job: str, data: Any) -> str:
    """The batch, when it is done and its job closed."""
    batch: str = bulk.post_batch(job, data)
    bulk.close_job(job)
    bulk.wait_for_batch(job, batch, timeout=60, sleep_interval=0.02)
    return batch


def names(bulk: SalesforceBulk, mark: str) -> list[str]:
    """Names of the accounts that a test made, by a query in CSV."""
    job = bulk.create_query_job("Account", contentType="CSV")
    batch = bulk.query(job, f"SELECT Name FROM Account WHERE Site = '{mark}' ORDER BY Name")
    bulk.wait_for_batch(job, batch, timeout=60, sleep_interval=0.02)
    [result] = bulk.get_all_results_for_query_batch(batch)
    rows = list(csv.reader(io.StringIO(result.read().decode())))
    bulk.close_job(job)
    return [row[0] for row in rows[1:]]


def test_insert_from_an_iterator_of_rows(bulk: SalesforceBulk) -> None:
    job = bulk.create_insert_job("Account", contentType="CSV", concurrency="Parallel")
    rows = [{"Name": f"Ünïcode 東京 {n}", "Site": "csv"} for n in range(3)] + [{"Name": "", "Site": "csv"}]
    batch = posted(bulk, job, CsvDictsAdapter(iter(rows)))
    assert bulk.is_batch_done(batch)
    assert bulk.batch_state(batch, reload=True) == "Completed"
    status = bulk.batch_status(batch, reload=True)
    assert (status["numberRecordsProcessed"], status["numberRecordsFailed"]) == ("4", "1")
    results = bulk.get_batch_results(batch)
    assert [each.success for each in results] == ["true", "true", "true", "false"]
    assert "REQUIRED_FIELD_MISSING" in results[3].error
    assert bulk.job_state(job) == "Closed"
    assert bulk.job_status(job)["numberBatchesCompleted"] == "1"
    assert names(bulk, "csv") == [f"Ünïcode 東京 {n}" for n in range(3)]


def test_insert_in_json(bulk: SalesforceBulk) -> None:
    job = bulk.create_insert_job("Account", contentType="JSON")
    batch = posted(bulk, job, json.dumps([{"Name": "J1", "Site": "json"}, {"Site": "json"}]))
    good, bad = bulk.get_batch_results(batch)
    assert (good.success, good.created, bad.success) == (True, True, False)
    assert bad.error[0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert [each["id"] for each in bulk.get_batch_list(job)] == [batch]


def test_insert_in_xml(bulk: SalesforceBulk) -> None:
    job = bulk.create_insert_job("Account", contentType="XML")
    space = "http://www.force.com/2009/06/asyncapi/dataload"
    document = (
        f"<sObjects xmlns='{space}'><sObject><Name>X &amp; Y</Name><Site>xml</Site></sObject></sObjects>"
    )
    batch = posted(bulk, job, document)
    [result] = bulk.get_batch_results(batch)
    assert (result.success, result.created) == (True, True)
    assert names(bulk, "xml") == ["X & Y"]


def test_update_upsert_and_delete(bulk: SalesforceBulk, place: Place) -> None:
    job = bulk.create_upsert_job("Account", "Isthmus_Id__c", contentType="CSV")
    first = posted(bulk, job, b"Isthmus_Id__c,Name,Site,Phone\nsb-1,U1,three,1\nsb-2,U2,three,2\n")
    ids = [each.id for each in bulk.get_batch_results(first)]
    assert [each.created for each in bulk.get_batch_results(first)] == ["true", "true"]
    job = bulk.create_update_job("Account", contentType="CSV")
    posted(bulk, job, f"Id,Name,Phone\n{ids[0]},,#N/A\n{ids[1]},V2,\n".encode())
    assert names(bulk, "three") == ["U1", "V2"]
    job = bulk.create_delete_job("Account", contentType="CSV")
    posted(bulk, job, f"Id\n{ids[0]}\n".encode())
    assert names(bulk, "three") == ["V2"]
    job = bulk.create_queryall_job("Account", contentType="JSON")
    batch = bulk.query(job, "SELECT Name, Phone, IsDeleted FROM Account WHERE Site = 'three' ORDER BY Name")
    bulk.wait_for_batch(job, batch, timeout=60, sleep_interval=0.02)
    [result] = bulk.get_query_batch_result_ids(batch)
    rows = json.loads(bulk.get_query_batch_results(batch, result).read())
    assert [(each["Name"], each["Phone"], each["IsDeleted"]) for each in rows] == [
        ("U1", None, True),
        ("V2", "2", False),
    ]


def test_a_query_cut_up_by_keys(bulk: SalesforceBulk) -> None:
    job = bulk.create_query_job("Account", contentType="CSV", pk_chunking=10)
    first = bulk.query(job, "SELECT Id FROM Account WHERE AccountNumber LIKE 'C-%'")
    batches = [each["id"] for each in bulk.get_batch_list(job)]
    assert bulk.batch_state(first, job_id=job, reload=True) == "NotProcessed"
    assert len(batches) >= 4
    assert "Id >=" in bulk.get_query_batch_request(batches[1], job)
    found: list[str] = []
    for batch in batches[1:]:
        bulk.wait_for_batch(job, batch, timeout=60, sleep_interval=0.02)
        for result in bulk.get_all_results_for_query_batch(batch, job):
            found += [line for line in result.read().decode().splitlines()[1:] if line]
    assert len(found) == 30 == len(set(found))


def test_a_query_in_xml_and_its_raw_answer(bulk: SalesforceBulk) -> None:
    batch = bulk.query(None, "SELECT Id FROM Account WHERE AccountNumber = 'C-000001'", contentType="XML")
    job = bulk.lookup_job_id(batch)
    bulk.wait_for_batch(job, batch, timeout=60, sleep_interval=0.02)
    [result] = bulk.get_query_batch_result_ids(batch)
    raw = bulk.get_query_batch_results(batch, result, raw=True)
    try:
        assert b"<queryResult" in raw.read()
    finally:
        raw.close()


def test_a_mapping_file_renames_columns(bulk: SalesforceBulk) -> None:
    job = bulk.create_insert_job("Account", contentType="CSV")
    bulk.post_mapping_file(job, "Salesforce Field,Csv Header,Value,Hint\nName,Firma,,\nSite,,mapped,\n")
    posted(bulk, job, b"Firma\nMapped\n")
    assert names(bulk, "mapped") == ["Mapped"]


def test_abort_and_errors(bulk: SalesforceBulk, place: Place) -> None:
    job = bulk.create_insert_job("Account", contentType="CSV")
    bulk.abort_job(job)
    assert bulk.job_state(job) == "Aborted"
    with pytest.raises(BulkApiError, match="InvalidJobState"):
        bulk.post_batch(job, b"Name\nA\n")
    with pytest.raises(BulkApiError, match="InvalidJob"):
        bulk.create_insert_job("Nothing__c")
    job = bulk.create_insert_job("Account", contentType="CSV")
    with pytest.raises(BulkBatchFailed, match="Field name not found : Nme"):
        posted(bulk, job, b"Nme\nA\n")
    stranger = SalesforceBulk(sessionId="00D!none", host=place.http)
    with pytest.raises(BulkApiError, match="InvalidSessionId"):
        stranger.job_status(job)


def test_a_large_batch_is_written_in_transactions_of_two_hundred(bulk: SalesforceBulk, place: Place) -> None:
    def lines() -> Iterator[bytes]:
        yield b"Name,Site\n"
        for number in range(1000):
            yield f"L{number:04},large\n".encode()

    job = bulk.create_insert_job("Account", contentType="CSV")
    batch = posted(bulk, job, lines())
    assert len(bulk.get_batch_results(batch)) == 1000
    assert len(names(bulk, "large")) == 1000
