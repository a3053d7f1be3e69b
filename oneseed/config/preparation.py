"""Settings of dataset_preparation.py."""

import re
from dataclasses import dataclass

from oneseed.config.model import ModelConfig, base_and_doublings
from oneseed.config.options import (
    AUTO_MEDIUM,
    caption_kind_option,
    data_option,
    medium_option,
    parse_image_size,
    preset_option,
)
from oneseed.config.preset_sizes import preset_size, smallest_preset
from oneseed.config.shards import settle_shard, shard_option
from oneseed.console.amounts import parse_amount
from oneseed.console.flags import BaseConfig, option
from oneseed.storage import checked_url, is_url
from oneseed.synthetic.collections import DRAWN_STYLES, drawn_collection

# of captions beside pictures, read by --format and written by --export
CAPTION_FORMATS = (
    "imagefolder",
    "jsonl",
    "clip",
    "llava",
    "qwen",
    "instruct",
    "parquet",
    "sidecar",
    "webdataset",
)


# values of --engine
ENGINE = re.compile(r"local|ray(:auto|:[\w.-]+:[0-9]{1,5}|:\[[0-9A-Fa-f:.]+\]:[0-9]{1,5})?")


@dataclass(frozen=True)
class PrepareConfig(BaseConfig):
    """Where pictures come from, and what a prepared collection is made of."""

    source: str = option(
        "kaggle",
        f"kaggle, a drawn collection ({', '.join(DRAWN_STYLES)}), hf:owner/name, a folder (of "
        "pictures, shards or both, or a saved data set), an archive, a file of captions, or the "
        "URL of any of these in a store (s3://, gs://); several one after the other, or with "
        "commas",
        several=True,
    )
    format: str = option(
        "auto",
        "format of the source's captions, where it is not to be guessed",
        choices=("auto", *CAPTION_FORMATS),
    )
    medium: str = medium_option(
        "what the collection is made of: picture; sound, which is learnt as its spectrum; or clip, "
        "learnt as a sheet of 16 frames; auto: what most files of the source are"
    )
    caption_kind: str = caption_kind_option("words, but where rows or drawn collections say code")
    style: str = option(
        "engraving",
        "name of the collection; where a folder's rows carry a style, only those of this style "
        "are taken; all: every style together",
    )
    preset: str = preset_option("", " (default: full; of sprites small, of dense-screens medium)")
    image_size: int = option(
        0,
        "side of the prepared pictures in pixels, or imagenet, clip, sd, sd_xl; 0: that of the "
        "preset, 64 of sprites and 256 of dense-screens",
        kind=parse_image_size,
    )
    max_samples: int = option(
        0,
        "take only so many pictures; 0: all, and of a drawn collection 6,000 or 15,000",
    )
    level: int = option(
        5,
        "drawn collection: from 1, which tells one attribute alone, to 5, which tells all",
        choices=(1, 2, 3, 4, 5),
    )
    kinds: str = option(
        "", "drawn collection of several kinds: draw only these, such as form,table; default: all"
    )
    smallest: int = option(
        64, "reject pictures whose short side is below this many pixels", at_least=0
    )
    cache_file: int = option(
        0,
        "bytes of a file of the pixel cache, such as 500MB, of which a large collection has "
        "several; 0: 1 GB",
        kind=parse_amount,
    )
    workers: int = option(0, "processes; 0: one per core, of a Ray cluster one per CPU")
    engine: str = option(
        "local",
        "who hands the work to processes: local, this machine; ray, a Ray cluster that is started "
        "here; ray:HOST:PORT or ray:auto, one that runs",
    )
    shard: str = shard_option("prepare only this share of the pictures")
    check: bool = option(
        False,
        "only look at the source: write data/metadata/<style>_check.json and .html, and prepare "
        "nothing",
    )
    template: str = option(
        "", "print an example of this format, and nothing else", choices=CAPTION_FORMATS
    )
    export: str = option(
        "",
        "write the prepared collection in this format to --out, and nothing else",
        choices=CAPTION_FORMATS,
    )
    out: str = option("", "file of --export: a .zip, of webdataset a .tar")
    data: str = data_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_urls()
        self._check_formats()
        self._check_export()
        self._check_style()
        self._check_kinds()
        self._settle_size()
        base_and_doublings(self.image_size)
        if not ENGINE.fullmatch(self.engine):
            raise ValueError(
                f"--engine is local, ray, ray:auto or ray:HOST:PORT, got {self.engine!r}"
            )
        settle_shard(self)
        if self.shard and (self.check or self.export or self.template):
            raise ValueError(
                "--shard shares out preparing: leave --check, --export, --template out"
            )
        # one sentence for both
        if self.max_samples < 0 or self.workers < 0:
            raise ValueError("--max-samples and --workers are 0 or more")

    def _check_urls(self) -> None:
        """URLs among the sources are of stores that are read, and hold no keys."""
        parts = self.source.split(",")
        checked = [
            checked_url(part.strip(), "--source") if is_url(part) else part for part in parts
        ]
        object.__setattr__(self, "source", ",".join(checked))

    def _check_formats(self) -> None:
        for name in (self.format, self.template, self.export):
            if name not in ("", "auto", *CAPTION_FORMATS):
                raise ValueError(f"the formats are {', '.join(CAPTION_FORMATS)}, not {name!r}")
        if self.caption_kind and self.source in ("kaggle", *DRAWN_STYLES):
            raise ValueError(
                "--caption-kind is for captions of your own: "
                f"--caption-kind {self.caption_kind} --source PATH"
            )
        if self.medium != AUTO_MEDIUM and self.source in ("kaggle", *DRAWN_STYLES):
            raise ValueError(
                f"--medium is for files of your own: --medium {self.medium} --source PATH"
            )
        if self.format != "auto" and self.source in ("kaggle", *DRAWN_STYLES):
            raise ValueError(
                "--format is for annotated pictures of your own: "
                f"--format {self.format} --source PATH"
            )

    def _check_export(self) -> None:
        if bool(self.export) != bool(self.out):
            raise ValueError(
                "--export and --out go together, such as "
                f"--export {self.export or 'llava'} --out {self.out or 'set.zip'}"
            )
        if self.check and (self.export or self.template):
            raise ValueError("--check goes without --export and --template")

    def _check_style(self) -> None:
        """A drawn collection has a style of its own and never goes into another's files."""
        if self.source in DRAWN_STYLES:
            if self.style not in (type(self).style, self.source):
                raise ValueError(
                    f"--source {self.source} writes style {self.source}, not {self.style}"
                )
            object.__setattr__(self, "style", self.source)
        elif self.style in DRAWN_STYLES and not self.export:
            raise ValueError(f"--style {self.style} belongs to --source {self.style}")
        if not self.style.strip() or re.search("[\0-\x1f\x7f-\x9f\ud800-\udfff]", self.style):
            raise ValueError(f"--style is a name of one line, got {self.style!r}")

    def _check_kinds(self) -> None:
        """Names kinds that there are, once each."""
        if not self.kinds:
            return
        drawn = drawn_collection(self.source)
        known = tuple(drawn.kinds) if drawn else ()
        wanted = [name.strip() for name in self.kinds.split(",")]
        if not known:
            raise ValueError("--kinds is for collections of several kinds: --source screens")
        if wrong := [name for name in wanted if name not in known]:
            raise ValueError(f"--kinds: {wrong[0]!r} is none of {', '.join(known)}")
        object.__setattr__(self, "kinds", ",".join(name for name in known if name in wanted))

    def _settle_size(self) -> None:
        """Preset and size that no flag gives.

        A drawn collection that has a size of its own is prepared at it, whatever the preset.
        """
        drawn = drawn_collection(self.source)
        own_size = drawn.size if drawn and not drawn.follows_presets else 0
        if not self.preset:
            preset = smallest_preset(own_size) if own_size else ModelConfig.preset
            object.__setattr__(self, "preset", preset)
        if not self.image_size:
            object.__setattr__(self, "image_size", own_size or preset_size(self.preset))
