"""Benchmarks of forecasts."""
