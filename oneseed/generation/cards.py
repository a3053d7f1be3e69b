"""Pair cards: a PNG that says how it was made, so that whoever has the model can check it.

    python inference.py --verify outputs/000007.png

Exit code 0: it is true; 1: it differs, and how; 2: it is no card, or one of another model.

The PNG carries as text: card (the format's number), the model's fingerprint, the caption and who
wrote it (caption_source; older cards do not say it), what the pair was made of (seed, prompt,
guidance, ...), sha256_pixels and sha256_text. A postcard says all that, too. Whoever changes a card
can also rewrite its digests; the pair that the model makes again shows it all the same.
"""

import contextlib
import hashlib
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin

from oneseed.config.base_model import BASE, checkpoint_name
from oneseed.config.inference import MAX_WALK_STEPS, PASSES, InferenceConfig
from oneseed.config.options import PLAIN
from oneseed.console.command import UserError
from oneseed.console.output import printable
from oneseed.dataset.commands import script_command
from oneseed.generation.pictures import open_picture
from oneseed.generation.postcard import POSTCARD, POSTCARD_PICTURE, enlarged, picture_on
from oneseed.seeds import is_word, seed_of_word

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator

CardFacts = dict[str, Any]
# pictures that somebody brings: one, several or none
Originals = Image.Image | Sequence[Image.Image] | None

CARD_FORMAT = 1
INTEGER_FACTS = (
    *("card", "seed", "from", "to", "step", "steps"),
    *("best_of", "first_seed", "match", "passes", "constrained", POSTCARD),
)
FLOAT_FACTS = ("guidance", "temperature", "strength", "cosine")
# All other facts are text.
FACT_KINDS: dict[str, type] = {
    **dict.fromkeys(INTEGER_FACTS, int),
    **dict.fromkeys(FLOAT_FACTS, float),
}
DIGESTS = ("sha256_pixels", "sha256_text")
# Of a card's texts in a sentence: a stranger's may have a megabyte.
MAX_TOLD_LETTERS = 300
# A picture that is 1/255 off has another cosine.
COSINE_TOLERANCE = 0.01
# In 1/255, between a card's picture and the one that the model draws again; enlarged, the second.
PIXEL_TOLERANCE = 1
POSTCARD_TOLERANCE = 2


# ---- writing -------------------------------------------------------------------------------------


def digest_of_pixels(image: Image.Image) -> str:
    """SHA-256 in hex, the same for a grey picture and for the same picture in RGB."""
    size = f"{image.width} {image.height} "
    return hashlib.sha256(size.encode() + image.convert("RGB").tobytes()).hexdigest()


def digest_of_pictures(images: Sequence[Image.Image]) -> str:
    """SHA-256 in hex of the pictures that a pair was made from; of one, digest_of_pixels."""
    first, *others = map(digest_of_pixels, images)
    return hashlib.sha256(" ".join([first, *others]).encode()).hexdigest() if others else first


def digest_of_text(facts: CardFacts) -> str:
    """SHA-256 in hex of all facts but the digests, whatever their order."""
    lines = sorted((key, str(value)) for key, value in facts.items() if key not in DIGESTS)
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def sign(image: Image.Image, facts: CardFacts) -> CardFacts:
    """Plain facts -> the facts of the picture's card: those that are not None, and both digests."""
    known = {key: value for key, value in facts.items() if value is not None}
    signed = {"card": CARD_FORMAT, **known}
    return {
        **signed,
        "sha256_pixels": digest_of_pixels(image),
        "sha256_text": digest_of_text(signed),
    }


def encode_card(image: Image.Image, facts: CardFacts, *, grey: bool = False) -> bytes:
    """A picture and its signed facts -> a PNG file with the facts inside as text.

    grey: the PNG has one channel.
    """
    text = PngImagePlugin.PngInfo()
    for key, value in facts.items():
        text.add_itxt(key, str(value))
    if grey:
        image = image.convert("L")
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=text, compress_level=6)
    return file.getvalue()


def signed_card(
    image: Image.Image, facts: CardFacts, *, grey: bool = False
) -> tuple[CardFacts, bytes]:
    """A picture and its plain facts -> the signed facts, and the bytes of its PNG file.

    grey: the PNG has one channel.
    """
    signed = sign(image, facts)
    return signed, encode_card(image, signed, grey=grey)


# ---- reading -------------------------------------------------------------------------------------


def text_inside(path: str | Path) -> dict[str, str]:
    """The texts that a picture file holds, by name; {} where it is no PNG."""
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        # Pillow's readers raise nearly anything on bytes that are no card
        with Image.open(path, formats=("PNG",)) as image:
            return {key: str(value) for key, value in getattr(image, "text", {}).items()}
    return {}


def read_card(path: str | Path) -> tuple[Image.Image, CardFacts]:
    """PNG file -> (RGB picture, facts of its card). UserError where it is none."""
    image = open_picture(path)
    text = text_inside(path)
    needed = {"fingerprint", "caption", *DIGESTS}
    if text.get("card") != str(CARD_FORMAT) or not needed <= text.keys():
        raise UserError(
            f"{path} is no pair card: it does not say how it was made; "
            "cards are the pictures that inference.py writes, as they were written"
        )
    try:
        return image, {key: FACT_KINDS.get(key, str)(value) for key, value in text.items()}
    except ValueError as error:
        reason = printable(str(error)[:MAX_TOLD_LETTERS])
        raise UserError(f"{path} is no pair card: {reason}") from None


# ---- checking ------------------------------------------------------------------------------------


def requested(facts: CardFacts) -> dict[str, Any]:
    """Facts of a card -> what its pair was asked with: keywords of generate, and the passes.

    ValueError where they are out of their bounds.
    """
    key_of = {"prompt": "prompt", "style": "asked_style", "guidance": "guidance"}
    conditions = {name: facts[key] for name, key in key_of.items() if key in facts}
    conditions["temperature"] = facts.get("temperature", 0.0)
    conditions["passes"] = facts.get("passes", PASSES)
    conditions["finish"] = facts.get("finish")
    # Its bounds are those of the flags.
    InferenceConfig(**conditions)
    return conditions


def make_again(
    generator: "MultimodalGenerator", facts: CardFacts, originals: Originals = ()
) -> tuple[Image.Image, str]:
    """The pair (RGB picture, caption) that the facts of a card describe.

    originals: the picture that it was made from, or the pictures, where it was made from some.
    UserError where that is missing or another; KeyError where a fact is missing; ValueError where
    one is out of its bounds.
    """
    conditions = requested(facts)
    temperature = conditions["temperature"]
    passes = conditions.pop("passes")
    if generator.draws_in_passes:
        generator = generator.in_passes(passes)
    finish = conditions.pop("finish")
    if finish or generator.can_choose_finish:
        # a card without one is of a time before models carried pictures
        generator = generator.in_finish(finish or PLAIN)
    if facts.get("constrained"):
        generator = generator.in_grammar()
    if "from" in facts:
        steps = facts["steps"]
        step = facts["step"]
        if not 2 <= steps <= MAX_WALK_STEPS or not 0 <= step < steps:
            raise ValueError(f"step {step} of {steps}")
        ends = (facts["from"], facts["to"])
        return next(generator.walk(*ends, steps, temperature=temperature, only=step))
    if "image" in facts:
        if isinstance(originals, Image.Image):
            originals = [originals]
        return make_from_picture(generator, facts, originals or (), temperature)
    return generator.generate(facts["seed"], **conditions)


def make_from_picture(
    generator: "MultimodalGenerator",
    facts: CardFacts,
    originals: Sequence[Image.Image],
    temperature: float,
) -> tuple[Image.Image, str]:
    """The part of make_again for cards that were made from a picture."""
    if not originals or digest_of_pictures(originals) != facts["image_sha256"]:
        another = ", and --image names another" if originals else ""
        named = facts["image"][:MAX_TOLD_LETTERS]
        raise UserError(
            f"this card was made from the picture {printable(named)}{another}; "
            f"name that: {script_command('inference.py', '--verify CARD --image PICTURE')}"
        )
    if "strength" not in facts:
        codes = generator.encode_together(originals)
        return generator.decode_code(codes, temperature=temperature)[0]
    strength = facts["strength"]
    # Its bounds are those of the flag.
    InferenceConfig(image="named", strength=strength)
    if "seed" in facts:
        return generator.vary(originals[0], [facts["seed"]], strength, temperature=temperature)[0]
    style = facts["asked_style"]
    return generator.restyle(originals, style, strength, temperature=temperature)[0]


def differences(
    generator: "MultimodalGenerator", path: str | Path, originals: Originals = ()
) -> list[str]:
    """A card, made again by the generator -> sentences on what differs, none where it is true.

    path: of the PNG file. originals: see make_again.
    UserError where it is no card, or one of another model.
    """
    image, facts = read_card(path)
    if facts["fingerprint"] != generator.fingerprint:
        maker = printable(facts.get("checkpoint", "unnamed")[:MAX_TOLD_LETTERS])
        own = checkpoint_name(generator.checkpoint)
        remedy = f"--checkpoint {BASE}" if maker == BASE != own else "--checkpoint FILE"
        fingerprint = printable(facts["fingerprint"])
        raise UserError(
            f"{path} was made by another model ({maker}, fingerprint {fingerprint[:16]}…) than "
            f"{own} ({generator.fingerprint[:16]}…); name that one: {remedy}"
        )
    try:
        drawn, caption = make_again(generator, facts, originals)
    except (KeyError, ValueError) as error:
        reason = f"{type(error).__name__}: {printable(str(error)[:MAX_TOLD_LETTERS])}"
        raise UserError(
            f"{path} is no pair card: what it says cannot be made ({reason})"
        ) from error

    found = changed_digests(image, facts)
    if facts["caption"] != caption:
        found.append(
            f'the card says "{printable(facts["caption"][:MAX_TOLD_LETTERS])}", '
            f'the model writes "{printable(caption)}"'
        )
    found += changed_source(generator, facts) + changed_word(facts)
    found += changed_picture(image, facts, drawn)
    return found + changed_score(generator, facts, drawn, caption)


def pixel_tolerance(facts: CardFacts) -> int:
    """How far the picture of a true card may be from what the model draws again, in 1/255."""
    return POSTCARD_TOLERANCE if POSTCARD in facts else PIXEL_TOLERANCE


def changed_picture(image: Image.Image, facts: CardFacts, drawn: Image.Image) -> list[str]:
    """A sentence where the picture of a card is not the one that was made again, else none."""
    if POSTCARD in facts:
        image = picture_on(image)
        drawn = enlarged(drawn, POSTCARD_PICTURE)
    if image.size != drawn.size:
        return [
            f"the picture is {image.width} x {image.height}, "
            f"the model draws {drawn.width} x {drawn.height}"
        ]
    distance = np.abs(np.asarray(image, dtype=int) - np.asarray(drawn, dtype=int)).max()
    if distance <= pixel_tolerance(facts):
        return []
    return [f"the picture is up to {distance}/255 away from what the model draws"]


def changed_digests(image: Image.Image, facts: CardFacts) -> list[str]:
    """What the digests of a card say of changes made after it was written."""
    found = []
    if facts["sha256_text"] != digest_of_text(facts):
        found.append("the text was changed after the card was written (its digest is another)")
    if facts["sha256_pixels"] != digest_of_pixels(image):
        found.append("the pixels were changed after the card was written (their digest is another)")
    return found


def changed_source(generator: "MultimodalGenerator", facts: CardFacts) -> list[str]:
    """A sentence where the card says that another wrote the caption, else none."""
    told = facts.get("caption_source", generator.caption_source)
    if told == generator.caption_source:
        return []
    return [
        f"the card says that the caption comes from {printable(told[:MAX_TOLD_LETTERS])!r}, "
        f"the model's come from {generator.caption_source!r}"
    ]


def changed_word(facts: CardFacts) -> list[str]:
    """A sentence where the card names a word that stands for another seed, else none."""
    word = facts.get("word")
    first_seed = facts.get("first_seed", facts.get("seed"))
    if word is None or (is_word(word) and seed_of_word(word) == first_seed):
        return []
    return [f"the card says the word {printable(word[:MAX_TOLD_LETTERS])!r}, which is another seed"]


def changed_score(
    generator: "MultimodalGenerator", facts: CardFacts, drawn: Image.Image, caption: str
) -> list[str]:
    """A sentence where the card's match score is not that of the pair made again, else none."""
    if "cosine" not in facts:
        return []
    (score,) = generator.match([(drawn, caption)])
    same_cosine = abs(facts["cosine"] - score["cosine"]) <= COSINE_TOLERANCE
    if same_cosine and facts.get("match") == generator.percentile(facts["cosine"]):
        return []
    return [
        f"the match score is {score['match']} (cosine {score['cosine']}), "
        f"not {facts.get('match')} (cosine {facts['cosine']})"
    ]
