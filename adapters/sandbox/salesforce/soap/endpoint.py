"""POST /services/Soap/u/<version>: one operation a call, with or without a slash at the end."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from adapters.sandbox.salesforce.identity.oauth import OAuth, base_of
from adapters.sandbox.salesforce.org.actor import Actor, User, api_actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.markup import Element, parse
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest.bodies import read_body
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.rest.gate import Gate
from adapters.sandbox.salesforce.rest.queries import Queries
from adapters.sandbox.salesforce.soap import records, session
from adapters.sandbox.salesforce.soap.texts import Markup, envelope, fault, query_result, tag

XML = "text/xml;charset=UTF-8"
_VERSION = re.compile(r"(\d+\.\d)(?:/.*)?")
_PAGE = 2000
Operation = Callable[[Call, Element], str]


class Soap:
    """The operations of the partner WSDL that clients use."""

    def __init__(self, org: Org, gate: Gate, oauth: OAuth, queries: Queries) -> None:
        self._org = org
        self._gate = gate
        self._oauth = oauth
        self._queries = queries
        self._operations: dict[str, Operation] = {
            **records.OPERATIONS,
            "query": self._query,
            "queryAll": self._query_all,
            "queryMore": self._query_more,
            "getUserInfo": lambda call, _: session.user_info(call.org, call.actor.user),
            "getServerTimestamp": lambda call, _: session.timestamp(call.org),
        }

    async def serve(self, request: Request) -> Response:
        """Answers one operation; a refusal is a fault with status 500."""
        names: list[str] = []
        try:
            match = _VERSION.fullmatch(request.path_params["rest"])
            version = match[1] if match else "62.0"
            root = parse(await read_body(request), "INVALID_XML")
            body = root.child("Body")
            if root.name != "Envelope" or body is None or not body.children:
                raise ApiError("INVALID_XML", "the document is no SOAP envelope with a body")
            operation = body.children[0]
            if operation.name == "login":
                content = self._login(request, operation, version)
            else:
                token, actor = self._caller(root, version)
                names = [each.value("type") for each in operation.children]
                self._gate.strike_before(request, names, "POST")
                content = self._run(token, actor, version, operation)
            response = Response(
                envelope(tag(f"{operation.name}Response", Markup(content))), 200, media_type=XML
            )
        except ApiError as error:
            response = Response(fault(error), 500, media_type=XML)
        return await self._gate.finish(request, response, names, "POST")

    def _login(self, request: Request, operation: Element, version: str) -> str:
        user = self._oauth.password_fits(operation.value("username"), operation.value("password"))
        if user is None:
            text = "Invalid username, password, security token; or user locked out."
            raise ApiError("INVALID_LOGIN", text)
        return session.login(self._org, user, self._oauth.session(user), base_of(request), version)

    def _caller(self, root: Element, version: str) -> tuple[str, Actor]:
        header = root.child("Header") or Element("Header")
        token = (header.child("SessionHeader") or Element("")).value("sessionId")
        user: User = self._gate.user(token)
        client = (header.child("CallOptions") or Element("")).value("client")
        actor = api_actor(user, version, client, "soap")
        saves = (header.child("DuplicateRuleHeader") or Element("")).value("allowSave") == "true"
        together = (header.child("AllOrNoneHeader") or Element("")).value("allOrNone") == "true"
        return token if not together else f"{token} all", Actor(actor.user, actor.origin, actor.client, saves)

    def _run(self, token: str, actor: Actor, version: str, operation: Element) -> str:
        if operation.name == "logout":
            self._oauth.end(token.partition(" ")[0])
            return ""
        work = self._operations.get(operation.name)
        if work is None:
            raise ApiError("UNSUPPORTED_API_VERSION", f"no operation {operation.name}")
        options = {"all-or-none": "true"} if token.endswith(" all") else {}
        call = Call(self._org, actor, version, "POST", "", {}, {}, options, None)
        return work(call, operation)

    def _query(self, call: Call, operation: Element) -> str:
        page = self._queries.run(call, operation.value("queryString"), _PAGE)
        return _page(page)

    def _query_all(self, call: Call, operation: Element) -> str:
        page = self._queries.run(call, operation.value("queryString"), _PAGE, deleted=True)
        return _page(page)

    def _query_more(self, call: Call, operation: Element) -> str:
        return _page(self._queries.next(call, operation.value("queryLocator")))


def _page(page: dict[str, object]) -> str:
    following = page.get("nextRecordsUrl")
    locator = str(following).rpartition("/")[2] if following else None
    return tag("result", query_result(page, locator), ' xsi:type="QueryResult"')
