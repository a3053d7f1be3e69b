"""Settings of caption_generation.py."""

import re
from dataclasses import dataclass

from oneseed.config.options import (
    caption_kind_option,
    data_option,
    device_option,
    style_option,
)
from oneseed.config.shards import settle_shard, shard_option
from oneseed.console.flags import BaseConfig, option

# values of --captioner that name no model: the collection's own captions, the names of the files,
# those of the folders, and no captions at all
EXISTING = "existing"
NAMES = "names"
FOLDERS = "folders"
NONE = "none"
WITHOUT_MODEL = (EXISTING, NAMES, FOLDERS, NONE)
# what captions without a flag, and what does it without a GPU
BLIP2 = "Salesforce/blip2-opt-2.7b"
SMALLER = "Salesforce/blip-image-captioning-base"
# length limits of a caption, in the captioner's tokens
WORD_TOKENS = 40
CODE_TOKENS = 1000


@dataclass(frozen=True)
class CaptionConfig(BaseConfig):
    """Who writes captions, how, and for which pictures."""

    style: str = style_option()
    captioner: str = option(
        "",
        "existing: keep the collection's own; names: take them from the file names; folders: from "
        "the folders' names; none: train on pictures alone; a transformers image-text-to-text "
        "checkpoint, name or folder; or a server, http://host:port/v1 "
        f"(default: existing where every picture has one, else {BLIP2})",
    )
    captions: str = option(
        "",
        "take captions from this file, .csv .tsv .json .jsonl or .parquet, by the names of the "
        "pictures; those that it lacks stay without one, or are written by --captioner",
    )
    caption_kind: str = caption_kind_option("as they were prepared")
    captioner_model: str = option(
        "", "which model the server at --captioner should use (default: the first that it lists)"
    )
    recaption: bool = option(
        False, "let --captioner write all captions anew, also where there is one"
    )
    shard: str = shard_option("caption only this share")
    batch_size: int = option(8, "pictures captioned at once; of a server, requests at once")
    max_new_tokens: int = option(
        0,
        f"length limit of a new caption, in the captioner's tokens; 0: {WORD_TOKENS}, of code "
        f"{CODE_TOKENS:,}, and of a captioner that was taught here what it was taught",
    )
    device: str = device_option("where the captioner runs")
    max_samples: int = option(0, "caption only so many pictures; 0: all", at_least=0)
    review: str = option(
        "",
        "also write a page with pictures beside their captions to this file, such as "
        "outputs/captions.html",
    )
    data: str = data_option()

    @property
    def has_model(self) -> bool:
        """Whether a model may write captions: without a flag too, unless a table has them."""
        return self.captioner not in WITHOUT_MODEL and bool(self.captioner or not self.captions)

    @property
    def address(self) -> str:
        """Of the server that captions, "" where the captioner is none."""
        return self.captioner if self.captioner.startswith(("http://", "https://")) else ""

    def __post_init__(self) -> None:
        super().__post_init__()
        # one sentence for both
        if self.batch_size < 1 or self.max_new_tokens < 0:
            raise ValueError("--batch-size is at least 1, and --max-new-tokens 0 or more")
        if re.match(r"[\w.-]+:[0-9]+(/|$)", self.captioner):
            raise ValueError(
                "the address of a server begins with http:// or https://: "
                f"--captioner http://{self.captioner}"
            )
        if self.captioner_model and not self.address:
            raise ValueError(
                "--captioner-model goes with a server: --captioner http://host:port/v1"
            )
        if self.captions and self.captioner == NONE:
            raise ValueError(
                "--captioner none trains without words, --captions FILE with them: leave one out"
            )
        if self.recaption and self.captioner in (EXISTING, NONE) and not self.captions:
            raise ValueError(
                f"--captioner {self.captioner} writes no captions anew: leave --recaption out"
            )
        if self.review and self.captioner == NONE:
            raise ValueError("--review shows captions, --captioner none has none: leave one out")
        settle_shard(self)
