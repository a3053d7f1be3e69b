"""Clips: something that moves through a landscape, told in a sentence: collection clips-1.

    facts = CLIPS.collection()[0]    # {"subject": "ship", "count": 2, "direction": "left", ...}
    draw(facts, seed=7, size=128)    # its frames as one sheet, which is what the model learns
    caption = tell(facts, seed=7)    # "A clip of two ships moving to the left quickly ..."
    parse(caption) == facts

The camera stands still. Each attribute shows in several frames, however small they are: what
moves, how many of it, which way, how far it comes, and how; and the ground and the sky behind it.
What no caption tells comes from the seed: where the way lies, what the hills look like, and where
the clouds and stars are.

wording      what a clip can show, told in a sentence and parsed back
shapes       the outlines of the subjects, at any moment of their motion
drawing      the frames, and what is behind them
collection   the drawn collection of all that
"""
