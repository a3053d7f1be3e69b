"""Sprites: one shape on plain ground, with up to five exact attributes: collection sprites-1.

    facts = SPRITES.collection(level=5)[0]  # {"shape": "heart", "size": "small", ...}
    draw(facts, seed=7).save("000007.png")  # 64 x 64, RGB, the same bytes every time
    caption = tell(facts, seed=7)           # "A drawing of a small red heart at the top left ..."
    parse(caption) == facts

A benchmark in the manner of CdSprites+ (Sejnova et al., Benchmarking Multimodal Variational
Autoencoders, arXiv:2209.03048), which captions dSprites (Matthey et al. 2017), so that our strict
coherence can stand beside published figures. All of it is drawn by code of its own. Each level
tells one attribute more: 1 shape, 2 size, 3 colour, 4 position, 5 background.

As there: 64 px, RGB; three shapes; two sizes, one twice the other; five colours of the same values;
four corners; light or dark ground. Every level turns the shape at random. What a level does not
tell is big, white, anywhere or on black. From level 3 on the shape has a texture, at level 5 the
ground too. Facts have one caption.
What differs: edges are smooth, where dSprites knows ink and paper alone; places and turns are
continuous; textures are soft noise of little contrast, where theirs are photographs, so that every
picture can be read; captions are sentences ("A drawing of a small red heart at the top left on a
dark background." for "small red heart at top left on dark"); there are 6,000 pictures, theirs are
30,000 a level; and a tenth of the 240 combinations of level 5 is held out, theirs hold out none.

wording      what a sprite can show, told in a sentence and parsed back
drawing      one picture
collection   the drawn collection of both
"""
