"""Draw captioned engravings: the built-in collection, which needs no key, no network and no download.

    facts = collection(count=6000)[0]             # {"subject": "ship", "count": 2, "size": "small", ...}
    draw(facts, seed=7).save("000007.png")        # white paper, black ink; the same bytes every time
    parse(tell(facts, seed=7)) == facts           # "An engraving of two small ships by the sea under ..."

A picture is painted back to front on a canvas of labels; each label has a tone that is affine in x and y, and a technique makes
ink of it. Subjects are lists of Parts in a box of 100 units on the ground. `facts` is told; all else comes from the seed.
"""

import functools
import hashlib
import re
from itertools import product
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# another drawing or wording is another collection: raise the number
COLLECTION = "builtin-1"
ATTRIBUTES = {
    "subject": (
        "ship",
        "castle",
        "church",
        "windmill",
        "lighthouse",
        "cottage",
        "tree",
        "balloon",
        "horse",
        "elephant",
        "bridge",
        "tent",
    ),
    "count": (1, 2, 3),
    "size": ("small", "large"),
    "place": ("sea", "mountains", "forest"),
    "sky": ("clear", "cloudy", "stormy", "starry"),
    "light": ("left", "right"),
    "technique": ("line", "cross-hatching", "stipple"),
}
LEVELS = {level: tuple(ATTRIBUTES)[:told] for level, told in {1: 1, 2: 3, 3: 4, 4: 6, 5: 7}.items()}
CONSTANT = {
    "count": 1,
    "size": "large",
    "place": "sea",
    "sky": "clear",
    "light": "left",
    "technique": "line",
}


# ---- which combinations are drawn ------------------------------------------------------------------------------------


def stream(seed, purpose):
    """Random numbers for one purpose ("picture", "words", "collection") of one seed; any int is a seed."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def combinations(level):
    """All facts of a level, in a fixed order; what the level does not tell is CONSTANT."""
    names = LEVELS[level]
    return [
        dict(CONSTANT, **dict(zip(names, values)))
        for values in product(*(ATTRIBUTES[name] for name in names))
    ]


def held_out(facts):
    """Is this full combination (level 5) kept from training? True for a tenth of the 5,184, fixed by hash.

    Levels 1 to 4 have few combinations (12, 72, 216, 1,728) and hold none out.
    """
    words = " ".join(str(facts[name]) for name in ATTRIBUTES)
    return hashlib.sha256(words.encode()).digest()[0] * 10 < 256


def spread(combos, count, seed):
    """`count` facts, each combination floor or ceil times, in an order drawn from the seed."""
    order = stream(seed, "collection").permutation(len(combos))
    chosen = np.resize(order, count)
    return [dict(combos[i]) for i in stream(seed, "order").permutation(chosen)]


def collection(count=6000, level=5, seed=0):
    """`count` facts (dicts of the seven attributes), near uniform over the level's combinations; at level 5 never a held-out one."""
    return spread(
        [facts for facts in combinations(level) if level < 5 or not held_out(facts)], count, seed
    )


def held_out_facts(count, seed=0):
    """`count` facts from the held-out combinations, near uniform."""
    return spread([facts for facts in combinations(5) if held_out(facts)], count, seed)


# ---- captions --------------------------------------------------------------------------------------------------------

OPENINGS = ("An engraving of", "An engraving depicting", "An engraving showing")
ORDERS = (
    "what place sky, light, technique",
    "what sky place, technique, light",
    "what, light, place sky, technique",
    "what place, technique, sky, light",
)
EPITHETS = {
    "ship": ("", "sailing "),
    "castle": ("", "stone "),
    "church": ("", "village "),
    "windmill": ("", "old "),
    "lighthouse": ("", "stone "),
    "cottage": ("", "country "),
    "tree": ("", "leafy ", "oak "),
    "balloon": ("", "hot-air "),
    "horse": ("", "standing "),
    "elephant": ("", "tusked "),
    "bridge": ("", "arched ", "stone "),
    "tent": ("", "striped "),
}
WORDINGS = {
    "count": {
        1: ("a", "a", "one", "a single"),
        2: ("two", "two", "a pair of"),
        3: ("three", "three", "a group of three"),
    },
    "size": {"small": ("small", "little", "tiny"), "large": ("large", "big", "great")},
    "place": {
        "sea": ("by the sea", "beside the sea", "on the coast", "at the sea shore"),
        "mountains": ("in the mountains", "before jagged mountains", "among high peaks"),
        "forest": (
            "by a forest",
            "at the edge of a forest",
            "before dark woods",
            "among tall firs",
        ),
    },
    "sky": {
        "clear": ("under a clear sky", "beneath a cloudless sky", "in fair weather"),
        "cloudy": ("under a cloudy sky", "beneath white clouds", "under a sky full of clouds"),
        "stormy": ("under a stormy sky", "in a thunderstorm", "under lightning and rain"),
        "starry": ("under a starry sky", "on a starry night", "beneath the moon and stars"),
    },
    "light": {
        side: (
            f"lit from the {side}",
            f"with light from the {side}",
            f"the light falling from the {side}",
        )
        for side in ("left", "right")
    },
    "technique": {
        "line": ("in parallel lines", "engraved in lines", "drawn with plain lines"),
        "cross-hatching": (
            "in cross-hatching",
            "shaded with cross-hatching",
            "cross-hatched throughout",
        ),
        "stipple": ("in stipple", "stippled with dots", "shaded with fine dots"),
    },
}
# what parse looks for, in lower case; every wording holds exactly one value's sign
SIGNS = {
    "subject": {
        name: {"church": "church(?:es)?"}.get(name, f"{name}s?") for name in ATTRIBUTES["subject"]
    },
    "size": {value: "|".join(words) for value, words in WORDINGS["size"].items()},
    "place": {
        "sea": "sea|coast|shore",
        "mountains": "mountains?|peaks?",
        "forest": "forests?|woods|firs",
    },
    "sky": {
        "clear": "clear|cloudless|fair",
        "cloudy": "cloudy|clouds?",
        "stormy": "stormy?|thunderstorms?|lightning|rain",
        "starry": "starry|stars?|moon",
    },
    "light": {"left": "left", "right": "right"},
    "technique": {
        "line": "lines?",
        "cross-hatching": r"cross\W*hatch\w*",
        "stipple": r"stippl\w*|dots?",
    },
}
COUNT_SIGNS = {
    1: r"one|single|an?(?= (?:small|little|tiny|large|big|great)\b)",
    2: "two|pair",
    3: "three|trio",
}


def tell(facts, seed, level=5):
    """Facts -> one sentence that names the attributes of the level and no other; wording and order come from the seed."""
    rng = stream(seed, "words")
    pick = lambda choices: choices[rng.integers(len(choices))]
    told = {name: pick(WORDINGS[name][facts[name]]) for name in LEVELS[level] if name != "subject"}
    kind = facts["subject"]
    alone = facts["count"] == 1 or "count" not in told
    noun = pick(EPITHETS[kind]) + kind + ("" if alone else "es" if kind == "church" else "s")
    article = told.get("count", "an" if noun[0] in "aeiou" else "a")
    told["what"] = " ".join(filter(None, (pick(OPENINGS), article, told.get("size"), noun)))
    clauses = [
        " ".join(told[name] for name in clause.split() if name in told)
        for clause in pick(ORDERS).split(", ")
    ]
    return ", ".join(filter(None, clauses)) + "."


@functools.cache
def signs(name):
    return [
        (value, re.compile(rf"\b(?:{sign})\b"))
        for value, sign in (COUNT_SIGNS if name == "count" else SIGNS[name]).items()
    ]


def claimed(text, name):
    """What a caption in lower case says of one attribute, by itself; None where it is silent or contradicts itself."""
    values = [value for value, sign in signs(name) if sign.search(text)]
    return values[0] if len(values) == 1 else None


def parse(caption):
    """Any string -> dict of the seven attributes, each None where the caption is silent or contradicts itself.

    A bare "a ship" claims no count, "a large ship" claims one; a count that disagrees with the noun's number is a contradiction.
    """
    text = " ".join(str(caption).lower().split())
    found = {name: claimed(text, name) for name in ATTRIBUTES}
    if found["subject"] and found["count"]:
        nouns = re.findall(rf"\b{SIGNS['subject'][found['subject']]}\b", text)
        if any((noun != found["subject"]) != (found["count"] > 1) for noun in nouns):
            found["count"] = None
    return found


# ---- shapes: closed outlines, (N, 2) float, x to the right and y up from the ground in a box of 100 ------------------


class Part(NamedTuple):
    """A closed outline and how it is engraved. Tone is 0 white to 1 black; 0 and 1 stay pure, others take the light."""

    points: np.ndarray  # (N, 2)
    tone: float = 0.34
    # darker away from the light, as on a cylinder
    round: float = 0.0
    # a wall that looks to the left (-1) or right (1)
    face: int = 0
    # darker towards its foot
    sink: float = 0.0
    # degrees that its lines lean
    tilt: float = 0.0
    # periods that its lines sag in the middle
    curve: float = 0.0
    # weight of its outline
    ink: float = 1.0


def box(x0, y0, x1, y1):
    return np.array([(x0, y0), (x0, y1), (x1, y1), (x1, y0)], float)


def poly(*points):
    return np.array(points, float)


def oval(x, y, rx, ry, points=20):
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1)


def arch(x, y, rx, top, foot=0.0):
    """A round-headed opening: straight from `foot` to y, then half an ellipse up to `top`."""
    turn = np.linspace(0, np.pi, 11)
    return np.concatenate(
        [
            [(x + rx, foot)],
            np.stack([x + rx * np.cos(turn), y + (top - y) * np.sin(turn)], 1),
            [(x - rx, foot)],
        ]
    )


def bent(*points, steps=4):
    """A smooth closed curve through the points (Catmull-Rom)."""
    p = np.array(points, float)
    before, after, later = (p[(np.arange(len(p)) + step) % len(p)] for step in (-1, 1, 2))
    t = (np.arange(steps) / steps)[:, None, None]
    curve = p + t / 2 * (
        after
        - before
        + t * (2 * before - 5 * p + 4 * after - later + t * (3 * p - before - 3 * after + later))
    )
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def bar(x0, y0, x1, y1, width):
    across = np.array([y0 - y1, x1 - x0]) / np.hypot(x1 - x0, y1 - y0) * width / 2
    return np.array([(x0, y0) + across, (x1, y1) + across, (x1, y1) - across, (x0, y0) - across])


def battlement(x0, y0, x1, y1, teeth, depth=5):
    edges = np.linspace(x0, x1, 2 * teeth)
    top = [(x, y1 - depth * (i % 2)) for i in range(2 * teeth - 1) for x in edges[i : i + 2]]
    return np.array([(x0, y0), *top, (x1, y0)], float)


# ---- the twelve subjects: rng -> Parts, back to front ----------------------------------------------------------------


def ship(rng):
    def sail(x, foot, head, wide, narrow):
        return Part(
            bent(
                (x - wide, foot),
                (x - wide + 1, (foot + head) / 2),
                (x - narrow, head),
                (x, head + 1),
                (x + narrow, head),
                (x + wide + 2, (foot + head) / 2),
                (x + wide, foot),
                (x, foot + 4),
            ),
            0.2,
            round=0.35,
            curve=-0.7,
        )

    rows = rng.integers(2, 4)
    parts = [
        Part(bar(26, 24, 50, 36, 1.5), 1, ink=0),
        Part(poly((28, 76), (49, 35), (30, 31)), 0.2, face=1, tilt=60),
    ]
    for x, top, wide in ((-26, 86, 14), (26, 84, 12), (0, 100, 15)):
        heads = np.linspace(27, top - 5, rows + 1)
        parts += [Part(bar(x, 20, x, top, 2), 1, ink=0)]
        parts += [
            sail(x, heads[i] + 2, heads[i + 1], wide * (1 - 0.16 * i), wide * (0.86 - 0.16 * i))
            for i in range(rows)
        ]
    hull = bent(
        (-47, 30),
        (-44, 12),
        (-38, 1),
        (0, -1),
        (32, 1),
        (44, 16),
        (50, 28),
        (30, 22),
        (0, 20),
        (-28, 22),
        (-33, 29),
    )
    parts += [Part(hull, 0.66, round=0.3, curve=0.8), Part(bar(-43, 17, 42, 16, 4), 0, ink=0.5)]
    parts += [Part(box(x, 15, x + 3, 18.5), 1, ink=0) for x in range(-36, 34, 10)]
    return parts + [Part(poly((0, 100), (13, 97), (0, 93)), 1, ink=0)]


def castle(rng):
    slits = lambda x, ys: [Part(box(x - 1.5, y, x + 1.5, y + 7), 1, ink=0) for y in ys]
    tall = 84 + rng.integers(0, 7)
    parts = [
        Part(box(-15, 30, 15, tall - 8), 0.3, round=0.4, curve=0.5),
        Part(battlement(-18, tall - 10, 18, tall, 4), 0.3, round=0.4),
        *slits(-6, (56, 68)),
        *slits(6, (56, 68)),
        Part(bar(0, tall, 0, 100, 1.5), 1, ink=0),
        Part(poly((0, 100), (16, 96), (0, 92)), 1, ink=0),
        Part(battlement(-34, 0, 34, 46, 6), 0.3),
        Part(arch(0, 18, 12, 30), 0),
        Part(arch(0, 17, 9, 26), 1, ink=0),
    ]
    for x in (-36, 36):
        parts += [
            Part(box(x - 11, 0, x + 11, 54), 0.32, round=0.45, curve=0.6),
            Part(battlement(x - 14, 50, x + 14, 62, 3), 0.32, round=0.45),
            *slits(x, (12, 34)),
        ]
        if rng.integers(2):
            parts += [Part(poly((x - 11, 62), (x, 84), (x + 11, 62)), 0.6, round=0.4, tilt=0)]
    return parts


def church(rng):
    windows = rng.integers(2, 5)
    parts = [
        Part(box(-16, 0, 46, 34), 0.36, sink=0.1),
        Part(poly((-18, 34), (-12, 58), (40, 58), (50, 34)), 0.58, tilt=-35),
    ]
    parts += [Part(arch(x, 20, 3.5, 27, 9), 1, ink=0.6) for x in np.linspace(-4, 38, windows)]
    parts += [
        Part(box(-44, 0, -30, 64), 0.34, face=-1),
        Part(box(-30, 0, -16, 64), 0.34, face=1),
        Part(poly((-47, 63), (-30, 93), (-30, 61)), 0.5, face=-1, tilt=50),
        Part(poly((-30, 61), (-30, 93), (-13, 63)), 0.5, face=1, tilt=-50),
    ]
    parts += [Part(arch(x, 48, 3, 56, 40), 1, ink=0.6) for x in (-37, -23)] + [
        Part(arch(-23, 12, 4, 19), 1, ink=0.6)
    ]
    return parts + [
        Part(bar(-30, 90, -30, 102, 2.2), 1, ink=0),
        Part(bar(-34, 98, -26, 98, 2.2), 1, ink=0),
    ]


def windmill(rng):
    turn = np.radians(45 + rng.uniform(-5, 5))
    parts = [
        Part(poly((-20, 0), (-12, 60), (12, 60), (20, 0)), 0.32, round=0.48, curve=0.7),
        Part(bent((-14, 58), (-12, 67), (0, 76), (12, 67), (14, 58)), 0.62, round=0.4),
        Part(arch(0, 12, 5, 17), 1, ink=0.6),
        *[Part(box(-2.5, y, 2.5, y + 7), 1, ink=0.6) for y in (28, 43)[: rng.integers(1, 3)]],
    ]
    for arm in turn + np.arange(4) * np.pi / 2:
        along = np.array([np.cos(arm), np.sin(arm)])
        aside = np.array([-np.sin(arm), np.cos(arm)])
        at = lambda r, s: np.array([0, 64]) + r * along + s * aside
        parts += [
            Part(np.array([at(12, 0), at(46, 0), at(46, 11), at(12, 9)]), 0, ink=0.8),
            Part(bar(*at(0, 0), *at(47, 0), 2.2), 1, ink=0),
        ]
        parts += [Part(bar(*at(r, 0), *at(r, 10), 1.1), 1, ink=0) for r in (20, 28.5, 37)] + [
            Part(bar(*at(12, 5), *at(46, 5.5), 1), 1, ink=0)
        ]
    return parts + [Part(oval(0, 64, 3, 3), 1)]


def lighthouse(rng):
    bands = rng.integers(2, 4)
    width = lambda y: 15 - 7 * (y - 8) / 60
    edges = np.linspace(8, 70, 2 * bands + 2)
    parts = [
        Part(
            bent((-30, 0), (-26, 8), (-14, 13), (2, 10), (16, 14), (27, 7), (31, 0), (0, -2)),
            0.5,
            round=0.35,
            tilt=20,
        )
    ]
    for i, (low, high) in enumerate(zip(edges, edges[1:])):
        shape = poly(
            (-width(low), low), (-width(high), high), (width(high), high), (width(low), low)
        )
        parts += [Part(shape, 0.72 if i % 2 else 0.14, round=0.42, curve=0.7)]
    parts += [
        Part(arch(0, 20, 3.5, 25, 11), 1, ink=0.6),
        Part(box(-13, 69, 13, 73), 0.4, round=0.4),
        Part(box(-8, 73, 8, 86), 0),
        Part(bar(-3, 73, -3, 86, 1.4), 1, ink=0),
        Part(bar(3, 73, 3, 86, 1.4), 1, ink=0),
        Part(bent((-11, 85), (-7, 93), (0, 97), (7, 93), (11, 85)), 0.75, round=0.3),
        Part(bar(0, 95, 0, 103, 1.8), 1, ink=0),
    ]
    return parts


def cottage(rng):
    x = rng.integers(20, 32)
    puffs = [
        Part(oval(x + 2 + 3 * i, 78 + 7 * i, 3 + 1.3 * i, 3 + i, 12), 0, ink=0.6) for i in range(2)
    ]
    parts = [
        *puffs,
        Part(box(x - 6, 48, x, 73), 0.36, face=-1),
        Part(box(x, 48, x + 6, 73), 0.36, face=1),
        Part(box(-4, 0, 46, 34), 0.34, face=1),
        Part(poly((-45, 0), (-45, 32), (-24, 62), (-4, 32), (-4, 0)), 0.34, face=-1),
        Part(
            bent(
                (-25, 66),
                (-20, 56),
                (-4, 29),
                (24, 29),
                (51, 29),
                (44, 48),
                (38, 65),
                (8, 67),
                steps=3,
            ),
            0.55,
            sink=0.15,
            tilt=-55,
        ),
        Part(
            bent(
                (-50, 27), (-36, 50), (-26, 66), (-21, 64), (-24, 57), (-34, 43), (-45, 25), steps=3
            ),
            0.75,
        ),
    ]
    for left in (33, 2)[: rng.integers(1, 3)]:
        parts += [
            Part(box(left, 10, left + 10, 21), 1, ink=0.6),
            Part(bar(left + 5, 10, left + 5, 21, 1.5), 0, ink=0),
        ]
    return parts + [
        Part(arch(19, 16, 5, 21), 1, ink=0.6),
        Part(box(-31, 8, -18, 22), 1, ink=0.6),
        Part(bar(-24.5, 8, -24.5, 22, 1.5), 0, ink=0),
        Part(bar(-31, 15, -18, 15, 1.5), 0, ink=0),
    ]


def tree(rng):
    crown = [
        (-26, 46, 17),
        (26, 46, 17),
        (-31, 62, 17),
        (31, 62, 17),
        (-18, 80, 17),
        (18, 80, 17),
        (0, 84, 16),
        (-12, 62, 19),
        (13, 60, 19),
        (0, 46, 15),
    ]
    wobble = rng.uniform(-2.5, 2.5, (len(crown), 2))
    parts = [
        Part(
            bent(
                (-15, -1),
                (-7, 8),
                (-6, 24),
                (-13, 40),
                (12, 40),
                (6, 24),
                (8, 8),
                (17, -1),
                (4, 2),
                (-4, 2),
            ),
            0.62,
            round=0.4,
            tilt=80,
        )
    ]
    for (x, y, r), (dx, dy) in zip(crown, wobble):
        leaves = oval(0, 0, r, r, 18) * np.tile([[1.0], [0.87]], (9, 1)) + (x + dx, y + dy)
        parts += [Part(leaves, 0.46, round=0.34, sink=0.22, curve=-0.6, ink=0.7)]
    return parts


def balloon(rng):
    stripes = rng.integers(2, 4)
    half = np.array([(0, 100), (20, 96), (33, 84), (37, 68), (32, 52), (20, 37), (8, 25)], float)
    gore = lambda k: bent(*(half * (k, 1)), *(half[:0:-1] * (-k, 1)), steps=3)
    parts = [Part(bar(s * 7, 27, s * 5, 10, 1), 1, ink=0) for s in (-1, 0, 1)]
    for i, k in enumerate(np.linspace(1, 0, 2 * stripes, endpoint=False)):
        parts += [
            Part(
                gore(np.sin(k * np.pi / 2)),
                (0.2, 0.62)[i % 2],
                round=0.3,
                curve=0.9,
                ink=0.6 if i else 1,
            )
        ]
    parts += [
        Part(
            poly(
                (-36, 70),
                (-35, 63),
                (-20, 59),
                (0, 58),
                (20, 59),
                (35, 63),
                (36, 70),
                (20, 66),
                (0, 65),
                (-20, 66),
            ),
            0,
            ink=0.7,
        )
    ]
    return parts + [
        Part(box(-9, 24, 9, 28), 1, ink=0),
        Part(poly((-8, 12), (-6, 0), (6, 0), (8, 12)), 0.5, round=0.4),
        Part(bar(-9, 12, 9, 12, 2.5), 1, ink=0),
    ]


def horse(rng):
    shift = rng.uniform(-3, 3)
    far = [
        Part(
            bent(
                (-14, 40),
                (-12, 22),
                (-8 - shift, 12),
                (-11 - shift, 0),
                (-3 - shift, 0),
                (-3 - shift, 13),
                (-4, 38),
                steps=3,
            ),
            0.8,
        ),
        Part(
            bent(
                (14, 42),
                (17, 26),
                (19 + shift, 16),
                (15 + shift, 0),
                (23 + shift, 0),
                (25 + shift, 18),
                (28, 40),
                steps=3,
            ),
            0.8,
        ),
    ]
    body = bent(
        (-47, 69),
        (-48, 63),
        (-44, 61),
        (-38, 66),
        (-31, 71),
        (-27, 69),
        (-25, 60),
        (-27, 50),
        (-26, 43),
        (-22, 35),
        (-23, 20),
        (-22, 10),
        (-27, 0),
        (-18, 0),
        (-17, 10),
        (-17, 20),
        (-12, 34),
        (0, 32),
        (14, 34),
        (21, 39),
        (25, 32),
        (30, 20),
        (29, 9),
        (26, 0),
        (36, 0),
        (35, 10),
        (38, 20),
        (38, 30),
        (43, 44),
        (40, 57),
        (33, 63),
        (20, 61),
        (6, 58),
        (-6, 63),
        (-13, 72),
        (-20, 84),
        (-26, 91),
        (-27, 100),
        (-32, 92),
        (-37, 86),
        (-43, 77),
    )
    tail = bent((38, 60), (45, 60), (50, 46), (48, 26), (43, 16), (44, 32), (41, 46))
    mane = bent(
        (-28, 94), (-22, 89), (-15, 77), (-7, 65), (-11, 60), (-16, 67), (-20, 76), (-25, 84)
    )
    return [
        *far,
        Part(tail, 1, ink=0.5),
        Part(body, 0.36, round=0.3, sink=0.25, curve=-1),
        Part(mane, 1, ink=0.5),
        Part(oval(-36, 81, 1.7, 1.7), 1, ink=0),
        Part(box(-27, -1, -18, 3), 1, ink=0),
        Part(box(26, -1, 36, 3), 1, ink=0),
    ]


def elephant(rng):
    swing = rng.uniform(-3, 3)
    far = [
        Part(bent((-10, 36), (-9, 4), (-10, 0), (3, 0), (3, 6), (4, 34), steps=3), 0.8),
        Part(bent((6, 36), (8, 8), (7, 0), (19, 0), (19, 8), (22, 34), steps=3), 0.8),
    ]
    body = bent(
        (-36, 76),
        (-42, 66),
        (-45, 50),
        (-47 + swing / 2, 32),
        (-47 + swing, 14),
        (-50 + swing, 6),
        (-45 + swing, 3),
        (-40 + swing, 10),
        (-40 + swing / 2, 26),
        (-36, 42),
        (-31, 42),
        (-27, 34),
        (-27, 18),
        (-28, 0),
        (-13, 0),
        (-13, 18),
        (-10, 27),
        (6, 25),
        (18, 28),
        (21, 16),
        (20, 0),
        (36, 0),
        (36, 16),
        (41, 34),
        (44, 52),
        (39, 68),
        (26, 77),
        (8, 79),
        (-8, 76),
        (-17, 77),
        (-27, 82),
    )
    ear = bent((-24, 74), (-14, 74), (-5, 66), (-5, 52), (-12, 40), (-18, 46), (-24, 58))
    return [
        *far,
        Part(
            bent((41, 60), (46, 48), (46, 34), (49, 26), (44, 26), (44, 38), (41, 50)), 1, ink=0.4
        ),
        Part(body, 0.4, round=0.3, sink=0.22, curve=-1.1),
        Part(ear, 0.5, round=0.28, tilt=30),
        Part(bent((-33, 47), (-41, 36), (-52, 33), (-43, 40), (-37, 50)), 0),
        Part(oval(-34, 64, 1.8, 1.8), 1, ink=0),
        *[Part(arch(x, 1, 2, 3.5), 0, ink=0.4) for x in (-24, -19, 24, 29)],
    ]


def bridge(rng):
    arches = rng.integers(1, 4)
    x = np.linspace(-50, 50, 13)
    deck = 54 - 18 * (x / 50) ** 2
    ribbon = lambda low, high: np.concatenate(
        [np.stack([x, deck + low], 1), np.stack([x, deck + high], 1)[::-1]]
    )
    parts = [Part(np.concatenate([[(-50, 0)], np.stack([x, deck], 1), [(50, 0)]]), 0.34, sink=0.12)]
    for centre in (np.arange(arches) - (arches - 1) / 2) * 84 / arches:
        wide = 34 / arches + 2
        top = 42 - 14 * (centre / 50) ** 2
        parts += [
            Part(arch(centre, 4, wide + 3, top + 3), 0),
            Part(arch(centre, 4, wide, top), 1),
            Part(arch(centre - 2, 2, wide - 4, top - 5), 0.12, ink=0),
        ]
    parts += [Part(ribbon(-4, 6), 0.16), Part(ribbon(-5, -3), 1, ink=0)]
    for end in (-46, 46):
        parts += [
            Part(box(end - 5, 0, end + 5, 54), 0.34, face=int(np.sign(end)), round=0.3),
            Part(poly((end - 7, 54), (end, 67), (end + 7, 54)), 0.6, round=0.3),
        ]
    return parts


def tent(rng):
    folds = int(rng.integers(3, 5)) * 2 + 1
    foot = np.linspace(-46, 46, folds + 1)
    eave = np.linspace(-49, 49, folds + 1)
    parts = [
        Part(bar(0, 84, 0, 102, 1.8), 1, ink=0),
        Part(poly((0, 102), (17, 97), (0, 92)), 1, ink=0),
    ]
    for i in range(folds):
        tone = (0.14, 0.7)[i % 2]
        parts += [
            Part(
                poly(
                    (foot[i], 0), (eave[i] * 0.94, 46), (eave[i + 1] * 0.94, 46), (foot[i + 1], 0)
                ),
                tone,
                round=0.1,
                ink=0.6,
            )
        ]
    parts += [Part(poly((0, 0), (0, 42), (-13, 0)), 1), Part(poly((0, 0), (0, 42), (13, 0)), 1)]
    for i in range(folds):
        tone = (0.14, 0.7)[i % 2]
        a = eave[i]
        b = eave[i + 1]
        parts += [
            Part(
                poly(
                    (a, 46), (a * 0.42, 66), (a * 0.06, 88), (b * 0.06, 88), (b * 0.42, 66), (b, 46)
                ),
                tone,
                round=0.1,
                curve=0.8,
                ink=0.6,
            ),
            Part(
                arch((a + b) / 2, 46, (b - a) / 2, 38, 46), 1 - tone if tone > 0.5 else 0.7, ink=0.6
            ),
        ]
    return parts


SUBJECTS = {
    build.__name__: build
    for build in (
        ship,
        castle,
        church,
        windmill,
        lighthouse,
        cottage,
        tree,
        balloon,
        horse,
        elephant,
        bridge,
        tent,
    )
}


# ---- drawing ---------------------------------------------------------------------------------------------------------

OVERSAMPLE = 2
# the first two labels
WHITE = 0
BLACK = 1
# of the picture's side: an outline of weight 1, the white around a subject
LINE = 0.0085
HALO = 0.012
# (size, count): cell width and height, then where each subject stands (x, ground), back to front
LAYOUT = {
    ("large", 1): (0.78, 0.78, [(0.5, 0.905)]),
    ("small", 1): (0.48, 0.48, [(0.5, 0.85)]),
    ("large", 2): (0.46, 0.62, [(0.265, 0.895), (0.735, 0.895)]),
    ("small", 2): (0.30, 0.40, [(0.32, 0.84), (0.68, 0.84)]),
    ("large", 3): (0.44, 0.44, [(0.5, 0.70), (0.265, 0.915), (0.735, 0.915)]),
    ("small", 3): (0.29, 0.29, [(0.5, 0.71), (0.33, 0.875), (0.67, 0.875)]),
}


class Plate:
    """A canvas of labels painted over back to front, and for each label how it is shaded; printed in one technique.

    Positions are fractions of the side, y down. A label's tone is c + cx x + cy y, clipped to 0 (white) to 1 (black), and its
    lines are bent by b + bx x + by y + bxx x^2 periods. `away` is 1 when the light comes from the left, -1 from the right.
    """

    def __init__(self, size, light, technique):
        self.technique = technique
        self.away = 1 if light == "left" else -1
        self.side = size * OVERSAMPLE
        # pixels from line to line
        self.spacing = max(4, size / 96) * OVERSAMPLE
        self.labels = Image.new("L", (self.side, self.side), WHITE)
        self.pen = ImageDraw.Draw(self.labels)
        self.shades = [(-1, 0, 0, 0, 0, 0, 0), (2, 0, 0, 0, 0, 0, 0)]
        self.water = None  # (label, its horizon), where lines ripple

    def label(self, *shade):
        self.shades.append(shade + (0,) * (7 - len(shade)))
        assert len(self.shades) <= 256, "more shades than an 8-bit label can tell apart"
        return len(self.shades) - 1

    def fill(self, label, *outlines, rim=BLACK, width=0.0):
        """Paint closed outlines (N, 2) with a label, and lines of `width` along them with another."""
        width = round(width * self.side)
        for points in outlines:
            dots = (points * self.side).ravel().tolist()
            self.pen.polygon(dots, fill=label)
            if width:
                self.pen.line(
                    dots + dots[:4], fill=rim, width=width, joint="curve" if width > 3 else None
                )

    def paint(self, part, *more, middle=0.5, reach=np.inf):
        """One Part, or several outlines shaded as one. Its subject is `middle` +- `reach` wide: darker on the far side."""
        label = int(part.tone)
        if 0 < part.tone < 1:
            corners = np.concatenate([part.points, *more])
            (x0, y0), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
            x = (x0 + x1) / 2
            y = (y0 + y1) / 2
            wide = (x1 - x0) / 2
            high = (y1 - y0) / 2
            cx = self.away * (part.round / wide + 0.16 / reach)
            cy = part.sink / high
            c = (
                part.tone
                + self.away * (0.3 * part.face - part.round * x / wide - 0.16 * middle / reach)
                - cy * y
            )
            # 0 in the middle, -curve at both ends
            sag = part.curve / wide**2
            lean = np.radians(part.tilt)
            turn = self.side / self.spacing * (self.technique == "line")
            label = self.label(
                c,
                cx,
                cy,
                -sag * x * x,
                2 * sag * x + np.sin(lean) * turn,
                (np.cos(lean) - 1) * turn,
                -sag,
            )
        self.fill(label, part.points, *more, width=part.ink * LINE)

    def halo(self, outlines):
        """Clear the paper around (not below) and under the outlines: how engravers set a subject off from its background."""
        reach = round((LINE / 2 + HALO) * self.side)
        corners = np.concatenate(outlines) * self.side
        low = (corners.min(0) - 2 * reach).astype(int)
        high = (corners.max(0) + (2 * reach, LINE * self.side)).astype(int)
        mask = Image.new("L", tuple((high - low).tolist()))
        pen = ImageDraw.Draw(mask)
        for points in outlines:
            pen.polygon((points * self.side - low).ravel().tolist(), fill=255)
        grown = mask.filter(ImageFilter.BoxBlur(reach)).point([0] + 255 * [255])
        self.labels.paste(WHITE, tuple(low.tolist()), grown)

    def print(self):
        """-> PIL image, mode "L". The inked area equals the tone, stretched a little so that the ends are clean white and black."""
        labels = np.asarray(self.labels).astype(np.intp)  # (S, S), of the type that indexes fastest
        c, cx, cy, b, bx, by, bxx = np.array(self.shades, np.float32).T  # (labels,) each
        at = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side  # (S,)
        x = at[None]
        y = at[:, None]
        steps = self.side / self.spacing
        tone = np.clip(c[labels] + cx[labels] * x + cy[labels] * y, 0, 1)
        bend = b[labels] + (bx[labels] + bxx[labels] * x) * x
        if self.water:
            label, horizon = self.water
            wet = slice(int(horizon * self.side), None)
            # 0 at the horizon to 1 at the foot
            near = (y[wet] - horizon) / (1 - horizon)
            bend[wet] += (labels[wet] == label) * (0.45 * near * np.sin(44 * x + 9 * near))

        # ink changes by this per unit of tone, 1 per pixel across an edge
        crisp = self.spacing / 2
        cut = lambda tone, wave: (tone * (1 + 1 / crisp) - 0.5 / crisp - 1 + wave) * crisp + 0.5
        # 1 on the ridge of a line, 0 half-way to the next
        wave = lambda phase: np.abs(phase - np.floor(phase) - 0.5) * 2
        if self.technique == "line":
            ink = cut(tone, wave(y * steps + by[labels] * y + bend))
        else:
            one = wave((x + y) * steps / 1.5 + bend)
            two = wave((x - y) * steps / 1.5 - bend)
            if self.technique == "cross-hatching":
                first = np.minimum(tone, 0.16 + 0.5 * tone)
                ink = np.maximum(cut(first, one), cut((tone - first) / (1 - first), two))
            else:
                # a dot of radius^2 r has area pi r / 4 until dots meet
                ink = cut(1.27 * tone + 0.73 * tone**6, 1 - (1 - one) ** 2 - (1 - two) ** 2)
        return Image.fromarray((255.5 - np.clip(ink, 0, 1) * 255).astype(np.uint8)).reduce(
            OVERSAMPLE
        )


def sky(plate, kind, horizon, rng):
    """Brighter towards the light; sun, moon or lightning on the lit side."""
    base, climb, swing = {
        "clear": (0.08, 0.16, 0.16),
        "cloudy": (0.34, 0.12, 0.22),
        "stormy": (0.6, 0.12, 0.2),
        "starry": (0.56, 0.32, 0.2),
    }[kind]
    swing = swing * plate.away
    plate.fill(
        plate.label(base + climb - swing, 2 * swing, -climb / horizon), box(0, 0, 1, horizon)
    )
    # of whatever shines
    x, y = np.array([0.5 - 0.35 * plate.away, 0.16]) + rng.uniform(-0.02, 0.02, 2)
    if kind == "clear":
        plate.fill(WHITE, oval(x, y, 0.1, 0.1))
        plate.fill(
            BLACK,
            *[
                bar(x + 0.062 * a, y + 0.062 * b, x + 0.09 * a, y + 0.09 * b, 0.007)
                for a, b in oval(0, 0, 1, 1, 12)
            ],
        )
        plate.fill(WHITE, oval(x, y, 0.045, 0.045), width=LINE)
        for x, y, long in rng.uniform((0.1, 0.07, 0.08), (0.9, horizon - 0.1, 0.2), (5, 3)):
            plate.fill(BLACK, poly((x - long, y), (x, y - 0.004), (x + long, y), (x, y + 0.004)))
    if kind == "cloudy":
        for x, y, wide in (
            (0.55, 0.12, 0.17),
            (0.15, 0.18, 0.2),
            (0.87, 0.21, 0.2),
            (0.3, 0.43, 0.15),
            (0.74, 0.46, 0.15),
        ):
            x = x + rng.uniform(-0.04, 0.04)
            y = y + rng.uniform(-0.025, 0.025)
            puffs = [
                oval(x + wide * a, y - wide * (b + rng.uniform(0, 0.1)), wide * r, wide * r * 0.85)
                for a, b, r in (
                    (-0.62, 0.02, 0.26),
                    (0.62, 0, 0.28),
                    (-0.28, 0.18, 0.34),
                    (0.26, 0.16, 0.38),
                    (0, 0, 0.34),
                )
            ]
            plate.fill(
                WHITE,
                *puffs,
                oval(x, y + wide * 0.1, wide * 0.85, wide * 0.16),
                rim=WHITE,
                width=0.012,
            )
            plate.paint(
                Part(
                    oval(x, y + wide * 0.1, wide * 0.85, wide * 0.15),
                    0.3,
                    sink=0.2,
                    round=0.15,
                    ink=0,
                )
            )
            plate.paint(Part(puffs[0], 0.02, sink=0.12, round=0.06, ink=0), *puffs[1:])
    if kind == "stormy":
        drops = rng.uniform((0.04, 0.2), (1.1, horizon), (50, 2))
        plate.fill(WHITE, *[bar(x, y, x - 0.035, y + 0.075, 0.004) for x, y in drops])
        for i in rng.permutation(7):
            cloud = oval(
                i / 6 + rng.uniform(-0.04, 0.04),
                rng.uniform(0.02, 0.06),
                rng.uniform(0.1, 0.14),
                rng.uniform(0.08, 0.12),
            )
            plate.fill(WHITE, cloud, rim=WHITE, width=0.014)
            plate.paint(Part(cloud, 0.8, round=0.14, ink=0))
        bolt = np.array(
            [
                (0.01, 0.15),
                (-0.035, 0.33),
                (-0.005, 0.32),
                (-0.045, 0.52),
                (0.055, 0.28),
                (0.018, 0.285),
                (0.05, 0.14),
            ]
        ) + (x, 0)
        plate.fill(BLACK, bolt, width=0.03)
        plate.fill(WHITE, bolt)
    if kind == "starry":
        spikes = oval(0, 0, 1, 1, 8) * np.tile([[1.0], [0.36]], (4, 1))
        plate.fill(
            WHITE,
            *[
                spikes * r + (a, b)
                for a, b, r in rng.uniform(
                    (0.06, 0.06, 0.01), (0.94, horizon - 0.08, 0.026), (24, 3)
                )
            ],
        )
        turn = np.linspace(-2, 2, 24)
        # the moon's round edge faces the lit border
        rim = np.stack([-plate.away * np.cos(turn), np.sin(turn)], 1) * 0.085
        plate.fill(
            WHITE,
            np.concatenate([rim, ((rim - rim[0]) * (0.5, 1) + rim[0])[::-1]]) + (x, y),
            width=LINE,
        )


def ground(plate, kind, horizon, rng):
    """The band on the horizon and the ground before it."""
    far, close = {"sea": (0.58, 0.28), "mountains": (0.18, 0.26), "forest": (0.42, 0.2)}[kind]
    slope = (close - far) / (1 - horizon)
    swing = 0.12 * plate.away
    floor = plate.label(far - slope * horizon - swing, 2 * swing, slope)
    scattered = lambda count: zip(
        rng.uniform(0, 1, count), np.linspace(horizon + 0.035, 0.96, count)
    )

    if kind == "mountains":
        peaks = np.array(
            [(0.3, 0.17), (0.72, 0.18), (0.5, 0.13), (0.07, 0.28), (0.93, 0.28)]
        ) + rng.uniform(-0.03, 0.03, (5, 2))
        for x, tall in peaks:
            wide = tall * 0.85
            y = horizon - tall
            crag = rng.uniform(-0.02, 0.02, 3)
            ridge = [
                (x, y),
                (x + 0.02 + crag[0], y + tall * 0.3),
                (x - 0.01 + crag[1], y + tall * 0.55),
                (x + 0.03 + crag[2], horizon),
            ]
            for side in (-1, 1):
                flank = [
                    (x + side * wide, horizon),
                    (x + side * wide * 0.55, y + tall * 0.6),
                    (x + side * wide * 0.4, y + tall * 0.38),
                ]
                plate.paint(Part(poly(*ridge, *flank), 0.45, face=side * 1.2, tilt=side * 50))
    if kind == "forest":
        for x in np.linspace(0.02, 0.98, 13) + rng.uniform(-0.015, 0.015, 13):
            tall = 0.15 + 0.16 * abs(x - 0.5) + rng.uniform(-0.03, 0.03)
            right = poly(
                (0.06, 0.1),
                (0.03, 0.38),
                (0.05, 0.34),
                (0.02, 0.62),
                (0.036, 0.58),
                (0.015, 0.82),
                (0, 1),
            ) * (1, -tall)
            fir = np.concatenate([right, right[-2::-1] * (-1, 1)]) + (x, horizon + 0.02)
            plate.fill(WHITE, fir, rim=WHITE, width=0.014)
            plate.paint(Part(fir, 0.76, round=0.4, ink=0.5))
    plate.fill(floor, box(0, horizon, 1, 1))
    if kind == "sea":
        plate.water = floor, horizon
        for x in rng.uniform(-0.03, 0.03, 2) + (0.1, 0.9):
            tall = rng.uniform(0.09, 0.12)
            hull = poly((-0.045, -0.012), (0.03, -0.012), (0.02, 0.01), (-0.03, 0.01)) + (
                x,
                horizon,
            )
            sail = poly((-0.035, -0.018), (0.008, -tall), (0.012, -0.018)) + (x, horizon)
            plate.fill(WHITE, sail, hull, rim=WHITE, width=0.024)
            plate.fill(WHITE, sail, width=LINE)
            plate.fill(BLACK, hull)
        crest = bent((-1, 0), (0, -0.35), (1, 0), (0, -0.05), steps=3)
        for y in np.linspace(horizon + 0.04, 0.95, 6):
            wide = 0.05 + 0.17 * (y - horizon)
            for x in np.linspace(0, 1, 5) + rng.uniform(0, 0.2):
                plate.fill(WHITE, crest * wide + (x, y))
                plate.fill(BLACK, crest * (wide, 0.6 * wide) + (x, y + 0.14 * wide))
    if kind == "mountains":
        for x, y in scattered(14):
            wide = 0.02 + 0.06 * (y - horizon)
            stone = poly((-1, 0), (-0.8, -0.5), (-0.2, -0.9), (0.5, -0.7), (1, 0)) * wide + (x, y)
            plate.paint(Part(stone, 0.4, round=0.5, ink=0.6))
    if kind == "forest":
        tuft = poly((-0.6, -0.7), (-0.2, 0), (0, -1), (0.2, 0), (0.7, -0.6), (0, 0.2))
        plate.fill(
            BLACK, *[tuft * (0.02 + 0.09 * (y - horizon)) + (x, y) for x, y in scattered(40)]
        )


def draw(facts, seed, size=128):
    """Facts -> PIL image, mode "L", size x size: black ink (0) on white paper (255).

    Everything the facts leave open comes from the seed (any int): the same bytes each time, the same composition at any size.
    """
    rng = stream(seed, "picture")
    plate = Plate(size, facts["light"], facts["technique"])
    horizon = 0.66 + rng.uniform(-0.008, 0.008)
    sky(plate, facts["sky"], horizon, rng)
    ground(plate, facts["place"], horizon, rng)

    parts = SUBJECTS[facts["subject"]](rng)
    corners = np.concatenate([part.points for part in parts])
    (left, _), (right, top) = corners.min(0), corners.max(0)
    wide, high, stands = LAYOUT[facts["size"], facts["count"]]
    scale = min(wide / (right - left), high / top) * rng.uniform(0.985, 1.015)
    stands = (
        np.array(stands)
        + rng.uniform(-0.008, 0.008, 2)
        + rng.uniform(-0.004, 0.004, (len(stands), 2))
    )
    stands -= ((left + right) / 2 * scale, 0)

    # a shadow falls away from the light, and back
    lean = np.array([(1, 0), (plate.away * 0.75, 0.16)]) * (scale, -scale)
    # all shadows first: they lie on the ground alone
    for stand in stands:
        plate.fill(plate.label(0.86), *[part.points @ lean + stand for part in parts])
    for stand in stands:
        placed = [part._replace(points=part.points * (scale, -scale) + stand) for part in parts]
        plate.halo([part.points for part in placed])
        for part in placed:
            plate.paint(
                part, middle=stand[0] + (left + right) / 2 * scale, reach=(right - left) / 2 * scale
            )

    # whole pixels, so crisp
    margin = round(0.018 * size) * OVERSAMPLE
    line = max(1, round(LINE * size)) * OVERSAMPLE
    side = plate.side - 1
    plate.pen.rectangle((0, 0, side, side), outline=WHITE, width=margin)
    plate.pen.rectangle((margin, margin, side - margin, side - margin), outline=BLACK, width=line)
    return plate.print()
