"""Signing in and out."""

from __future__ import annotations

import gzip
import ssl
import time
from pathlib import Path
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.sandbox.salesforce.client import Client, codes

TOKEN = "/services/oauth2/token"
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def claims(client: Client, **changed: object) -> dict[str, Any]:
    base = {
        "iss": client.details.client_id,
        "sub": client.details.username,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
    }
    return {**base, **changed}


def assertion(client: Client, content: dict[str, Any]) -> dict[str, str]:
    key = Path(client.details.jwt_key_file).read_text()
    return {"grant_type": JWT, "assertion": jwt.encode(content, key, algorithm="RS256")}


async def test_jwt_bearer_signed_with_the_printed_key(client: Client) -> None:
    for audience in ("https://login.salesforce.com", "https://test.salesforce.com", client.details.http):
        answer = await client.http.post(TOKEN, data=assertion(client, claims(client, aud=audience)))
        body = answer.json()
        assert answer.status_code == 200, body
        assert body["access_token"].startswith(client.details.org_id[:15] + "!")
        assert body["instance_url"] == client.details.http
        assert not {"refresh_token", "expires_in"} & set(body)


async def test_jwt_with_its_expiry_as_text(client: Client) -> None:
    content = claims(client, exp=str(int(time.time()) + 180))
    answer = await client.http.post(TOKEN, data=assertion(client, content))
    assert answer.status_code == 200


MISFITS: list[tuple[dict[str, object], str]] = [
    ({"aud": "https://example.org"}, "invalid_grant"),
    ({"exp": 1}, "invalid_grant"),
    ({"exp": 9999999999}, "invalid_grant"),
    ({"iss": "somebody"}, "invalid_client_id"),
    ({"sub": "nobody@example.org"}, "invalid_grant"),
]


async def test_a_jwt_that_does_not_fit_is_refused_as_an_object(client: Client) -> None:
    for changed, error in MISFITS:
        answer = await client.http.post(TOKEN, data=assertion(client, claims(client, **changed)))
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert answer.json()["error_description"]


async def test_client_credentials_in_the_form_and_in_basic(client: Client) -> None:
    details = client.details
    form = {"grant_type": "client_credentials"}
    basic = httpx2.BasicAuth(details.client_id, details.client_secret)
    assert (await client.http.post(TOKEN, data=form, auth=basic)).status_code == 200
    whole = {**form, "client_id": details.client_id, "client_secret": details.client_secret}
    assert (await client.http.post(TOKEN, data=whole)).status_code == 200
    answer = await client.http.post(TOKEN, data={**whole, "client_secret": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


async def test_password(client: Client) -> None:
    details = client.details
    form = {
        "grant_type": "password",
        "client_id": details.client_id,
        "client_secret": details.client_secret,
        "username": details.username,
        "password": details.password,
    }
    assert (await client.http.post(TOKEN, data=form)).status_code == 200
    answer = await client.http.post(TOKEN, data={**form, "password": "x"})
    assert answer.json() == {"error": "invalid_grant", "error_description": "authentication failure"}


async def test_userinfo_names_the_tenant(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    body = (await client.http.get("/services/oauth2/userinfo", headers=headers)).json()
    assert body["organization_id"] == client.details.org_id
    assert len(body["organization_id"]) == 18
    assert body["preferred_username"] == client.details.username


async def test_a_revoked_token_is_an_invalid_session(client: Client) -> None:
    assert (
        await client.http.post("/services/oauth2/revoke", data={"token": client.token})
    ).status_code == 200
    answer = await client.call("GET", "limits")
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


async def test_a_token_expires_when_unused(client: Client) -> None:
    await client.control("clock", {"advance": 3 * 3600})
    assert codes(await client.call("GET", "limits")) == ["INVALID_SESSION_ID"]


async def test_chunked_and_compressed_bodies_are_read(client: Client) -> None:
    async def pieces() -> Any:
        yield b'{"Name": "in '
        yield b'pieces"}'

    headers = {"Authorization": f"Bearer {client.token}"}
    path = "/services/data/v62.0/sobjects/Account"
    assert (await client.http.post(path, content=pieces(), headers=headers)).status_code == 201
    packed = gzip.compress(b'{"Name": "packed"}')
    answer = await client.http.post(path, content=packed, headers={**headers, "Content-Encoding": "gzip"})
    assert answer.status_code == 201


async def test_https_presents_a_certificate_of_the_printed_authority(client: Client) -> None:
    trust = ssl.create_default_context(cafile=client.details.ca_file)
    async with httpx2.AsyncClient(verify=trust, trust_env=False) as http:
        for base in (client.details.https, client.details.https.replace("127.0.0.1", "localhost")):
            assert (await http.get(f"{base}/services/data")).status_code == 200


async def test_a_jwt_needs_the_signature_of_the_printed_key(client: Client) -> None:
    other = rsa.generate_private_key(65537, 2048)
    forged = jwt.encode(claims(client), other, algorithm="RS256")
    shared = jwt.encode(claims(client), "a shared secret of thirty-two bytes", algorithm="HS256")
    bare = jwt.encode(claims(client), "", algorithm="none")
    for token in (forged, shared, bare, "no.jwt.atall", ""):
        answer = await client.http.post(TOKEN, data={"grant_type": JWT, "assertion": token})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
