"""Probabilistic demand forecasts and their backtests."""
