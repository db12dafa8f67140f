"""Several calls in one: composite, graphs, batch."""

from __future__ import annotations

from typing import Any

from tests.sandbox.salesforce.client import Client, codes

BASE = "/services/data/v62.0"
Part = dict[str, Any]


def part(reference: str, url: str, method: str = "POST", **body: object) -> Part:
    made: Part = {"method": method, "url": f"{BASE}/{url}", "referenceId": reference}
    return made | ({"body": body} if body else {})


def family(name: str) -> list[Part]:
    """A customer and a person, the second referring to the first."""
    return [
        part("account", "sobjects/Account", Name=name),
        part("person", "sobjects/Contact", LastName=name, AccountId="@{account.id}"),
    ]


async def composite(client: Client, *parts: Part, **options: object) -> list[Part]:
    answer = await client.call("POST", "composite", {"compositeRequest": list(parts), **options})
    assert answer.status_code == 200, answer.text
    found: list[Part] = answer.json()["compositeResponse"]
    return found


async def test_a_part_refers_to_what_earlier_ones_answered(empty: Client) -> None:
    read = part("read", "sobjects/Account/@{account.id}?fields=Name", "GET")
    query = part("query", "query?q=SELECT+LastName+FROM+Contact+WHERE+AccountId='@{account.id}'", "GET")
    again = part("again", "sobjects/Contact/@{person.id}", "PATCH", Title="@{query.records[0].LastName}!")
    done = await composite(empty, *family("Øst"), read, query, again)
    assert [each["httpStatusCode"] for each in done] == [201, 201, 200, 200, 204]
    assert done[0]["httpHeaders"]["Location"].endswith(done[0]["body"]["id"])
    assert done[2]["body"]["Name"] == "Øst"
    row = (await empty.call("GET", f"sobjects/Contact/{done[1]['body']['id']}")).json()
    assert row["Title"] == "Øst!"


async def test_parts_are_transactions_of_their_own_unless_all_or_none_is_asked(empty: Client) -> None:
    alone = await composite(empty, *family("A"), part("bad", "sobjects/Account", Phone="1"))
    assert [each["httpStatusCode"] for each in alone] == [201, 201, 400]
    together = await composite(
        empty, *family("B"), part("bad", "sobjects/Account", Phone="1"), allOrNone=True
    )
    assert [each["httpStatusCode"] for each in together] == [400, 400, 400]
    assert [each["body"][0]["errorCode"] for each in together] == [
        "PROCESSING_HALTED",
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
    ]
    assert (await empty.query("SELECT COUNT() FROM Account"))["totalSize"] == 1
    await composite(empty, *family("C"), allOrNone=True)
    events = (await empty.events(4))[2:]
    assert [event.header["sequenceNumber"] for event in events] == [1, 2]
    assert len({event.header["transactionKey"] for event in events}) == 1


async def test_a_part_that_depends_on_a_failed_one_is_halted(empty: Client) -> None:
    done = await composite(
        empty,
        part("account", "sobjects/Account", Phone="1"),
        part("person", "sobjects/Contact", LastName="A", AccountId="@{account.id}"),
    )
    assert done[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert "account.id" in done[1]["body"][0]["message"]


async def test_a_value_that_cannot_be_read_fails_its_whole_collection(empty: Client) -> None:
    records = [
        {"attributes": {"type": "Account"}, "Name": "A", **more} for more in ({}, {"AnnualRevenue": "?"})
    ]
    answer = await empty.call("POST", "composite/sobjects", {"records": records})
    assert (answer.status_code, codes(answer)) == (400, ["JSON_PARSER_ERROR"])
    assert (await empty.query("SELECT COUNT() FROM Account"))["totalSize"] == 0


async def test_a_collection_inside_undoes_only_its_own(empty: Client) -> None:
    records = [
        {"attributes": {"type": "Account"}, "Name": "A"},
        {"attributes": {"type": "Account"}, "Phone": "1"},
    ]
    done = await composite(
        empty,
        part("one", "sobjects/Account", Name="kept"),
        part("many", "composite/sobjects", records=records, allOrNone=True),
        allOrNone=True,
    )
    assert [each["success"] for each in done[1]["body"]] == [False, False]
    assert (await empty.query("SELECT Name FROM Account"))["records"][0]["Name"] == "kept"


async def test_too_many_parts_and_parts_without_names_are_refused(empty: Client) -> None:
    many = [part(f"p{n}", "limits", "GET") for n in range(26)]
    answer = await empty.call("POST", "composite", {"compositeRequest": many})
    assert (answer.status_code, codes(answer)) == (400, ["LIMIT_EXCEEDED"])
    twice = [part("p", "limits", "GET"), part("p", "limits", "GET")]
    assert codes(await empty.call("POST", "composite", {"compositeRequest": twice})) == ["INVALID_INPUT"]
    assert codes(await empty.call("POST", "composite", {"compositeRequest": [{}]})) == ["INVALID_INPUT"]
    [nested] = await composite(empty, part("p", "composite", compositeRequest=[]))
    assert nested["body"][0]["errorCode"] == "INVALID_INPUT"


async def test_each_graph_happens_wholly_or_not_at_all(empty: Client) -> None:
    bad = [*family("bad"), part("third", "sobjects/Account", Phone="1")]
    body = {
        "graphs": [
            {"graphId": "1", "compositeRequest": family("good")},
            {"graphId": "2", "compositeRequest": bad},
        ]
    }
    one, two = (await empty.call("POST", "composite/graph", body)).json()["graphs"]
    assert (one["graphId"], one["isSuccessful"], two["isSuccessful"]) == ("1", True, False)
    statuses = [each["httpStatusCode"] for each in two["graphResponse"]["compositeResponse"]]
    assert statuses == [400, 400, 400]
    assert (await empty.query("SELECT COUNT() FROM Contact"))["totalSize"] == 1


async def test_limits_of_graphs(empty: Client) -> None:
    async def refused(graphs: list[Any]) -> list[str]:
        answer = await empty.call("POST", "composite/graph", {"graphs": graphs})
        return [each["errorCode"] for each in answer.json()]

    one = {"graphId": "1", "compositeRequest": family("x")}
    assert await refused([one | {"graphId": str(n)} for n in range(76)]) == ["LIMIT_EXCEEDED"]
    nodes = [part(f"n{n}", "sobjects/Account", Name="x") for n in range(501)]
    assert await refused([{"graphId": "1", "compositeRequest": nodes}]) == ["LIMIT_EXCEEDED"]
    deep = [part("n0", "sobjects/Account", Name="x")]
    deep += [part(f"n{n}", "sobjects/Account", Name="x", ParentId=f"@{{n{n - 1}.id}}") for n in range(1, 16)]
    assert await refused([{"graphId": "1", "compositeRequest": deep}]) == ["LIMIT_EXCEEDED"]
    assert await refused([one, one]) == ["INVALID_INPUT"]


async def test_after_fourteen_failures_the_rest_is_halted(empty: Client) -> None:
    bad = [part("a", "sobjects/Account", Phone="1")]
    graphs = [{"graphId": str(n), "compositeRequest": bad} for n in range(16)]
    answer = (await empty.call("POST", "composite/graph", {"graphs": graphs})).json()["graphs"]
    first = [each["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"] for each in answer]
    assert first == ["REQUIRED_FIELD_MISSING"] * 15 + ["PROCESSING_HALTED"]


async def test_a_batch_of_independent_calls(empty: Client) -> None:
    requests = [
        {"method": "POST", "url": "v62.0/sobjects/Account", "richInput": {"Name": "A"}},
        {"method": "GET", "url": "v62.0/sobjects/Nothing"},
        {"method": "GET", "url": "v62.0/limits"},
    ]
    body = {"batchRequests": requests}
    answer = (await empty.call("POST", "composite/batch", body)).json()
    assert answer["hasErrors"] is True
    assert [each["statusCode"] for each in answer["results"]] == [201, 404, 200]
    halted = (await empty.call("POST", "composite/batch", body | {"haltOnError": True})).json()
    assert [each["statusCode"] for each in halted["results"]] == [201, 404, 412]


async def test_a_patch_may_come_as_a_post(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    path = f"sobjects/Account/{identifier}?_HttpMethod=PATCH"
    assert (await empty.call("POST", path, {"Phone": "1"})).status_code == 204
