"""One seed, one picture, one caption: what the scripts at the root share.

Folders are layers: each imports itself and those before it (tests/test_layout.py).
"""

__version__ = "0.11.0"
