"""Who writes captions, and how good they are."""
