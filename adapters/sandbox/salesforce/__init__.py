"""A Salesforce org on loopback: OAuth, SOAP, REST, both bulk APIs and the Pub/Sub API over one state.

Clients talk to it over the wire exactly as they talk to a real org. Nothing here is shared with the adapter
that it serves, except the published protobuf definitions of the Pub/Sub API. ``org`` holds the state and is
the only one that changes it; ``soql`` reads it; ``cdc`` tells what changed; ``rest``, ``soap``, ``bulk`` and
``pubsub`` are the ways in, ``identity`` guards them, ``control`` lets things go wrong, ``seed`` fills it.
"""
