"""Engravings: scenes drawn as an engraver would, with seven exact attributes: collection builtin-1.

    facts = collection(count=15_000)[0]      # {"subject": "ship", "count": 2, "size": "small", ...}
    draw(facts, seed=7).save("000007.png")  # black ink on white paper, the same bytes every time
    caption = tell(facts, seed=7)           # "An engraving of two small ships by the sea ..."
    parse(caption) == facts

attributes            what a picture can show, told in a sentence and parsed back
plate                 shapes, tone carried by lines, and the units of both
buildings, figures    the twelve subjects, each a list of parts
sky, ground           what surrounds them
drawing               one scene out of all these
"""
