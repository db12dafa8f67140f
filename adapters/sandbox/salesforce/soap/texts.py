"""XML as the SOAP API writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from adapters.sandbox.salesforce.org.errors import ApiError

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" '
    'xmlns:sf="urn:{sf}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{body}'
    "</soapenv:Body></soapenv:Envelope>"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def tag(name: str, content: object, attributes: str = "") -> str:
    """One element; None is written as nil, markup is taken as it is when it is ``Markup``."""
    if content is None:
        return f'<{name} xsi:nil="true"/>'
    text = content if isinstance(content, Markup) else plain(content)
    return f"<{name}{attributes}>{text}</{name}>"


class Markup(str):
    """Text that is XML already."""

    __slots__ = ()


def joined(parts: Iterable[str]) -> Markup:
    """Several elements in a row."""
    return Markup("".join(parts))


def plain(value: object) -> str:
    """A value as element text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_CONTROL.sub("", str(value)))


def envelope(body: str) -> bytes:
    """A whole answer."""
    return _ENVELOPE.format(sf="sobject.partner.soap.sforce.com", body=body).encode("utf-8", "replace")


def fault(error: ApiError) -> bytes:
    """A whole refusal."""
    kinds = {"INVALID_LOGIN": "LoginFault", "MALFORMED_QUERY": "MalformedQueryFault"}
    kind = kinds.get(error.code, "UnexpectedErrorFault")
    detail = tag(
        f"sf:{kind}",
        joined((tag("sf:exceptionCode", error.code), tag("sf:exceptionMessage", error.message))),
        f' xsi:type="sf:{kind}"',
    )
    body = tag(
        "soapenv:Fault",
        joined(
            (
                tag("faultcode", f"sf:{error.code}"),
                tag("faultstring", f"{error.code}: {error.message}"),
                tag("detail", Markup(detail)),
            )
        ),
    )
    return _ENVELOPE.format(sf="fault.partner.soap.sforce.com", body=body).encode("utf-8", "replace")


def errors(error: ApiError) -> str:
    """The ``errors`` element of a result."""
    parts = [tag("fields", name) for name in error.fields]
    parts += [tag("message", error.message), tag("statusCode", error.code)]
    return tag("errors", joined(parts))


def sobject(record: dict[str, object], name: str = "records") -> str:
    """A record as query and retrieve show it: type, then the fields, parents and children inside."""
    attributes = record.get("attributes")
    kind = attributes.get("type") if isinstance(attributes, dict) else "AggregateResult"
    parts = [tag("sf:type", kind), tag("sf:Id", record.get("Id"))]
    for field, value in record.items():
        if field in ("attributes", "Id"):
            continue
        if isinstance(value, dict) and "records" in value:
            parts.append(tag(f"sf:{field}", query_result(value, None), ' xsi:type="QueryResult"'))
        elif isinstance(value, dict) and "attributes" in value:
            parts.append(sobject(value, f"sf:{field}"))
        elif isinstance(value, dict):
            parts.append(tag(f"sf:{field}", joined(tag(f"sf:{k}", v) for k, v in value.items())))
        else:
            parts.append(tag(f"sf:{field}", value))
    return tag(name, joined(parts), ' xsi:type="sf:sObject"')


def query_result(page: dict[str, object], locator: str | None) -> Markup:
    """The inside of a query result."""
    rows = page["records"] if isinstance(page["records"], list) else []
    parts = [tag("done", page["done"]), tag("queryLocator", locator)]
    parts += [sobject(row) for row in rows]
    return joined([*parts, tag("size", page["totalSize"])])
