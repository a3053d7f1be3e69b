"""Words that mean nearly the same, for prompts: people write "huge" where captions have "large".

A prompt's word that no training caption has is read as the first of its group that some has, and
that is said. Some are only alike ("house" and "cottage"), which is better than nothing: what no
caption has cannot be drawn.
"""

import functools

# of each group the plainest first; a noun stands for its plural too
NOUN_GROUPS: tuple[str, ...] = (
    "ship, boat, vessel, sailing boat, sailboat, sailing ship, steamship, steamer",
    "castle, fortress, palace, citadel, chateau",
    "church, chapel, cathedral, abbey",
    "windmill, mill, watermill",
    "lighthouse, beacon",
    "house, cottage, cabin, hut, home, farmhouse, building",
    "tower, turret, spire",
    "tree, oak, pine, fir",
    "balloon, hot-air balloon, air balloon, airship, zeppelin",
    "horse, pony, stallion, mare, foal, steed",
    "dog, hound, puppy",
    "cat, kitten",
    "cow, ox, bull",
    "bird, eagle, dove, gull",
    "bridge, viaduct, aqueduct",
    "tent, marquee, pavilion",
    "man, gentleman, fellow",
    "woman, lady",
    "child, boy, girl, kid, infant",
    "king, ruler, monarch",
    "soldier, warrior, knight",
    "sea, ocean, seaside, seashore, coast, shore, beach",
    "mountain, hill, peak",
    "forest, wood, woodland, grove",
    "river, stream, brook",
    "lake, pond",
    "town, village, city",
    "street, road, lane, path",
    "field, meadow, pasture",
    "flower, blossom, rose",
    "thunderstorm, storm, tempest, gale",
    "dot, point",
    "line, stroke",
)
WORD_GROUPS: tuple[str, ...] = (
    "large, big, great, huge, giant, gigantic, enormous, massive, vast, grand, immense",
    "small, little, tiny, mini, miniature, wee, minute",
    "one, 1, a single, single, a lone, lone, a solitary, solitary",
    "two, 2, a pair of, a couple of, a brace of",
    "three, 3, a group of three, a trio of",
    "four, 4",
    "five, 5",
    "six, 6",
    "several, some, many, a few, various",
    "old, ancient, aged, antique",
    "young, youthful",
    "beautiful, pretty, lovely",
    "dark, gloomy, dim",
    "white, pale",
    "grey, gray",
    "colour, color",
    "harbour, harbor",
    "tall, high, towering",
    "by, beside, near, next to, close to, alongside",
    "before, in front of",
    "under, beneath, below",
    "over, above",
    "among, amid, amidst, amongst, between",
    "in the forest, in a forest, in the woods, in a wood, by a forest, among trees",
    "by the sea, on the coast, at sea, on the sea, at the seaside, by the ocean, on the ocean, "
    "on the water, on the beach, by the shore, on the shore, at the shore, at the coast",
    "stormy, tempestuous, thundery, rainy",
    "cloudy, overcast, clouded",
    "clear, cloudless, sunny",
    "clear sky, cloudless sky, blue sky, sunny sky, bright sky",
    "starry, starlit",
    "in fair weather, in clear weather, in good weather, in fine weather, in the sunshine, "
    "on a sunny day, on a clear day, in the sun, under a clear sky",
    "in a thunderstorm, in a storm, in the storm, in the rain, in rain, in stormy weather, "
    "under a stormy sky",
    "at night, by night, in the night, on a starry night, under a starry sky, under the stars, "
    "beneath the stars, in the moonlight, by moonlight",
    "under a cloudy sky, under clouds, beneath clouds, in cloudy weather",
    "stippled, dotted",
    "in stipple, in dots, in points",
    "cross-hatched, crosshatched, hatched",
    "in cross-hatching, in crosshatching, in hatching",
    "in lines, in parallel lines, drawn in lines, line engraving",
)


def key_of(phrase: str) -> str:
    """A phrase as SYNONYMS has it: lower case, blanks between its words."""
    return " ".join(phrase.lower().replace("-", " ").split())


def plural_of(noun: str) -> str:
    """The plural of a regular English noun, or of the last word of several."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return "men".join(noun.rsplit("man", 1)) if noun.endswith("man") else f"{noun}s"


@functools.cache
def synonyms() -> dict[str, list[str]]:
    """Each word or phrase, by its key_of -> all of its group, the plainest first.

    A noun's group has those of its own number before the others.
    """
    found: dict[str, list[str]] = {}
    for group in NOUN_GROUPS:
        singular = group.split(", ")
        several = [plural_of(noun) for noun in singular]
        found |= {key_of(noun): singular + several for noun in singular}
        found |= {key_of(noun): several + singular for noun in several}
    for group in WORD_GROUPS:
        phrases = group.split(", ")
        found |= {key_of(phrase): phrases for phrase in phrases}
    return found


# words of the longest phrase
LONGEST = max(len(phrase.split()) for phrase in synonyms())
