"""How captions begin, and the words in them.

How captions begin: "An engraving of …", whoever wrote them and however.
"""

import re
import unicodedata


def words(text):
    """The words of a caption or prompt, lower case, as a set."""
    return set(re.findall(r"[^\W_]+", text.lower()))


MEDIUM = {
    "engraving": "An engraving",
    "builtin": "An engraving",
    "drawings": "A drawing",
    "painting": "A painting",
    "sculpture": "A sculpture",
    "iconography": "An icon",
}
WORDED = r"(of|depicting|showing)\s+(?=\S)"
ADJECTIVES = (
    r"(?:(?:very|highly|finely|intricately|old|antique|vintage|early|medieval|black[ -]and[ -]white|b&w|monochrome|gr[ae]y(?:scale)?|detailed|intricate|fine|beautiful|"
    r"colou?r(?:ed)?|hand-colou?red|digital|wood|steel|copper|copperplate|line|ink|pen|pen[ -]and[ -]ink|pencil|charcoal|stone|marble|bronze|oil|"
    r"religious|\d\dth[ -]century)[\s,]+)*"
)
NOUNS = r"(?:engraving|etching|wood-?cut|lithograph|drawing|sketch|illustration|print|picture|image|photo(?:graph)?|artwork|painting|close-?up|reproduction)"
# in an engraving a statue is what it shows
OWN_NOUNS = {"sculpture": r"sculptures?|statues?", "iconography": r"icons?"}
VERBS = {
    "of": "of",
    "depicting": "depicting",
    "depicts": "depicting",
    "portraying": "depicting",
    "portrays": "depicting",
    "illustrates": "depicting",
    "showing": "showing",
    # said -> written
    "shows": "showing",
    "featuring": "showing",
    "features": "showing",
    "presents": "showing",
    "with": "of",
    "is": "of",
    None: "of",
}
FIRST_WORDS = "A|An|The|One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten|Several|Some|Many"


def clean_caption(text):
    """One line: white space collapsed, control and other invisible characters dropped."""
    return "".join(
        letter for letter in " ".join(text.split()) if unicodedata.category(letter)[0] != "C"
    ).strip()


def worded(caption, style):
    """Any caption -> "An engraving of …" in the words of its style, or "" where it says nothing. What reads so already stays."""
    caption = clean_caption(caption)
    medium = MEDIUM.get(style, "A picture")
    verb = "of"
    nouns = rf"(?:{NOUNS}|{OWN_NOUNS[style]})" if style in OWN_NOUNS else NOUNS
    name = rf"(?:this is |there is )?(?:(?:an?|the|this|one) )?{ADJECTIVES}{nouns}s?(?: ?/ ?{ADJECTIVES}{nouns})*"
    verbs = "|".join(verb for verb in VERBS if verb not in (None, "is")) + r"|is(?=\s+an?\s)"
    lead = re.compile(
        rf"{name}(?:\s+(?:(?:that|which) )?(?P<verb>{verbs}):?\s+|\s*:\s*|\s+[-–—]\s+)|in (?:the|this) {ADJECTIVES}{nouns},\s+",
        re.IGNORECASE,
    )
    own = re.match(rf"{medium} {WORDED}", caption)
    if (
        own
        and not lead.match(caption, own.end())
        and not re.fullmatch(rf"{name}\.?", caption[own.end() :], re.IGNORECASE)
    ):
        return caption
    while found := lead.match(caption):
        verb = VERBS[found["verb"] and found["verb"].lower()]
        caption = caption[found.end() :]
    by = re.match(rf"{name}\s*,?\s+(?=(?:by|after|from)\s)", caption, re.IGNORECASE)
    # "wood engraving by Gustave Doré, from …": maker or book, no subject
    if by:
        verb = "of"
        caption = "a work " + caption[by.end() :]
    if not re.search(r"\w", caption) or re.fullmatch(
        rf"{name}(?:\s+(?:of|depicting|showing))?\W*", caption, re.IGNORECASE
    ):
        return ""
    # a sentence's capital; a title's stays ("The Wolves and the Sheep" has both)
    if re.match(rf"(?:{FIRST_WORDS}) [a-z]", caption):
        caption = caption[0].lower() + caption[1:]
    return f"{medium} {verb} {caption}"


def prompt_of(row):
    return f"{MEDIUM.get(row['style'], 'A picture').lower()} of"
