"""Change Data Capture over the Pub/Sub API: topics followed, events decoded, transactions put together."""
