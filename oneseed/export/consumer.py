"""What a program needs beside the ONNX files: config.json and tokenizer.json.

    {"format": 1, "fingerprint": "…", "image_size": 128, "channels": 1, "latent_dim": 1024,
     "passes": 2, "guidance": 3.0, "caption_source": "decoder", "caption_note": "",
     "max_prompt_tokens": 100, "files": {…}, "prompts": {…}}

prompts: how a prompt is worded before it is encoded, for programs that cannot ask PromptReader;
null where the model knows no words.
"""

from typing import Any

import oneseed
from oneseed.config.inference import GUIDANCE
from oneseed.dataset.phrases import Phrases
from oneseed.dataset.wording import (
    ALL_STYLES,
    MEDIUM,
    OTHER_MEDIUM,
    OWN_NOUNS,
    QUOTATION_MARKS,
    openings_of,
)
from oneseed.export.folders import GRAPH_FILES
from oneseed.generation.prompts import PromptReader
from oneseed.generation.synonyms import LONGEST, synonyms
from oneseed.generation.typos import COMMON_WORDS, MIN_REPLACED, MIN_TWO_TYPOS, MIN_TYPO
from oneseed.model.caption_source import NONE, SOURCE_WORDS, source_of
from oneseed.model.multimodal import MultimodalModel

EXPORT_FORMAT = 1


def consumer_config(model: MultimodalModel, passes: int) -> dict[str, Any]:
    """What config.json says of a model."""
    source = source_of(model.meta)
    kinds = ["pair"] if source == NONE else ["pair", "prompt"]
    return {
        "format": EXPORT_FORMAT,
        "version": oneseed.__version__,
        "fingerprint": model.fingerprint(),
        "style": model.meta.get("style", "engraving"),
        "image_size": model.config.image_size,
        "channels": model.config.channels,
        "latent_dim": model.config.latent_dim,
        "passes": passes,
        "guidance": GUIDANCE,
        "caption_source": source,
        "caption_note": SOURCE_WORDS[source].pair,
        "max_prompt_tokens": model.config.max_caption_length,
        "files": {kind: dict(zip(("exact", "small"), GRAPH_FILES[kind])) for kind in kinds},
        "prompts": None if source == NONE else prompt_rules(model),
    }


def prompt_rules(model: MultimodalModel) -> dict[str, Any]:
    """How PromptReader reads prompts for a model, as far as plain JSON can say it.

    medium: how captions begin; named_media: of all styles together, those that a prompt may begin
    with. lead, nothing_shown, made_by: regular expressions without flags, of what stands before the
    subject, and of the picture's name before its maker.
    code: True where captions are code: a prompt is encoded as its letters are, worded by nobody.
    words: those that captions have; []: not known. replacements: a phrase that no caption has ->
    what is read instead. leading: words that never end a clause. hyphenated: see there. typos:
    see typos.py.
    """
    reader = PromptReader.of_model(model)
    style = reader.style
    is_mixed = style == ALL_STYLES
    openings = openings_of(OWN_NOUNS.get(style, ""))
    replacements = {}
    for phrase, group in synonyms().items():
        known = [one for one in group if reader.knows(one)]
        if reader.words and known and not reader.knows(phrase):
            replacements[phrase] = known[0]
    return {
        "code": reader.is_code,
        "medium": "" if is_mixed else MEDIUM.get(style, OTHER_MEDIUM),
        "named_media": [*dict.fromkeys(MEDIUM.values())] if is_mixed else [],
        "lead": portable(openings.lead.pattern),
        "nothing_shown": portable(openings.nothing_shown.pattern),
        "made_by": portable(openings.made_by.pattern),
        "quotation_marks": list(QUOTATION_MARKS),
        "words": sorted(reader.words),
        "replacements": replacements,
        "longest": LONGEST,
        "leading": sorted(reader.phrases.get("followers", {})),
        "hyphenated": hyphenated(reader.phrases),
        "typos": {
            "shortest": MIN_TYPO,
            "replaced": MIN_REPLACED,
            "two": MIN_TWO_TYPOS,
            "common": sorted(COMMON_WORDS),
        },
    }


def hyphenated(phrases: Phrases) -> dict[str, list[str]]:
    """The followers of known_phrases that more than a blank joins to their word: "-hatched"."""
    found = {}
    for word, followers in phrases.get("followers", {}).items():
        joined = [one for one in followers if not one.startswith(" ") and " " not in one]
        if joined:
            found[word] = joined
    return found


def portable(pattern: str) -> str:
    """A pattern of Python's as other languages write it."""
    return pattern.replace("(?P<", "(?<")
