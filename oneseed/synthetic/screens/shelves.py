"""The database that queries of screens ask: eight tables of the same four columns, always the same.

selected("SELECT name FROM books ORDER BY year LIMIT 2;")     # [("Emma",), ("Faust",)]
"""

import functools
import hashlib
import sqlite3

from oneseed.synthetic.screens.reading import selected_rows

# table -> names of its rows
SHELVES: dict[str, str] = {
    "books": "Emma Faust Ulysses Dune Momo Heidi It Ivanhoe Walden Candide",
    "films": "Alien Psycho Jaws Rocky Metro Gilda Vertigo Brazil Amelie Heat",
    "songs": "Yellow Help Hello Stay Angie Layla Roxanne Creep Dreams Jolene",
    "games": "Chess Go Catan Tetris Pong Risk Uno Mikado Doom Myst",
    "cakes": "Sacher Linzer Madeira Stollen Pavlova Eclair Brownie Muffin Tart Opera",
    "cars": "Beetle Mini Panda Corolla Mustang Polo Golf Civic Fiesta Twingo",
    "towns": "Rome Oslo Lima Cairo Paris Bonn Quito Delhi Kyoto Accra",
    "birds": "Robin Wren Crane Heron Swift Magpie Puffin Kite Lark Owl",
}
# columns beside the name: their least and their greatest value
NUMBERS = {"year": (1950, 2024), "price": (1, 30), "stock": (1, 99)}
SHELF_COLUMNS = ("name", *NUMBERS)


def shelf_rows(table: str) -> list[tuple[str, int, int, int]]:
    """The rows of a table: name, year, price, stock. No column holds a number twice."""
    columns = []
    for column, (least, greatest) in NUMBERS.items():
        keys = {
            hashlib.sha256(f"{table} {column} {number}".encode()).digest(): number
            for number in range(least, greatest + 1)
        }
        columns.append([keys[key] for key in sorted(keys)])
    return list(zip(SHELVES[table].split(), *columns))


def shelves() -> sqlite3.Connection:
    """The database, in memory, anew."""
    database = sqlite3.connect(":memory:")
    for table in SHELVES:
        database.execute(f"CREATE TABLE {table} (name TEXT, year INT, price INT, stock INT)")
        database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", shelf_rows(table))
    return database


@functools.lru_cache(4096)
def selected(text: str) -> tuple[tuple[object, ...], ...]:
    """The rows that a query finds. NotCodeError where it is no SELECT that sqlite lets pass."""
    database = shelves()
    try:
        return tuple(selected_rows(text, database))
    finally:
        database.close()
