"""Model packages that run at the edge: manifest, digest, loading."""
