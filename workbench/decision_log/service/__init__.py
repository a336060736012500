"""The log's service: one process that holds key and lock, and its clients over a unix socket."""
