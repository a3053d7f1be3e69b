"""Screens: pictures of forms, tables, queries, charts, flowcharts and listings, told as code.

    facts = SCREENS.collection()[0]         # {"kind": "form", "form_title": "Sign in", ...}
    SCREENS.draw(facts, 7, 128)             # the same bytes every time
    text = SCREENS.tell(facts, 7, 5)        # "<form style=..."
    SCREENS.check(text).facts == facts      # and is_valid; the text is only parsed, see reading

Each kind has attributes of its own, told as the code that makes the screen: HTML with its style
inline, CREATE TABLE, SELECT, calls of matplotlib, if … else. A listing is told as its own code, and
not in a sentence: so every text of the collection has a parser, and is right or wrong as a whole.
Whatever a text does not tell, layout, colour and light or dark, comes from the seed. In grey all
colours are one tone.

canvas       boxes, words and lines, with the font that Pillow carries
reading      parsers of texts from anybody
screen       what a kind offers
form, table, query, chart, flow, listing     the kinds
shelves      the database that queries ask
checks       all kinds as one
collection   the drawn collections: screens of 128 px, dense-screens of 256 px
"""
