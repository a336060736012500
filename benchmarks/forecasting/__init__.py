"""Forecasts measured on public data."""
