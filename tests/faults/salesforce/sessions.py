"""Sessions end, users are locked, certificates are rotated: sign-ins are counted, because storms lock out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from adapters.sandbox.salesforce.identity import certificates
from tests.faults.salesforce.scene import REMEDY, Scene, fault, holds, until

SESSION = "token expired / revoked / user locked / cert rotated"
#: Sign-ins that an agent may try while it is refused: one, and one more after a rest.
REFUSED_LOGINS = 3
#: Seconds for which a user stays locked.
LOCKED_S = 6.0


def key_file(scene: Scene) -> Path:
    """The agent's own copy of the signing key."""
    return scene.site.stage.folder / "agent.key"


def _put(file: Path, content: bytes) -> None:
    """Replace a secret at one moment."""
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.replace(file)


def prepare_jwt(scene: Scene) -> None:
    """Configure the agent for the JWT bearer flow with a key file of its own."""
    org, file = scene.site.stage.org, key_file(scene)
    shutil.copy(str(org["jwt_key_file"]), file)
    file.chmod(0o600)
    scene.place.configure(
        auth="jwt",
        username=org["username"],
        key=f"file:{file}",
        client_secret=None,
        audience="https://login.salesforce.com",
    )


def _granted(scene: Scene) -> int:
    return sum(not login["error"] for login in scene.history.logins())


def _refused(scene: Scene) -> int:
    return sum(bool(login["error"]) for login in scene.history.logins())


@fault("token-revoked", SESSION)
def revoked(scene: Scene) -> Iterator[None]:
    """Every session ends at once while streams live on: one new sign-in serves all loops."""
    before = _granted(scene)
    scene.arm("revoke")
    scene.site.again_in_salesforce()
    until(lambda: _granted(scene) > before, "a new sign-in")
    yield
    started = len(scene.restarts)
    scene.finally_(
        lambda: holds(_granted(scene) <= before + 1 + started, f"{_granted(scene) - before} sign-ins")
    )


@fault("token-expired-on-the-stream", SESSION)
def expired(scene: Scene) -> Iterator[None]:
    """The streams end and the old session is refused when they begin anew; a new schema has to be fetched."""
    before = _granted(scene)
    scene.arm("revoke")
    scene.site.again_in_salesforce()
    scene.arm("schema", scope="Account")
    scene.arm("break")
    until(lambda: _granted(scene) > before, "a new sign-in")
    yield
    started = len(scene.restarts)
    scene.finally_(
        lambda: holds(_granted(scene) <= before + 1 + started, f"{_granted(scene) - before} sign-ins")
    )


def _locked(scene: Scene, detail: str) -> Iterator[None]:
    before = _refused(scene)
    scene.arm("deny-login", client="isthmus", count=1000, detail=detail)
    scene.arm("revoke")
    scene.arm("break")
    scene.site.again_in_salesforce()
    yield
    scene.lasts(LOCKED_S)
    tried = _refused(scene) - before
    allowed = REFUSED_LOGINS * (1 + len(scene.restarts))
    holds(0 < tried <= allowed, f"{tried} sign-ins were tried while the user was locked")
    scene.history.ask("DELETE", "faults")
    _operator_restarts(scene)


def _operator_restarts(scene: Scene) -> None:
    """Who unlocked the user may start the agent anew instead of waiting for its next look."""
    scene.kill()


@fault("user-inactive", SESSION, says=r"^salesforce .*inactive_user", does=r"\(.*user.*\)")
def inactive(scene: Scene) -> Iterator[None]:
    """The integration user is deactivated."""
    yield from _locked(scene, "inactive_user: user is inactive")


@fault("user-locked-out", SESSION, says=r"^salesforce .*invalid_grant", does=r"\(.*user.*\)")
def locked(scene: Scene) -> Iterator[None]:
    """The integration user is locked; it is unlocked, and nobody touches the agent."""
    before = _refused(scene)
    detail = "invalid_grant: user is locked out"
    scene.arm("deny-login", client="isthmus", count=1000, detail=detail)
    scene.arm("revoke")
    scene.arm("break")
    scene.site.again_in_salesforce()
    yield
    scene.lasts(LOCKED_S)
    holds(_refused(scene) - before <= REFUSED_LOGINS * (1 + len(scene.restarts)), "a storm of sign-ins")
    scene.history.ask("DELETE", "faults")
    granted = _granted(scene)
    until(lambda: _granted(scene) > granted, "a sign-in by itself after the user was unlocked", 75.0)


@fault(
    "secret-rotated",
    SESSION,
    says=r"^salesforce .*(invalid_grant|invalid_client)",
    does=REMEDY,
    prepare=prepare_jwt,
)
def rotated(scene: Scene) -> Iterator[None]:
    """The app's certificate was rotated; the agent still signs with the old key, then gets the new one."""
    file = key_file(scene)
    good = file.read_bytes()
    wrong = certificates.prepare(file.parent / "rotated").jwt_key
    before = _refused(scene)
    _put(file, wrong.read_bytes())
    scene.arm("revoke")
    scene.arm("break")
    scene.site.again_in_salesforce()
    yield
    scene.lasts(LOCKED_S)
    holds(0 < _refused(scene) - before <= REFUSED_LOGINS * (1 + len(scene.restarts)), "a storm of sign-ins")
    granted = _granted(scene)
    _put(file, good)
    until(lambda: _granted(scene) > granted, "a sign-in with the new key")
