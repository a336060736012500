"""The decision log: an append-only, signed tlog-tiles log of decision records."""
