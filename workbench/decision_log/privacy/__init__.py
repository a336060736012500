"""Personal and secret values: committed to in the log, encrypted beside it, shredded on demand."""
