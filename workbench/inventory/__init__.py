"""Newsvendor, safety stock, replenishment policies and the digital twin."""
