"""Who may act by default: the agent's own user and the administrator, and nobody else the socket lets in."""

from __future__ import annotations

import os

import pytest

from agent.api.peer import Peer, own_user_acts
from agent.operations.registry import Role

pytestmark = pytest.mark.invariant("I35")


@pytest.mark.parametrize("uid", [0, os.geteuid()])
def test_the_agents_own_user_and_the_administrator_may_act(uid: int) -> None:
    assert own_user_acts(Peer(uid, 1)) is Role.APPROVER


@pytest.mark.parametrize("uid", [os.geteuid() + 1, 1, 1000, 1001, 65533, 65534, 2**31 - 1])
def test_anybody_else_of_the_sockets_group_may_only_look(uid: int) -> None:
    assert own_user_acts(Peer(uid if uid != os.geteuid() else 999, 1)) is Role.VIEWER
