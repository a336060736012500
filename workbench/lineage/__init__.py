"""Lineage: OpenLineage events of every run, kept in a durable journal.

Entry: `lifecycle.RunLineage` writes a run's events, `validate.validate_journal` checks the journal,
`graph.table_graph` answers what depends on what. Names and facets are in `docs/lineage.md`.
"""
