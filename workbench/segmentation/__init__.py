"""Segments of items and the policy that each gets."""
