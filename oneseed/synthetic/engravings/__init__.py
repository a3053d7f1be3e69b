"""Engravings: scenes drawn as an engraver would, with seven exact attributes. The collection builtin-1."""
