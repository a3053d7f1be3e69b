"""How captions begin: "An engraving of ...", whoever wrote them and however."""

import functools
import re
import unicodedata
from dataclasses import dataclass

from oneseed.console.output import SHAPING_LETTER, is_control
from oneseed.dataset.jsonl import Row
from oneseed.dataset.segmentation import UNSPACED, is_latin, words
from oneseed.synthetic.collections import DRAWN_CLASSES

OTHER_MEDIUM = "A picture"
CLASS_MEDIUM = {
    "engraving": "An engraving",
    "drawings": "A drawing",
    "painting": "A painting",
    "sculpture": "A sculpture",
    "iconography": "An icon",
    "recordings": "A recording",
    "clips": "A clip",
}
# style, also of a drawn collection -> how its captions begin
MEDIUM = {
    **CLASS_MEDIUM,
    **{style: CLASS_MEDIUM[of] for style, of in DRAWN_CLASSES.items()},
}
# pairs of marks around a text
QUOTATION_MARKS = ('""', "''", "“”", "‘’", "«»")
# the collection of all styles, whose captions begin each as its own style's
ALL_STYLES = "all"
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


def clean_caption(text: str) -> str:
    """The text as one line: white space collapsed, control and invisible characters dropped.

    Invisible characters that shape what stands beside them stay: joiners, the zero-width spaces of
    Khmer, Thai and their kin, and the tags of flags. Prompts are cleaned so too.
    """
    line = " ".join(text.split())
    # most captions
    if line.isascii() and line.isprintable():
        return line
    line = re.sub("\u200b+", kept_spaces, line)
    kept: list[str] = []
    for letter in line:
        before = kept[-1] if kept else " "
        if not is_control(letter) or (SHAPING_LETTER.match(letter) and not before.isascii()):
            kept.append(letter)
    return " ".join("".join(kept).split())


def kept_spaces(found: re.Match[str]) -> str:
    """Zero-width spaces of a text -> what stays of them.

    All beside a letter of a script without blanks, a blank between other words, else nothing.
    """
    start, end = found.span()
    before = found.string[max(0, start - 1) : start]
    after = found.string[end : end + 1]
    if UNSPACED.match(before) or UNSPACED.match(after):
        return found.group()
    ends_word = unicodedata.category(before or " ")[0] in "LMN"
    begins_word = unicodedata.category(after or " ")[0] in "LN"
    return " " if ends_word and begins_word else ""


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

    "" where the caption says nothing of what is shown. What reads so already stays as it is, and so
    does a caption in letters other than Latin: an English beginning would be no part of it.
    """
    caption = clean_caption(caption)
    if not words(caption):
        return ""
    medium = MEDIUM.get(style, OTHER_MEDIUM)
    openings = openings_of(OWN_NOUNS.get(style, ""))
    if not is_latin(caption) or is_worded(caption, medium, openings):
        return caption
    verb, subject = split_lead(caption, openings)
    if not words(subject) or openings.nothing_shown.fullmatch(subject):
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


def worded_prompt(prompt: str, style: str) -> tuple[str, str]:
    """A prompt as typed -> how captions of its style begin, and what it asks for.

    "TWO ships!" -> ("An engraving of", "TWO ships"), parted by a blank also where the first is "",
    so that the first word has the tokens that it has within a caption. The second is "" where only
    a medium is named, the first where captions of these letters have no beginning, see worded.
    """
    text = unicodedata.normalize("NFC", clean_caption(prompt))
    text = re.sub(r"\s+(?=[.,;:!?])|[\s!?;:,…]+$", "", text)
    for opening_mark, closing_mark in QUOTATION_MARKS:
        if len(text) > 1 and text[0] == opening_mark and text[-1] == closing_mark:
            text = text[1:-1].strip()
    medium = prompted_medium(text, style)
    openings = openings_of(OWN_NOUNS.get(style, ""))
    if is_worded(text, medium, openings):
        verb, subject = text[len(medium) :].split(maxsplit=1)
    else:
        verb, subject = split_lead(text, openings)
    if not is_latin(subject):
        return "", subject
    if not words(subject) or openings.nothing_shown.fullmatch(subject):
        return medium, ""
    return f"{medium} {verb}" if medium else "", subject


def prompted_medium(text: str, style: str) -> str:
    """How captions of a style begin; of all styles together the one that the text names, or ""."""
    if style != ALL_STYLES:
        return MEDIUM.get(style, OTHER_MEDIUM)
    named = [one for one in MEDIUM.values() if re.match(f"{one} {WORDED}", text, re.IGNORECASE)]
    return named[0] if named else ""


def captions_style(style: str, asked: str | None) -> str:
    """The style of a collection, and one that is asked for -> the style that words a prompt.

    Of all styles together the asked one does; the techniques of drawn collections word nothing.
    """
    return asked if style == ALL_STYLES and asked in MEDIUM else style


def prompt_of(row: Row) -> str:
    """How the caption of a row begins, for a captioner to go on: "an engraving of"."""
    return f"{MEDIUM.get(row['style'], OTHER_MEDIUM).lower()} of"
