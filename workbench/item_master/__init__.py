"""One item master over several systems: ids, check digits, duplicates, merges, units."""
