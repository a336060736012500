"""Evaluation of vision models that count and inspect."""
