"""A Salesforce org on loopback: OAuth, REST and the Pub/Sub API over one in-memory state.

Clients talk to it over the wire exactly as they talk to a real org. Nothing here is shared with the
adapter that it serves, except the published protobuf definitions of the Pub/Sub API.
"""
