"""Settings of inference.py."""

from dataclasses import dataclass

from oneseed.config.options import (
    checkpoint_option,
    data_option,
    device_option,
    encoder_option,
    finish_option,
    parse_seeds,
    text_decoder_option,
)
from oneseed.config.shards import settle_shard, shard_option
from oneseed.console.flags import BaseConfig, option
from oneseed.seeds import LAST_SEED
from oneseed.storage import checked_url, is_url

# of prompts; more is more literal, until pictures break
GUIDANCE = 3.0
# passes in which pictures are drawn
PASSES = 4
MAX_PASSES = 64
# characters
MAX_PROMPT_LENGTH = 500
# steps from one seed to another
MAX_WALK_STEPS = 1000
# of --best-of
MAX_CANDIDATES = 1000
# pairs of a film
MAX_FILM = 500
FILM_CAPTIONS = "captions"
FILM_KINDS = (FILM_CAPTIONS, "pictures")
# tasks that write no file for each pair
WITHOUT_POSTCARDS = ("--verify", "--find", "--index", "--count")


@dataclass(frozen=True)
class InferenceConfig(BaseConfig):
    """Which pairs to make, of what, and where they go."""

    seeds: str = option("0-9", "which seeds: 7, 0-9, 1,5, or a word such as Anna")
    checkpoint: str = checkpoint_option()
    out: str = option(
        "outputs", "folder of the pairs; of --count also a URL in a store (s3://, gs://)"
    )
    prompt: str | None = option(
        None, "what the pairs should show, in words; each seed gives another answer"
    )
    style: str | None = option(
        None, "one of the model's styles, for seeds, a prompt or --image; a wrong name lists them"
    )
    guidance: float = option(
        GUIDANCE, "how literally a prompt is taken, 0 (not at all) to 5", at_least=0, at_most=5
    )
    image: str | None = option(
        None,
        "a picture file: alone, to caption and redraw it; with --strength, to vary it; with "
        "--style, to restyle it; several, FILE,FILE: one caption of all",
    )
    strength: float | None = option(
        None,
        "of variations and of another style, 0 (nothing changes) to 1",
        at_least=0,
        at_most=1,
    )
    read: bool = option(
        False,
        "with --image: also read the words that the picture shows, which stand beside its caption; "
        "needs pip install -r requirements-ocr.txt",
    )
    interpolate: int = option(0, "so many pairs from each of --seeds to the next", kind=int)
    film: str | None = option(
        None,
        "of --interpolate: also film.gif, the walk there and back, and film.mp4 where ffmpeg is "
        "there; captions: below the pictures; pictures: alone",
        choices=FILM_KINDS,
    )
    postcard: bool = option(
        False, "also write each pair as a postcard, 1200 x 1500, its caption below the picture"
    )
    find: str | None = option(
        None,
        "with --prompt: a folder whose best-fitting pictures to list; with --image: a file or "
        "folder of captions whose best to list; seeds, with either: the best of the seeds that "
        "--index knows; training, with --image: the nearest training pictures",
    )
    best_of: int = option(
        1,
        "of so many candidates that follow from each seed, keep the one whose picture and caption "
        "match best",
        at_least=1,
        at_most=MAX_CANDIDATES,
    )
    interactive: bool = option(False, "ask for seeds and prompts, one after another")
    verify: str | None = option(
        None,
        "a pair card, a PNG that this script wrote: make it again and compare; exit code 0 "
        "(true), 1 (it differs), 2 (no card of this model)",
    )
    index: int = option(
        0,
        "write an index of so many seeds beside the checkpoint, and of the training pictures, "
        "where --data has them; --find searches them",
        kind=int,
    )
    count: int = option(
        0,
        "write so many pairs, from the first of --seeds on, into large files in --out; run again "
        "to go on",
        kind=int,
    )
    format: str = option(
        "webdataset", "of --count: webdataset (.tar) or parquet", choices=("webdataset", "parquet")
    )
    pairs_per_file: int = option(1000, "of --count")
    shard: str = shard_option("of --count and --index: only this share of the files or seeds")
    temperature: float = option(
        0.0, "0: each seed's likeliest caption; above: drawn, more varied", at_least=0, at_most=5
    )
    constrained: bool = option(
        False,
        "of models of screens: at each step only what a text of the collection may go on with, so "
        "that the code is always valid",
    )
    passes: int = option(
        PASSES,
        "in which a picture is drawn: 1 gives a soft draft, more draw more of the lines and take "
        "as much longer",
        at_least=1,
        at_most=MAX_PASSES,
    )
    finish: str | None = finish_option()
    batch_size: int = option(32, "pairs made at once; changes speed only", at_least=1)
    data: str = data_option()
    encoder: str | None = encoder_option()
    text_decoder: str | None = text_decoder_option()
    device: str = device_option("where to run")

    def __post_init__(self) -> None:
        seeds = parse_seeds(self.seeds)
        self._check_prompt()
        super().__post_init__()
        self._check_single_request(seeds)
        self._check_find()
        self._check_single_task()
        self._check_keepsakes(seeds)
        self._check_count(seeds)
        self._check_out()

    def _check_prompt(self) -> None:
        if self.prompt is None:
            return
        if not self.prompt.strip():
            raise ValueError(
                "--prompt is empty; write what the picture should show, such as "
                '--prompt "a ship under a stormy sky"'
            )
        if len(self.prompt) > MAX_PROMPT_LENGTH:
            raise ValueError(
                f"--prompt has {len(self.prompt):,} characters, at most {MAX_PROMPT_LENGTH} are "
                "read; shorten it"
            )

    def _check_single_request(self, seeds: list[int]) -> None:
        """Pairs are asked for in one way: by a picture, a prompt or a walk between seeds."""
        if self.strength is not None and not self.image:
            raise ValueError("--strength needs a picture: --image FILE")
        is_walk = 2 <= self.interpolate <= MAX_WALK_STEPS and len(seeds) > 1
        if self.interpolate and not is_walk:
            raise ValueError(
                f"--interpolate needs 2 to {MAX_WALK_STEPS} steps and at least 2 seeds, such as "
                "--interpolate 8 --seeds 3,9"
            )
        if self.read and (not self.image or self.verify or self.find):
            raise ValueError("--read reads the words of a picture: --image FILE --read")
        by_picture = self.image and not self.verify
        by_prompt = self.prompt is not None and not self.find
        if len(list(filter(None, [by_picture, by_prompt, self.interpolate]))) > 1:
            raise ValueError(
                "--image, --interpolate and --prompt are three different things; use one of them"
            )

    def _check_find(self) -> None:
        if self.find and bool(self.image) == (self.prompt is not None):
            raise ValueError(
                "--find needs either --prompt (then FIND is a folder of pictures) or --image "
                "(then FIND is a file or folder of captions)"
            )
        if self.find == "training" and not self.image:
            raise ValueError(
                "--find training looks for the pictures nearest to yours: "
                "--find training --image FILE"
            )

    def _tasks(self) -> list[str]:
        """The flags that each ask for a task of their own."""
        tasks = {
            "--verify": self.verify,
            "--find": self.find,
            "--index": self.index,
            "--count": self.count,
            "--interactive": self.interactive,
            "--interpolate": self.interpolate,
            "--image": self.image and not self.verify and not self.find,
        }
        return [flag for flag, is_asked_for in tasks.items() if is_asked_for]

    def _check_single_task(self) -> None:
        tasks = self._tasks()
        if len(tasks) > 1:
            raise ValueError(f"{tasks[0]} and {tasks[1]} are different things; use one of them")
        if (self.verify or self.index) and (self.prompt is not None or self.style):
            raise ValueError(f"{tasks[0]} goes without --prompt and --style")
        if self.index and (self.temperature or self.passes != PASSES or self.finish):
            raise ValueError(
                "--index holds seeds as they are drawn without further flags; leave "
                "--temperature, --passes and --finish out"
            )
        if self.style and (self.interpolate or (self.find and self.image)):
            raise ValueError(
                f"--style does not change what {tasks[0]} does; leave it or {tasks[0]} out"
            )
        if self.best_of > 1 and tasks and tasks[0] not in ("--count", "--interactive"):
            raise ValueError(f"--best-of chooses among pairs of seeds; leave it or {tasks[0]} out")
        if self.constrained and (self.verify or self.find or self.index):
            raise ValueError(f"--constrained goes with pairs that are made, not with {tasks[0]}")

    def _check_keepsakes(self, seeds: list[int]) -> None:
        """--film and --postcard."""
        if self.film and not self.interpolate:
            raise ValueError(
                "--film shows the walk of --interpolate, such as "
                f"--interpolate 24 --seeds 3,9 --film {self.film}"
            )
        if self.film and (len(seeds) - 1) * self.interpolate > MAX_FILM:
            raise ValueError(f"a film has at most {MAX_FILM} pairs; take fewer --interpolate steps")
        tasks = [task for task in self._tasks() if task in WITHOUT_POSTCARDS]
        if self.postcard and tasks:
            raise ValueError(f"--postcard goes with pairs that are drawn, not with {tasks[0]}")

    def _check_out(self) -> None:
        if not is_url(self.out):
            return
        object.__setattr__(self, "out", checked_url(self.out, "--out"))
        if not self.count:
            raise ValueError(
                "--out takes a URL with --count alone; write to a folder, and copy it there"
            )

    def _check_count(self, seeds: list[int]) -> None:
        """The seeds of --index and --count, and the shares of --count."""
        # one sentence for the three
        if min(self.index, self.count) < 0 or self.pairs_per_file < 1:
            raise ValueError(
                "--index, --count and --pairs-per-file are numbers of seeds and pairs, 1 or more"
            )
        if self.index > LAST_SEED or seeds[0] + self.count > LAST_SEED + 1:
            raise ValueError(
                f"seeds end at {LAST_SEED}; ask for fewer, or begin earlier: --seeds 0"
            )
        if self.count and self.seeds != "0-9" and len(seeds) > 1:
            raise ValueError(
                "with --count, --seeds names the first seed alone: "
                f"--seeds {seeds[0]} --count {self.count}"
            )
        if self.shard and not (self.count or self.index):
            raise ValueError(
                "--shard shares out the files of --count or the seeds of --index, such as "
                "--count 100000 --shard 1/4 --out pairs"
            )
        settle_shard(self)
