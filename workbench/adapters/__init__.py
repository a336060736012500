"""Everything that speaks to a client, a driver or a model runtime."""
