"""Clean tables of a small chain of shops, and faults of the real world to damage them with."""
