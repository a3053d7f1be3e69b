"""A PNG that says how it was made, and proves it.

Pair cards: a PNG that says how it was made, so that whoever has the model can make it again and see whether that is true.

    python inference.py --verify outputs/000007.png         # exit code 0: it is true; 1: what differs; 2: no card, or one of another model

The PNG carries as text: card (the format's number), the model's fingerprint, the caption, what the pair was made of (seed, prompt, guidance …),
sha256_pixels and sha256_text. Whoever changes a card can also rewrite its digests; the pair that the model makes again shows it all the same.
"""

import hashlib
import io
import json
import warnings

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from oneseed.config.inference import MAX_WALK_STEPS, InferenceConfig
from oneseed.console.command import UserError
from oneseed.console.output import printable

CARD_FORMAT = 1
# of pictures that people bring
CARD_FORMATS = ("JPEG", "PNG", "WEBP")
FACT_KINDS = {
    **dict.fromkeys(
        ("card", "seed", "from", "to", "step", "steps", "best_of", "first_seed", "match"), int
    ),
    # all other facts are text
    **dict.fromkeys(("guidance", "temperature", "strength", "cosine"), float),
}
DIGESTS = ("sha256_pixels", "sha256_text")
# a picture that is 1/255 off has another cosine
SAME_COSINE = 0.01


def digest_of_pixels(image):
    """SHA-256 in hex, the same for a grey picture and for the same picture in RGB."""
    return hashlib.sha256(
        f"{image.width} {image.height} ".encode() + image.convert("RGB").tobytes()
    ).hexdigest()


def digest_of_text(facts):
    return hashlib.sha256(
        json.dumps(
            sorted((key, str(value)) for key, value in facts.items() if key not in DIGESTS)
        ).encode()
    ).hexdigest()


def sign(image, facts):
    """PIL image and facts, a dict of plain values -> the facts of its card: those that are not None, and both digests."""
    facts = {
        "card": CARD_FORMAT,
        **{key: value for key, value in facts.items() if value is not None},
    }
    return {**facts, "sha256_pixels": digest_of_pixels(image), "sha256_text": digest_of_text(facts)}


def encode_card(image, facts, grey=False):
    """PIL image and signed facts -> the bytes of a PNG with the facts inside as text."""
    text = PngImagePlugin.PngInfo()
    file = io.BytesIO()
    for key, value in facts.items():
        text.add_itxt(key, str(value))
    (image.convert("L") if grey else image).save(file, "PNG", pnginfo=text, compress_level=6)
    return file.getvalue()


def open_with_facts(path, formats=CARD_FORMATS):
    """Picture file -> (PIL RGB image, upright, on white where it is transparent; the text inside, {} but for a PNG's). UserError for anything that is not
    a picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=formats) as image:
                text = {key: str(value) for key, value in getattr(image, "text", {}).items()}
                image = ImageOps.exif_transpose(image).convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert(
                    "RGB"
                ), text
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except Exception as error:
        # Pillow's readers raise nearly anything on damaged bytes
        raise UserError(
            f"{path} cannot be read as a picture ({', '.join(formats)}): {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error


def read_card(path):
    """PNG file -> (PIL RGB image, facts of its card). UserError where it is none."""
    image, facts = open_with_facts(path, ("PNG",))
    if (
        facts.get("card") != str(CARD_FORMAT)
        or not {"fingerprint", "caption", *DIGESTS} <= facts.keys()
    ):
        raise UserError(
            f"{path} is no pair card: it does not say how it was made; cards are the pictures that inference.py writes, as they were written"
        )
    try:
        return image, {key: FACT_KINDS.get(key, str)(value) for key, value in facts.items()}
    except ValueError as error:
        raise UserError(f"{path} is no pair card: {printable(str(error))}") from None


def requested(facts):
    """Facts of a card -> what its pair was asked for with, the keywords of MultimodalGenerator.generate. ValueError where they are out of their bounds."""
    wish = {
        name: facts[key]
        for name, key in (("prompt", "prompt"), ("style", "asked_style"), ("guidance", "guidance"))
        if key in facts
    }
    wish["temperature"] = facts.get("temperature", 0.0)
    InferenceConfig(**wish)
    return wish


def make_again(generator, facts, original=None):
    """-> the pair (PIL image, caption) that the facts of a card describe. original: the picture it was made from, PIL, where it was made from one.
    UserError where that is missing or another, ValueError where a fact is missing or out of its bounds."""
    wish = requested(facts)
    told = {"temperature": wish["temperature"]}
    if "from" in facts:
        if not 2 <= facts["steps"] <= MAX_WALK_STEPS or not 0 <= facts["step"] < facts["steps"]:
            raise ValueError(f"step {facts['step']} of {facts['steps']}")
        return generator.interpolate(facts["from"], facts["to"], facts["steps"], **told)[
            facts["step"]
        ]
    if "image" not in facts:
        return generator.generate(facts["seed"], **wish)
    if original is None or digest_of_pixels(original) != facts["image_sha256"]:
        raise UserError(
            f"this card was made from the picture {printable(facts['image'])}{'' if original is None else ', and --image names another'}; "
            "name that: python inference.py --verify CARD --image PICTURE"
        )
    if "strength" not in facts:
        return generator.decode(generator.encode([original]), **told)[0]
    InferenceConfig(image="named", strength=facts["strength"])
    if "seed" in facts:
        return generator.vary(original, [facts["seed"]], facts["strength"], **told)[0]
    return generator.restyle([original], facts["asked_style"], facts["strength"], **told)[0]


def differences(generator, path, original=None):
    """Card, a PNG file, made again by `generator` -> sentences on what differs, none where it is true. original: see make_again. UserError where it is no
    card, or one of another model."""
    image, facts = read_card(path)
    if facts["fingerprint"] != generator.fingerprint:
        raise UserError(
            f"{path} was made by another model ({printable(facts.get('checkpoint', 'unnamed'))}, fingerprint {printable(facts['fingerprint'])[:16]}…) than "
            f"{generator.checkpoint} ({generator.fingerprint[:16]}…); name that one: --checkpoint FILE"
        )
    try:
        drawn, told = make_again(generator, facts, original)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path} is no pair card: what it says cannot be made ({type(error).__name__}: {printable(str(error))})"
        ) from error
    found = []
    if facts["sha256_text"] != digest_of_text(facts):
        found.append("the text was changed after the card was written (its digest is another)")
    if facts["sha256_pixels"] != digest_of_pixels(image):
        found.append("the pixels were changed after the card was written (their digest is another)")
    if facts["caption"] != told:
        found.append(
            f'the card says "{printable(facts["caption"])}", the model writes "{printable(told)}"'
        )
    if image.size != drawn.size:
        return [
            *found,
            f"the picture is {image.width} x {image.height}, the model draws {drawn.width} x {drawn.height}",
        ]
    if (far := np.abs(np.asarray(image, dtype=int) - np.asarray(drawn, dtype=int)).max()) > 1:
        found.append(f"the picture is up to {far}/255 away from what the model draws")
    (score,) = generator.match([(drawn, told)])
    if "cosine" in facts and not (
        abs(facts["cosine"] - score["cosine"]) <= SAME_COSINE
        and facts.get("match") == generator.percentile(facts["cosine"])
    ):
        found.append(
            f"the match score is {score['match']} (cosine {score['cosine']}), not {facts.get('match')} (cosine {facts['cosine']})"
        )
    return found


def open_picture(path):
    """Picture file -> PIL RGB image, upright, on white where it is transparent. UserError for anything that is not a picture."""
    return open_with_facts(path)[0]
