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
        {
            "auth": "client-credentials",
            "client_secret": "env:S",
            "login_url": "https://acme.my.salesforce.com",
        },
        {"proxy": "http://proxy.example.com:3128"},
        {"proxy": "http://[2001:db8::1]:3128"},
        {"proxy": "http://p:3128", "proxy_user": "env:U", "proxy_password": "credential:p"},
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
        ({"auth": "client-credentials", "client_secret": "env:S"}, "My Domain"),
        (
            {
                "auth": "client-credentials",
                "client_secret": "env:S",
                "login_url": "https://test.salesforce.com",
            },
            "My Domain",
        ),
        ({"proxy": "proxy.example.com:3128"}, "http://host:port"),
        ({"proxy": "https://proxy.example.com:3128"}, "TLS is inside"),
        ({"proxy": "http://proxy.example.com"}, "host:port"),
        ({"proxy": "http://u:p@proxy.example.com:3128"}, "proxy_user"),
        ({"proxy": "http://p:3128", "proxy_user": "env:U"}, "belong together"),
        ({"proxy_user": "env:U", "proxy_password": "env:P"}, "need proxy"),
        ({"proxy": "http://p:3128", "proxy_user": "u", "proxy_password": "hush"}, "reference"),
        ({"auth": "password"}, "auth"),
        ({"api_version": "latest"}, "api_version"),
        ({"client": "a;b"}, "client"),
    ],
)
def test_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Settings(**(JWT | changes))
