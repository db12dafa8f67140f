"""Everything between the agent and the org: names, certificates, gateways."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.scene import Scene, fault, until

NETWORK = "DNS gone; proxy; CA replaced"
ILL = r"^salesforce .*(DOWN|DEGRADED) .*"


@fault("rest-away", NETWORK, says=ILL, does=r"\(.+\)|tried again")
def rest_away(scene: Scene) -> Iterator[None]:
    """REST cannot be reached, events come all the same."""
    scene.place.calls.shut()
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.calls.mend()


@fault("rest-dead", NETWORK, says=ILL, does=r"\(.+\)|tried again")
def rest_dead(scene: Scene) -> Iterator[None]:
    """The gateway before REST dies without a word."""
    scene.place.calls.die()
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.calls.mend()


@fault("everything-away", NETWORK, says=r"^salesforce .*DOWN .*", does=r"\(.+\)")
def everything(scene: Scene) -> Iterator[None]:
    """The site has no network for a while."""
    scene.place.calls.shut()
    scene.place.events.shut()
    yield
    scene.place.events.mend()
    scene.place.calls.mend()


@fault("wrong-certificate", NETWORK, says=ILL + "certificate", does=r"ca_file")
def wrong(scene: Scene) -> Iterator[None]:
    """A proxy that opens TLS shows a certificate of an authority that is not trusted here."""
    scene.place.calls.show(scene.place.stranger)
    scene.place.events.show(scene.place.stranger)
    scene.site.erp.change_payment_terms(scene.customers[0].customer_id, "Z060")
    yield
    scene.place.calls.show(scene.place.keys)
    scene.place.events.show(scene.place.keys)


@fault(
    "wrong-certificate-on-events",
    NETWORK,
    says=r"^salesforce .*DOWN .*(certificate|CERTIFICATE)",
    does=r"ca_file",
)
def wrong_events(scene: Scene) -> Iterator[None]:
    """The same, for the Pub/Sub API alone."""
    scene.place.events.show(scene.place.stranger)
    yield
    scene.place.events.show(scene.place.keys)


@fault("names-gone", NETWORK, says=ILL, does=r"name resolution|DNS")
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
    until(lambda: scene.status()[0].systems[0].state == "up", "the stream being back")
