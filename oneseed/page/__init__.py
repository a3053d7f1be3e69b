"""The page: layout in tabs, what visitors send, what they get."""
