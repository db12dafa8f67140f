"""Everything between the agent and the org: names, certificates, gateways."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.place import EVENTS, HOST
from tests.faults.salesforce.scene import REMEDY, Scene, fault, holds, until
from tests.salesforce.authority import Authority, Leaf
from tests.salesforce.gateway import Gateway

NETWORK = "DNS gone; proxy; CA replaced"
ILL = r"^salesforce .*(DOWN|DEGRADED) .*"


def _stranger(scene: Scene) -> Leaf:
    """A certificate that is right but for who signed it."""
    return Authority(scene.site.stage.folder / "stranger", "Somebody Else").sign("127.0.0.1", HOST, EVENTS)


def through_proxy(scene: Scene) -> None:
    """The org has names that only the site's proxy can find."""
    place = scene.place
    gateway = Gateway({f"{HOST}:443": place.calls.port, f"{EVENTS}:7443": place.events.port})
    place.calls.run(gateway.start())
    scene.closing.append(lambda: place.calls.run(gateway.stop()))
    scene.gateway = gateway
    place.configure(login_url=f"https://{HOST}", pubsub_endpoint=f"{EVENTS}:7443", proxy=gateway.url)


@fault("rest-away", NETWORK, says=ILL, does=REMEDY)
def rest_away(scene: Scene) -> Iterator[None]:
    """REST cannot be reached, events come all the same."""
    scene.place.calls.shut()
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.calls.mend()


@fault("rest-dead", NETWORK, says=ILL, does=REMEDY)
def rest_dead(scene: Scene) -> Iterator[None]:
    """The gateway before REST dies without a word."""
    scene.place.calls.die()
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.calls.mend()


@fault("everything-away", NETWORK, says=r"^salesforce .*DOWN .*", does=REMEDY)
def everything(scene: Scene) -> Iterator[None]:
    """The site has no network for a while."""
    scene.place.shut()
    yield
    scene.place.mend()


@fault("wrong-certificate", NETWORK, says=ILL + "certificate", does=r"ca_file")
def wrong(scene: Scene) -> Iterator[None]:
    """A proxy that opens TLS shows a certificate of an authority that is not trusted here."""
    scene.place.show(_stranger(scene))
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.show(scene.place.keys)


@fault(
    "wrong-certificate-on-events",
    NETWORK,
    says=r"^salesforce .*DOWN .*(certificate|CERTIFICATE)",
    does=r"ca_file",
)
def wrong_events(scene: Scene) -> Iterator[None]:
    """The same, for the Pub/Sub API alone."""
    scene.place.events.show(_stranger(scene))
    yield
    scene.place.events.show(scene.place.keys)


@fault("certificate-expired", NETWORK, says=ILL + "certificate", does=REMEDY)
def expired(scene: Scene) -> Iterator[None]:
    """The certificate on the way to the org ran out, and is renewed."""
    scene.place.show(scene.place.authority.sign("127.0.0.1", begin=-9, end=-1))
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.show(scene.place.authority.sign("127.0.0.1"))


@fault("authority-replaced", NETWORK, says=ILL + "certificate", does=r"ca_file")
def replaced(scene: Scene) -> Iterator[None]:
    """The company's proxy has a new authority; its file is replaced under the same name, and taken so."""
    other = Authority(scene.site.stage.folder / "other", "Company 2027")
    scene.place.show(other.sign("127.0.0.1"))
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.authority.ca.write_bytes(other.ca.read_bytes())
    until(lambda: scene.state == "up", "the new authority being taken", 60.0)


@fault("proxy-wants-credentials", NETWORK, says=ILL + "407", does=r"proxy_user", prepare=through_proxy)
def credentials(scene: Scene) -> Iterator[None]:
    """The site's proxy wants credentials all of a sudden: it is not asked again and again."""
    assert scene.gateway is not None
    scene.gateway.users = {"isthmus": "word"}
    before = scene.gateway.refused
    scene.place.calls.reset()
    scene.place.events.reset()
    yield
    scene.lasts(10.0)
    tried = scene.gateway.refused - before
    holds(0 < tried <= 6 * (1 + len(scene.restarts)), f"the proxy was asked {tried} times")
    scene.gateway.users = {}
    scene.kill()


@fault("proxy-cannot-find-it", NETWORK, says=ILL + "502", does=REMEDY, prepare=through_proxy)
def unknown(scene: Scene) -> Iterator[None]:
    """The names are gone at the site's proxy, in the midst of it all."""
    assert scene.gateway is not None
    hosts = dict(scene.gateway.hosts)
    scene.gateway.hosts.clear()
    scene.place.calls.reset()
    scene.place.events.reset()
    yield
    scene.gateway.hosts.update(hosts)


@fault("names-gone", NETWORK, says=ILL, does=r"name resolution|DNS", kills=False)
def names(scene: Scene) -> Iterator[None]:
    """Names cannot be resolved any more: the agent starts without, and again when they are back."""
    calls, events = scene.place.calls.port, scene.place.events.port
    scene.place.configure(
        login_url=f"https://org.invalid:{calls}", pubsub_endpoint=f"events.invalid:{events}"
    )
    scene.kill()
    yield
    scene.place.configure(login_url=f"https://127.0.0.1:{calls}", pubsub_endpoint=f"127.0.0.1:{events}")
    scene.kill()


@fault("events-name-gone", NETWORK, says=r"^salesforce .*DOWN .*", does=r"name resolution|DNS", kills=False)
def events_name(scene: Scene) -> Iterator[None]:
    """The name of the Pub/Sub API alone is gone."""
    events = scene.place.events.port
    scene.place.configure(pubsub_endpoint=f"events.invalid:{events}")
    scene.kill()
    yield
    scene.place.configure(pubsub_endpoint=f"127.0.0.1:{events}")
    scene.kill()
    until(lambda: scene.state == "up", "the stream being back")
