"""The table store: versions of canonical tables with content digests and provenance."""
