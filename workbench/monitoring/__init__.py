"""Drift of inputs and of forecast errors."""
