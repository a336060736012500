"""Notebook-driven analytics and governance workbench for inventory management."""

__version__ = "0.1.0"
