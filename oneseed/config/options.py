"""Options that several stages share, and how their texts are read."""

import math
import re
from typing import Any

from oneseed.console.flags import option
from oneseed.media.kinds import MEDIA
from oneseed.seeds import LAST_SEED, is_word, seed_of_word

# the classes of pictures that are known; drawn collections have styles of their own
STYLES = ("engraving", "drawings", "iconography", "painting", "sculpture")
# pixels
NAMED_SIZES = {"imagenet": 224, "clip": 224, "sd": 512, "sd_xl": 1024}
PRESET_NAMES = ("small", "medium", "full")
DEVICES = ("auto", "cuda", "mps", "cpu")
# how pictures of seeds are finished: as the decoder draws them, or engraved from training pictures
PLAIN = "plain"
BOOK = "book"
FINISHES = (PLAIN, BOOK)
# what captions are: sentences, or texts that stay letter by letter
WORD_CAPTIONS = "words"
CODE_CAPTIONS = "code"
CAPTION_KINDS = (WORD_CAPTIONS, CODE_CAPTIONS)
# of --medium: what most files of a source are
AUTO_MEDIUM = "auto"
PARAMETER_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
MAX_PARAMETERS = 10**11
# of one range such as 0-9
MAX_SEED_RANGE = 1_000_000


def parse_image_size(text: str) -> int:
    """ "128" or a name such as "sd" -> pixels. ValueError for anything else."""
    return NAMED_SIZES.get(text) or int(text)


def preset_option(default: str = "full", note: str = "") -> Any:
    """The field `preset`. note: what it says of its default, where that is a text of its own."""
    return option(
        default,
        "small: 128 px, minutes on two CPU cores; medium: 256 px, for a GPU of 8 GB; both grey "
        "where the collection is; "
        f"full: 512 px RGB, for a larger one{note}",
        choices=PRESET_NAMES,
    )


def parse_parameter_count(text: str) -> int:
    """ "50M", "1.5M", "800k" or "50000000" -> a number of parameters. ValueError for any other."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmb]?)", text.strip(), re.IGNORECASE)
    count = float(found[1]) * PARAMETER_UNITS[found[2].lower()] if found else math.inf
    if count > MAX_PARAMETERS:
        raise ValueError(f"a number of parameters is written 50M, 800k or 50000000, not {text!r}")
    return round(count)


def parameters_option() -> Any:
    """The field `parameters`."""
    return option(
        0,
        "such as 50M: scale the widths until the built model has so many parameters, or up to 5 % "
        "fewer; 0: leave them",
        kind=parse_parameter_count,
    )


def style_option() -> Any:
    """The field `style`."""
    return option("engraving", "collection, as named by dataset_preparation.py")


def data_option() -> Any:
    """The field `data`."""
    return option("data", "folder of raw/, processed/, metadata/ and captions/", local=True)


def caption_kind_option(note: str) -> Any:
    """The field `caption_kind`. note: what holds without it."""
    return option(
        "",
        "words: captions are sentences, worded as their style is; code: texts such as HTML, SQL or "
        f"Python, which stay letter by letter; default: {note}",
        choices=CAPTION_KINDS,
    )


def medium_option(note: str) -> Any:
    """The field `medium`."""
    return option(AUTO_MEDIUM, note, choices=(AUTO_MEDIUM, *MEDIA))


def device_option(note: str) -> Any:
    """The field `device`. note: what runs there."""
    return option("auto", note, choices=DEVICES)


def checkpoint_option(default: str = "checkpoints/best_model.pt", note: str = "") -> Any:
    """The field `checkpoint`: a model, however it is named; see config/base_model.

    note: what it says of its default, where that is a text of its own.
    """
    return option(
        default,
        "the model: a file, a folder that was exported for the Hub, hub:owner/name there, or base, "
        f"the one that comes with the program{note}",
    )


def served_checkpoint_option() -> Any:
    """The same where a model may come later."""
    return checkpoint_option(
        "", "; default: checkpoints/best_model.pt, and base while that is missing"
    )


def encoder_option() -> Any:
    """The field `encoder` of those who use a model."""
    return option(
        None,
        "of a model with a frozen picture encoder: its folder, where that is not where it was in "
        "training",
    )


def text_decoder_option() -> Any:
    """The field `text_decoder` of those who use a model."""
    return option(
        None,
        "of a model with a frozen language model: its folder, where that is not where it was in "
        "training",
    )


def moved_parts(config: Any) -> dict[str, Any]:
    """The folders of frozen parts that the settings name: encoder, text_decoder."""
    named = {name: getattr(config, name) for name in ("encoder", "text_decoder")}
    return {name: folder for name, folder in named.items() if folder}


def finish_option() -> Any:
    """The field `finish`."""
    return option(
        None,
        "plain: a seed's picture as the model has learnt to draw it; book: its draft covered with "
        "patches of the training pictures that the model carries; default: the model's own",
        choices=FINISHES,
    )


def parse_seeds(text: str) -> list[int]:
    """ "7", "0-9", "1,5", "Anna" or a mixture -> seeds, 0 … 2**32 - 1.

    ValueError names what is no seed.
    """
    seeds = []
    for part in str(text).split(","):
        if is_word(part.strip()):
            seeds.append(seed_of_word(part.strip()))
        else:
            seeds += parse_seed_range(part.strip(), text)
    return seeds


def parse_seed_range(part: str, text: str) -> range:
    """ "7" or "0-9" -> its seeds. text: of which it is a part."""
    found = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
    if not found:
        raise ValueError(
            f"a seed is an integer from 0 to {LAST_SEED} or a word; write --seeds 7, 0-9, 1,5 or "
            f"Anna, not {text!r}"
        )
    first = int(found[1])
    last = int(found[2] or found[1])
    if not first <= last <= LAST_SEED:
        raise ValueError(f"seeds go from 0 to {LAST_SEED}, the smaller first, got {part!r}")
    if last - first >= MAX_SEED_RANGE:
        raise ValueError(f"{part!r} are more than a million seeds; ask for fewer at once")
    return range(first, last + 1)


def words_of_seeds(text: str) -> dict[int, str]:
    """The words among seeds as parse_seeds reads them, by the seed of each."""
    parts = [part.strip() for part in str(text).split(",")]
    return {seed_of_word(part): part for part in parts if is_word(part)}
