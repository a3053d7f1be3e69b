"""From originals to a collection, or the same only looked at."""
