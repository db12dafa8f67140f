"""The Pub/Sub API over gRPC: six rpcs on the event bus."""
