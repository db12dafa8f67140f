"""What ``isthmus check`` tries at Salesforce. Every line stands for itself: one that fails hides no other.

Each that fails says where in the org, in the settings or on the site it is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from adapters.salesforce.check.fitness import fitness
from adapters.salesforce.check.grant import PLACE, Grants, granted
from adapters.salesforce.check.listening import listening
from adapters.salesforce.check.reach import UNREACHED, Reach
from adapters.salesforce.check.usage import allocation, calls
from adapters.salesforce.connection.auth import Login, Session
from adapters.salesforce.connection.rest import Reply, Rest
from adapters.salesforce.settings import Settings
from adapters.salesforce.stream.channel import channels_of
from adapters.salesforce.stream.pubsub import PubSub
from adapters.salesforce.table import Table
from adapters.salesforce.values import soql
from agent.errors import IsthmusError, Refused
from agent.ports import Check

#: Calls of one check that run at a time; an org minds many long ones.
_AT_ONCE = 5
_USER = "SELECT Username, IsActive, Profile.Name, Profile.UserLicense.Name FROM User WHERE Id = {user}"
#: A group of lines: what it is called where it fails as a whole, and how it is found out.
_Section = tuple[str, Awaitable[Iterable[Check]]]


class SalesforceProbe:
    """A Probe. ``connect`` makes a Pub/Sub client, which is closed again."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        settings: Settings,
        reach: Reach,
        login: Login,
        rest: Rest,
        connect: Callable[[], PubSub],
    ) -> None:
        self._tables = tables
        self._settings = settings
        self._reach = reach
        self._login = login
        self._rest = rest
        self._connect = connect
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check(self) -> list[Check]:
        """Every check, those of one object together. Without a login, what can be told without one."""
        address = self._settings.login_url
        try:
            session = await self._login.session()
        except IsthmusError as error:
            # When the agent itself would try again is no matter of a check.
            remedy = error.remedy.partition("; next login")[0]
            first = Check("login", False, error.message.removeprefix("login: "), remedy)
            known = [("clock", self._reach.versions(address)), ("hosts", self._reach.hosts([address]))]
            return [first, *await _together(known)]
        grants = asyncio.ensure_future(self._grants(session))
        sections: list[_Section] = [
            ("user", self._user(session)),
            ("api version", self._reach.versions(session.instance_url)),
            ("limits", self._limits()),
            ("hosts", self._reach.hosts([address, session.instance_url])),
            *((f"object {table.name}", self._object(table, grants)) for table in self._tables.values()),
            ("events", self._events(grants)),
        ]
        text = f"org {session.tenant_id} at {session.instance_url}{self._reach.way(session.instance_url)}"
        return [Check("login", True, text), *await _together(sections)]

    async def _user(self, session: Session) -> list[Check]:
        try:
            found = (await self._get("/query", {"q": _USER.format(user=soql(session.user_id))})).body
            record = found["records"][0]
            profile = record["Profile"]
            name = f"{record['Username']}, {profile['Name']}, {profile['UserLicense']['Name']}"
            active = record["IsActive"] is True
        except (Refused, KeyError, TypeError, IndexError):
            # A login was granted, so it is active; not every user may look at users.
            return [Check("user", True, f"{session.user_id}; it may not see its profile and licence")]
        if active:
            return [Check("user", True, name)]
        path = f"Setup > Users > Users > {record['Username']} > Edit: Active"
        return [Check("user", False, f"{name}: inactive", path)]

    async def _limits(self) -> list[Check]:
        body = (await self._get("/limits")).body
        return [calls(body), allocation(body)]

    async def _object(self, table: Table, grants: Awaitable[Grants | None]) -> list[Check]:
        given = await grants
        place = given.place if given else PLACE
        try:
            described = (await self._get(f"/sobjects/{table.name}/describe")).body
        except Refused as error:
            remedy = f"check the name; {place} > Object Settings > {table.name} > Edit: Read"
            return [Check(f"object {table.name}", False, error.message, remedy)]
        return list(fitness(table, described, place))

    async def _grants(self, session: Session) -> Grants | None:
        """What the user may do; None also where that can't be found out, which other lines tell."""
        try:
            async with self._slots:
                return await granted(self._rest, session.user_id, self._tables)
        except IsthmusError:
            return None

    async def _events(self, grants: Awaitable[Grants | None]) -> list[Check]:
        specs = [table.spec for table in self._tables.values()]
        channels = channels_of(specs, self._settings.channels, self._settings.managed)
        if not channels:
            return []
        given = await grants
        pubsub = self._connect()
        try:
            return await listening(pubsub, self._rest, channels, given)
        finally:
            await pubsub.close()

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        async with self._slots:
            return await self._rest.get(path, params)


async def _together(sections: Sequence[_Section]) -> list[Check]:
    """The checks of all sections, in their order; a section that fails as a whole is one failed line."""
    found = await asyncio.gather(*(work for _, work in sections), return_exceptions=True)
    checks: list[Check] = []
    for (name, _), told in zip(sections, found, strict=True):
        if isinstance(told, IsthmusError):
            checks.append(Check(name, False, told.message, told.remedy or UNREACHED))
        elif isinstance(told, KeyError | TypeError | ValueError | AttributeError):
            checks.append(Check(name, False, f"the answer can't be read ({type(told).__name__})"))
        elif isinstance(told, BaseException):
            raise told
        else:
            checks += told
    return checks
