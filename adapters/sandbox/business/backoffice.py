"""SAP's users: they set and clear the central order block through the sample SAP's control port."""

from __future__ import annotations

import asyncio

import httpx2

_TRIES = 8
_TIMEOUT_S = 30.0


class SapDesk:
    """People in SAP. What they do twice is the same as done once, so a lost answer is simply done again."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S)
        self.retries = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def customers(self) -> dict[str, str]:
        """Number → KUNNR of the customers that have arrived, as they arrived."""
        rows = (await self._call("GET", "/customers")).json()
        return {str(row["sortl"]).rstrip(): str(row["kunnr"]) for row in rows if str(row["sortl"]).strip()}

    async def block(self, kunnr: str, code: str) -> None:
        """Set the order block: "01" or "" for none."""
        await self._call("POST", f"/customers/{kunnr}", {"AUFSD": code})

    async def send_broken_file(self) -> None:
        """Have SAP write a file that is cut within a segment."""
        (await self._http.post("/broken")).raise_for_status()

    async def _call(self, method: str, path: str, body: object = None) -> httpx2.Response:
        for attempt in range(_TRIES):
            try:
                answer = await self._http.request(method, path, json=body)
            except httpx2.TransportError:
                if attempt == _TRIES - 1:
                    raise
            else:
                if answer.status_code < 500 or attempt == _TRIES - 1:
                    return answer.raise_for_status()
            self.retries += 1
            await asyncio.sleep(0.05 * 2**attempt)
        raise RuntimeError("unreachable: the last try returns or raises")
