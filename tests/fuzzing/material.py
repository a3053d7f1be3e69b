"""What trials harm: a small source of every kind, its collection, a tiny run, and what it made."""

import contextlib
import io
import json
import random
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from tests.fuzzing.place import Place
from tests.fuzzing.server import AnsweringServer
from tests.fuzzing.trials import measure_idle, run_command, run_script

STYLE = "prints"
SIZE = "32"
PREPARE = (
    *("dataset_preparation.py", "--source", "source", "--style", STYLE, "--preset", "small"),
    *("--image-size", SIZE, "--smallest", "16", "--workers", "1"),
)
CHECK = (*PREPARE, "--check")
DEAL = ("caption_generation.py", "--style", STYLE, "--captioner", "existing")
FROM_NAMES = ("caption_generation.py", "--style", STYLE, "--captioner", "names")
REVIEW = (*DEAL, "--review", "outputs/captions.html")
TINY_MODEL = {
    "preset": "small",
    "image_size": 32,
    "channels": 1,
    "latent_dim": 16,
    "patch": 2,
    "width": 8,
    "max_width": 16,
    "vocab_size": 0,
    "max_caption_length": 24,
    "text_width": 16,
    "text_layers": 1,
    "text_heads": 2,
    "flow_dims": 4,
    "flow_width": 16,
}
TRAIN = (
    *("training_loop.py", "--style", STYLE, "--num-epochs", "2", "--epoch-pictures", "1"),
    *("--batch-size", "8", "--sampler-steps", "5", "--checkpoint-every", "1", "--device", "cpu"),
    *("--precision", "fp32"),
    *(f"--{name.replace('_', '-')}={value}" for name, value in TINY_MODEL.items()),
)
TRAIN_CHECK = (*TRAIN, "--check")
DRAW = ("inference.py", "--seeds", "0-1", "--out", "outputs/new", "--device", "cpu")
FIND_SEEDS = ("inference.py", "--find", "seeds", "--prompt", "a ship", "--out", "outputs/new")
FIND_TRAINING = ("inference.py", "--find", "training", "--image", "outputs/000000.png")
VERIFY = ("inference.py", "--verify", "outputs/000000.png")
PROMPT = ("inference.py", "--prompt", "a ship", "--seeds", "0", "--out", "outputs/new")
MANY = ("inference.py", "--count", "6", "--pairs-per-file", "2", "--out", "many")
EXPORTS = tuple(
    (
        *("dataset_preparation.py", "--export", name, "--style", STYLE),
        *("--out", "set.tar" if name == "webdataset" else "set.zip"),
    )
    for name in ("imagefolder", "jsonl", "sidecar", "webdataset", "clip", "llava", "parquet")
)
# suffix -> Pillow's format and mode
PICTURES = {
    "jpg": ("JPEG", "RGB"),
    "png": ("PNG", "RGBA"),
    "webp": ("WEBP", "RGB"),
    "tif": ("TIFF", "I;16"),
    "bmp": ("BMP", "L"),
    "gif": ("GIF", "P"),
    "avif": ("AVIF", "RGB"),
    "jp2": ("JPEG2000", "RGB"),
    "ppm": ("PPM", "RGB"),
    "tga": ("TGA", "RGBA"),
    "ico": ("ICO", "RGBA"),
    "jpeg": ("JPEG", "CMYK"),
}
WORDS = ("a castle", "two ships", "an elephant", "a tent", "three trees", "a bridge", "a windmill")
DATA = ("data",)
RUN = ("data", "checkpoints", "outputs")
SOURCE = ("source", "data")
PICTURES_COUNT = 24
# folders that --encoder and --text-decoder name
ENCODER = "towers/encoder"
LANGUAGE = "towers/language"


def picture(number: int, mode: str = "RGB", side: int = 40) -> Image.Image:
    """Boxes that are other ones for each number."""
    rng = random.Random(number)
    image = Image.new("L", (side + number % 5, side), 235)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.randrange(side), rng.randrange(side)
        shape = (x, y, x + rng.randint(3, side // 2), y + rng.randint(3, side // 2))
        pen.rectangle(shape, fill=rng.randrange(200), outline=0)
    if mode == "I;16":
        return image.convert("I").point(lambda value: value * 257).convert("I;16")
    return image.convert(mode)


def encoded(number: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    picture(number, mode).save(file, kind)
    return file.getvalue()


def caption(number: int) -> str:
    return f"An engraving of {WORDS[number % len(WORDS)]}, plate {number}."


def write_source(folder: Path) -> None:
    """24 pictures: loose ones of every format, in a table, in a zip, in shards, in Parquet."""
    loose = folder / "loose"
    loose.mkdir(parents=True)
    for number, (suffix, (kind, mode)) in enumerate(PICTURES.items()):
        name = f"red_ship_{suffix}"
        (loose / f"{name}.{suffix}").write_bytes(encoded(number, kind, mode))
        # the others have no caption, and wait for a captioner
        if number % 3:
            (loose / f"{name}.txt").write_text(caption(number), "utf-8")
    table = folder / "table"
    table.mkdir()
    rows = []
    for number in range(12, 16):
        (table / f"{number}.png").write_bytes(encoded(number))
        rows.append(json.dumps({"file_name": f"{number}.png", "text": caption(number)}))
    (table / "metadata.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    write_zip(folder / "more.zip", range(16, 19))
    write_tar(folder / "shard.tar", range(19, 22))
    write_parquet(folder / "rows.parquet", range(22, 24))


def members(numbers: Iterable[int]) -> dict[str, bytes]:
    """Pictures and their sidecars, as an archive holds them."""
    found: dict[str, bytes] = {}
    for number in numbers:
        found[f"{number}.png"] = encoded(number)
        found[f"{number}.txt"] = caption(number).encode()
    return found


def write_zip(path: Path, numbers: Iterable[int], more: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members(numbers) | (more or {})).items():
            archive.writestr(zipfile.ZipInfo(name or "empty"), content)


def write_tar(
    path: Path, numbers: Iterable[int], more: dict[str, bytes] | None = None, mode: str = "w"
) -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in (members(numbers) | (more or {})).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_parquet(path: Path, numbers: Iterable[int]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"image": {"bytes": encoded(number), "path": f"{number}.png"}, "text": caption(number)}
        for number in numbers
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


class Material:
    """The pristine files of a worker, and what goes with them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.server = AnsweringServer(place.root / "answer.json")
        self.captioner = (
            *("caption_generation.py", "--style", STYLE, "--captioner", self.server.url),
            *("--captioner-model", "tiny-vl", "--batch-size", "4"),
        )

    def build(self) -> None:
        """Prepares, captions, trains and draws; every command must end with 0."""
        place = self.place
        place.make()
        write_source(place.work / "source")
        self.do(PREPARE)
        self.do(CHECK)
        self.do(self.captioner)
        self.do(TRAIN, before=keep_last_fit, allowed=(0, 1))
        self.do(("inference.py", "--seeds", "0-1", "--out", "outputs", "--device", "cpu"))
        self.do(("inference.py", "--index", "4"))
        self.do(MANY)
        self.do(("judges.py",), before=write_judges)
        self.do(("towers.py",), before=write_towers)
        # now the records hold the captioner's captions, and a further run changes nothing
        self.do(PREPARE)
        last_fit = place.work / "checkpoints/last_fit.pt"
        if not last_fit.exists():
            shutil.copy2(place.work / "checkpoints/last.pt", last_fit)
        for path in place.work.iterdir():
            path.rename(place.pristine / path.name)
        warm_up(place)
        measure_idle(place)

    def do(
        self,
        words: Iterable[str],
        before: Callable[[], object] | None = None,
        allowed: tuple[int, ...] = (0,),
    ) -> None:
        """Runs a command that must succeed."""
        outcome = run_command(self.place, tuple(words), before)
        if outcome.code not in allowed:
            raise RuntimeError(f"{' '.join(words)}: {outcome.code}\n{outcome.errors}")

    def close(self) -> None:
        self.server.close()


def keep_last_fit() -> None:
    """In the process of a training: what only a killed run leaves stays."""
    from oneseed.training.run_folder import RunFolder

    RunFolder.forget_last_fit = lambda self: None  # ty: ignore[invalid-assignment]


def write_judges() -> int:
    """In a process of its own: judges that were never taught, but say that they passed."""
    import torch

    from oneseed.evaluation import attribute_judge, pair_judge
    from oneseed.synthetic.engravings.collection import ENGRAVINGS

    torch.manual_seed(0)
    judge = attribute_judge.AttributeJudge(ENGRAVINGS, 4)
    right = dict.fromkeys((*ENGRAVINGS.attributes, "all"), 1.0)
    judge.about = {
        "format": attribute_judge.JUDGE_FORMAT,
        "collection": ENGRAVINGS.version,
        "width": 4,
        "clean": right,
        "degraded": right,
        "blurred": {**right, "subject": 0.0},
    }
    attribute_judge.save_judge(judge, "checkpoints/judge.pt")
    judges = pair_judge.PairJudge([STYLE, "other"], ["a", "ship"], ["tent"], 4)
    judges.about = {"format": pair_judge.PAIR_JUDGE_FORMAT, "digest": "5eed", "width": 4}
    pair_judge.save_pair_judge(judges, "checkpoints/realism.pt")
    return 0


def write_towers() -> int:
    """In a process of its own: folders that --encoder and --text-decoder name."""
    from tests.tiny_languages import tiny_language
    from tests.tiny_towers import tiny_clip

    tiny_clip(Path("towers/encoder"))
    tiny_language(Path("towers/language"), [caption(number) for number in range(len(WORDS))])
    return 0


def open_tower(name: str) -> None:
    """Opens a folder of write_towers as training does, and has it look at a picture or write."""
    import torch

    from oneseed.model.frozen_encoder import FrozenTower
    from oneseed.model.frozen_language import FrozenLanguage

    if name == ENCODER:
        FrozenTower(name).features(torch.zeros(1, 1, 28, 28))
    else:
        language = FrozenLanguage(name)
        tokens = torch.tensor([language.tokenizer.encode("a ship", 8)])
        language.network(inputs_embeds=language.embedded(tokens))


def warm_up(place: Place) -> None:
    """Imports here what the commands import, so that each fork has it already."""
    names = place.root / "modules"

    def tell() -> None:
        for words in (PREPARE, DEAL, TRAIN, DRAW, FIND_SEEDS, VERIFY, EXPORTS[-1]):
            run_script(words)
        for name in (ENCODER, LANGUAGE):
            open_tower(name)
        names.write_text("\n".join(sys.modules), "utf-8")

    place.restore(("source", "towers", *RUN))
    run_command(place, ("inference.py", "--help"), tell)
    import importlib

    for name in names.read_text("utf-8").splitlines():
        if not name.startswith(("__", "tests.")):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
