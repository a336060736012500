"""OpenLineage events, their durable journal and their validation."""
