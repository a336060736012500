"""Files that `workbench decide` and `workbench orders` read and write."""
