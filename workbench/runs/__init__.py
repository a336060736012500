"""Governed execution of notebooks and steps."""
