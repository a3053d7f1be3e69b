"""How captions begin: "An engraving of ...", whoever wrote them and however."""

import functools
import re
import unicodedata
from dataclasses import dataclass

from oneseed.dataset.jsonl import Row

OTHER_MEDIUM = "A picture"
MEDIUM = {
    "engraving": "An engraving",
    "builtin": "An engraving",
    "drawings": "A drawing",
    "painting": "A painting",
    "sculpture": "A sculpture",
    "iconography": "An icon",
}
# what follows the medium in a caption that reads as wanted
WORDED = r"(of|depicting|showing)\s+(?=\S)"
ADJECTIVES = (
    r"(?:(?:very|highly|finely|intricately|old|antique|vintage|early|medieval|"
    r"black[ -]and[ -]white|b&w|monochrome|gr[ae]y(?:scale)?|detailed|intricate|fine|beautiful|"
    r"colou?r(?:ed)?|hand-colou?red|digital|wood|steel|copper|copperplate|line|ink|pen|"
    r"pen[ -]and[ -]ink|pencil|charcoal|stone|marble|bronze|oil|"
    r"religious|\d\dth[ -]century)[\s,]+)*"
)
NOUNS = (
    r"(?:engraving|etching|wood-?cut|lithograph|drawing|sketch|illustration|print|picture|image|"
    r"photo(?:graph)?|artwork|painting|close-?up|reproduction)"
)
# Names of the picture in these styles alone: in an engraving a statue is what it shows.
OWN_NOUNS = {"sculpture": r"sculptures?|statues?", "iconography": r"icons?"}
DEFAULT_VERB = "of"
# as captions have it -> as it is written
VERBS = {
    "of": "of",
    "depicting": "depicting",
    "depicts": "depicting",
    "portraying": "depicting",
    "portrays": "depicting",
    "illustrates": "depicting",
    "showing": "showing",
    "shows": "showing",
    "featuring": "showing",
    "features": "showing",
    "presents": "showing",
    "with": "of",
    "is": "of",
}
FIRST_WORDS = "A|An|The|One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten|Several|Some|Many"


def words(text: str) -> set[str]:
    """The words of a caption or prompt, in lower case."""
    return set(re.findall(r"[^\W_]+", text.lower()))


def clean_caption(text: str) -> str:
    """The text as one line: white space collapsed, control and invisible characters dropped."""
    line = " ".join(text.split())
    return "".join(letter for letter in line if unicodedata.category(letter)[0] != "C").strip()


@dataclass(frozen=True)
class Openings:
    """Patterns of how captions of one style begin, in any case."""

    # the picture's name alone: "an old wood engraving."
    name_only: re.Pattern[str]
    # the picture's name and a verb without what it shows: "an engraving depicting"
    nothing_shown: re.Pattern[str]
    # what stands before the subject: "an old engraving depicting ", "in this engraving, "
    lead: re.Pattern[str]
    # the name before its maker or book: "wood engraving by Gustave Dore"
    made_by: re.Pattern[str]


@functools.cache
def openings_of(own_nouns: str) -> Openings:
    """own_nouns: further names of the picture, as of OWN_NOUNS, or ""."""
    nouns = rf"(?:{NOUNS}|{own_nouns})" if own_nouns else NOUNS
    article = r"(?:this is |there is )?(?:(?:an?|the|this|one) )?"
    name = rf"{article}{ADJECTIVES}{nouns}s?(?: ?/ ?{ADJECTIVES}{nouns})*"
    verbs = "|".join(verb for verb in VERBS if verb != "is") + r"|is(?=\s+an?\s)"
    verb = rf"\s+(?:(?:that|which) )?(?P<verb>{verbs}):?\s+"
    lead = (
        rf"{name}(?:{verb}|\s*:\s*|\s+[-–—]\s+)"
        rf"|in (?:the|this) {ADJECTIVES}{nouns},\s+"
    )
    return Openings(
        name_only=re.compile(rf"{name}\.?", re.IGNORECASE),
        nothing_shown=re.compile(rf"{name}(?:\s+(?:of|depicting|showing))?\W*", re.IGNORECASE),
        lead=re.compile(lead, re.IGNORECASE),
        made_by=re.compile(rf"{name}\s*,?\s+(?=(?:by|after|from)\s)", re.IGNORECASE),
    )


def worded(caption: str, style: str) -> str:
    """Any caption -> "An engraving of ..." in the words of its style.

    "" where the caption says nothing of what is shown. What reads so already stays as it is.
    """
    caption = clean_caption(caption)
    medium = MEDIUM.get(style, OTHER_MEDIUM)
    openings = openings_of(OWN_NOUNS.get(style, ""))
    if is_worded(caption, medium, openings):
        return caption
    verb, subject = split_lead(caption, openings)
    if not re.search(r"\w", subject) or openings.nothing_shown.fullmatch(subject):
        return ""
    # A sentence begins with a capital, but a title keeps its own: "The Wolves and the Sheep".
    if re.match(rf"(?:{FIRST_WORDS}) [a-z]", subject):
        subject = subject[0].lower() + subject[1:]
    return f"{medium} {verb} {subject}"


def is_worded(caption: str, medium: str, openings: Openings) -> bool:
    """Whether a caption begins as wanted, and goes on with what is shown, no second beginning."""
    own = re.match(rf"{medium} {WORDED}", caption)
    if not own:
        return False
    rest = caption[own.end() :]
    return not openings.lead.match(rest) and not openings.name_only.fullmatch(rest)


def split_lead(caption: str, openings: Openings) -> tuple[str, str]:
    """Caption -> the verb to write, and what is shown; every beginning is taken off."""
    verb = DEFAULT_VERB
    while found := openings.lead.match(caption):
        given_verb = found["verb"]
        verb = VERBS[given_verb.lower()] if given_verb else DEFAULT_VERB
        caption = caption[found.end() :]
    # "Wood engraving by Gustave Dore, from ..." names maker or book, but no subject.
    by = openings.made_by.match(caption)
    if by:
        verb = DEFAULT_VERB
        caption = "a work " + caption[by.end() :]
    return verb, caption


def prompt_of(row: Row) -> str:
    """How the caption of a row begins, for a captioner to go on: "an engraving of"."""
    return f"{MEDIUM.get(row['style'], OTHER_MEDIUM).lower()} of"
