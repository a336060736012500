"""What `workbench trace` collects, checks and prints."""
