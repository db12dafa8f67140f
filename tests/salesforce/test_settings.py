"""Settings that could send a secret where it must not go are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.salesforce.settings import Settings

JWT: dict[str, Any] = {"client_id": "app", "username": "u@example.com", "key": "file:/key.pem"}
LOCAL = {"login_url": "http://127.0.0.1:8080", "insecure_http": True}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"key": "env:SF_KEY"},
        LOCAL,
        {"pubsub_endpoint": "127.0.0.1:7443", "pubsub_plaintext": True},
        {"pubsub_endpoint": "[::1]:7443", "pubsub_plaintext": True},
        {"auth": "client-credentials", "client_secret": "env:S"},
    ],
)
def test_accepted(changes: dict[str, Any]) -> None:
    Settings(**(JWT | changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"clientid": "x"}, "clientid"),
        ({"login_url": "http://login.salesforce.com"}, "https"),
        ({"login_url": "http://127.0.0.1:8080"}, "insecure_http"),
        ({"login_url": "http://example.com", "insecure_http": True}, "loopback"),
        ({"insecure_http": True}, "loopback"),
        ({"login_url": "https://a:b@example.com"}, "scheme and host only"),
        ({"login_url": "https://example.com/x"}, "scheme and host only"),
        ({"pubsub_plaintext": True}, "loopback"),
        ({"pubsub_endpoint": "nowhere"}, "host:port"),
        ({"key": "-----BEGIN PRIVATE KEY-----"}, "reference"),
        ({"username": None}, "username"),
        ({"auth": "client-credentials"}, "client_secret"),
        ({"auth": "password"}, "auth"),
        ({"api_version": "latest"}, "api_version"),
        ({"client": "a;b"}, "client"),
    ],
)
def test_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Settings(**(JWT | changes))
