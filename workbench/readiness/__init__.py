"""Data quality checks and the readiness score."""
