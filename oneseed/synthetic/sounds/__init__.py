"""Sounds: a few notes on one instrument somewhere, told in a sentence: collection sounds-2.

    facts = SOUNDS.collection()[0]  # {"instrument": "bell", "count": 4, "register": "high", ...}
    wave = play(facts, seed=7)      # float32 (32768,), 2.0 s at 16 kHz
    draw(facts, seed=7, size=128)   # its spectrum, which is what the model learns
    caption = tell(facts, seed=7)   # "A recording of four high notes rising quickly on a bell ..."
    parse(caption) == facts

Onsets lie on a grid and pitches on a scale, so that each attribute can be heard, and seen in the
spectrum: how many notes, where they lie, which way they go, and how fast; whether they swell; and
what sounds around them. What no caption tells comes from the seed: the pitch within its register,
where the sound begins, and every grain of rain.

wording      what a sound can be, told in a sentence and parsed back
playing      the notes of each instrument, and what is around them
collection   the drawn collection of both
"""
