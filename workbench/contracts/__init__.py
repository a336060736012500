"""What capabilities agree on: tables, records and the schemas of what leaves the product."""
