"""Trials of what training and drawing leave: checkpoints, judges, indexes, cards, numbers."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzzing.harms import (
    NO_NUMBERS,
    OTHER_KINDS,
    Rng,
    harm_bytes,
    harm_entry,
    harm_value,
)
from tests.fuzzing.kinds_data import harm_any, harm_fitting
from tests.fuzzing.material import (
    DRAW,
    FIND_SEEDS,
    FIND_TRAINING,
    MANY,
    PROMPT,
    RUN,
    TRAIN,
    VERIFY,
    Material,
)
from tests.fuzzing.place import Place
from tests.fuzzing.trials import Outcome, Trial, Words

SAVED = ("last.pt", "last_but_one.pt", "best_model.pt", "checkpoint_epoch_002.pt", "last_fit.pt")
LIGHT = ("data", "outputs", "checkpoints/best_model.pt", "checkpoints/checksums.json")
REDRAW = ("inference.py", "--image", "outputs/000000.png", "--out", "outputs/new")
WALK = ("inference.py", "--interpolate", "2", "--seeds", "0,1", "--out", "outputs/new")
BEST = ("inference.py", "--best-of", "2", "--seeds", "0", "--out", "outputs/new")
STYLED = ("inference.py", "--style", "prints", "--seeds", "0", "--out", "outputs/new")
USES: tuple[Words, ...] = (DRAW, DRAW, PROMPT, VERIFY, REDRAW, WALK, BEST, MANY, STYLED)


def has_pictures(folder: str) -> Callable[[Place, Outcome], Iterator[str]]:
    """A check: pairs.json reads, and no picture is blank."""

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        from PIL import Image

        out = place.work / folder
        if outcome.code != 0 or not (out / "pairs.json").exists():
            return
        pairs = json.loads((out / "pairs.json").read_text("utf-8"), parse_constant=refuse_constant)
        if not pairs:
            yield "pairs.json is empty"
        for path in sorted(out.glob("0*.png")):
            with Image.open(path) as image:
                low, high = image.convert("L").getextrema()
            if low == high:
                yield f"{path.name} is blank"

    return check


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def run_model(material: Material, rng: Rng) -> Trial:
    """best_model.pt with harmed bytes, members or place."""
    place = material.place
    place.restore(LIGHT)
    path = place.work / "checkpoints/best_model.pt"
    way = rng.random()
    if way < 0.15:
        done = harm_entry(rng, path, str(place.root))
    elif way < 0.3:
        done = harm_members(rng, path)
    else:
        done = harm_bytes(rng, path, other_checkpoint(rng, material))
    return Trial(done, [rng.choice(USES)], check=has_pictures("outputs/new"))


def other_checkpoint(rng: Rng, material: Material) -> bytes:
    names = ("last.pt", "judge.pt", "best_model.training.npz", "metrics.json")
    return (material.place.pristine / "checkpoints" / rng.choice(names)).read_bytes()


def harm_members(rng: Rng, path: Path) -> str:
    """A checkpoint is a zip: one of its members is harmed, with a right checksum of the zip."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(found, key=lambda name: (not name.endswith("data.pkl"), name))[:6])
    what = rng.choice(("bytes", "gone", "twice", "empty", "protocol", "code"))
    if what == "gone":
        del found[name]
    elif what == "empty":
        found[name] = b""
    elif what == "protocol":
        found[name] = found[name].replace(b"torch._utils", b"posix\nsystem\n", 1)
    elif what == "code":
        found[name] = b"cposix\nsystem\n(S'touch pwned'\ntR."
    else:
        data = bytearray(found[name] or b"\0")
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        found[name] = bytes(data)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member, data in found.items():
            archive.writestr(member, data)
    return f"{path.name}: member {name} {what}"


def run_packed(material: Material, rng: Rng) -> Trial:
    """A packed model, such as the base model, with harmed bytes or place."""
    place = material.place
    place.restore(LIGHT)
    path = place.work / "checkpoints/packed.safetensors"
    in_fork(material, lambda: write_packed(place.work / "checkpoints/best_model.pt", path))
    if rng.random() < 0.15:
        done = harm_entry(rng, path, str(place.root))
    else:
        done = harm_bytes(rng, path, other_checkpoint(rng, material))
    named = ("--checkpoint", path.relative_to(place.work).as_posix())
    return Trial(done, [(*rng.choice(USES), *named)], check=has_pictures("outputs/new"))


def write_packed(model: Path, path: Path) -> str:
    from oneseed.model.base import save_base
    from oneseed.model.multimodal import MultimodalModel

    save_base(MultimodalModel.from_checkpoint(model), path)
    return path.name


def run_facts(material: Material, rng: Rng) -> Trial:
    """What a checkpoint says of itself: any value of another kind; read when it is opened."""
    place = material.place
    place.restore(LIGHT)
    path = place.work / "checkpoints/best_model.pt"
    done = in_fork(material, lambda: harm_facts(rng, path, str(place.root)))
    return Trial(done, [rng.choice(USES)], check=has_pictures("outputs/new"))


def in_fork(material: Material, work: Callable[[], str]) -> str:
    """Does work with tensors in a process of its own -> what it says it did.

    The random numbers are those of the trial, which uses none afterwards that matter here.
    """
    from tests.fuzzing.trials import run_command

    note = material.place.root / "done"

    def tell() -> int:
        note.write_text(work(), "utf-8")
        return 0

    outcome = run_command(material.place, ("harming",), tell)
    if outcome.code:
        raise RuntimeError(outcome.errors)
    return note.read_text("utf-8")


def harm_facts(rng: Rng, path: Path, root: str) -> str:
    """Loads the state, harms its facts or a tensor, and saves it as anyone may."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    if rng.random() < 0.6:
        facts = json.loads(bytes(state["_extra_state"].tolist()))
        if rng.random() < 0.35 and isinstance(facts.get("tokenizer"), str):
            inner, done = harm_value(rng, json.loads(facts["tokenizer"]), root)
            facts["tokenizer"] = json.dumps(inner)
            done = f"tokenizer: {done}"
        else:
            facts, done = harm_value(rng, facts, root)
        text = json.dumps(facts).encode()
        state["_extra_state"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    else:
        done = harm_tensor(rng, state)
    # a plain dict carries no digest, as those of other programs
    torch.save(dict(state), path)
    return f"{path.name}: {done}"


def harm_tensor(rng: Rng, state: dict[str, Any]) -> str:
    """Makes one tensor of a state another one."""
    import torch

    names = [name for name, value in state.items() if isinstance(value, torch.Tensor)]
    name = rng.choice(names)
    tensor = state[name]
    ways: dict[str, Callable[[], Any]] = {
        "NaN": lambda: torch.full_like(tensor.float(), rng.choice(NO_NUMBERS)),
        "one NaN": lambda: with_one(rng, tensor.float()),
        "another length": lambda: tensor.flatten()[: rng.choice((0, 1, 5))],
        "no dimension": lambda: torch.tensor(0.5),
        "integers": lambda: tensor.long(),
        "double": lambda: tensor.double(),
        "complex": lambda: tensor.to(torch.complex64),
        "sparse": lambda: tensor.float().flatten()[None].to_sparse(),
        "huge": lambda: torch.full_like(tensor.float(), 1e38),
        "giant view": lambda: torch.zeros(1).expand(10**6, 10**6),
        "no tensor": lambda: rng.choice(OTHER_KINDS),
    }
    way = rng.choice(sorted(ways))
    if rng.random() < 0.1:
        del state[name]
        return f"{name} is missing"
    state[name] = ways[way]()
    return f"{name} {way}"


def with_one(rng: Rng, tensor: Any) -> Any:
    """The tensor with one number that is none."""
    harmed = tensor.clone()
    if harmed.numel():
        harmed.view(-1)[rng.randrange(harmed.numel())] = rng.choice(NO_NUMBERS)
    return harmed


def run_resume(material: Material, rng: Rng) -> Trial:
    """The files that training goes on from; a pair drawn afterwards."""
    place = material.place
    place.restore(("data", "checkpoints"))
    done = []
    for name in rng.sample(SAVED, rng.choice((1, 1, 2, 5))):
        path = place.work / "checkpoints" / name
        way = rng.random()
        if way < 0.15:
            done.append(harm_entry(rng, path, str(place.root)))
        elif way < 0.3:
            done.append(harm_members(rng, path))
        else:
            done.append(harm_bytes(rng, path, other_checkpoint(rng, material)))
    return Trial(", ".join(done), [TRAIN], cpu_seconds=30)


def run_resume_facts(material: Material, rng: Rng) -> Trial:
    """last.pt with values of other kinds, as another version or program may write it."""
    place = material.place
    place.restore(("data", "checkpoints"))
    path = place.work / "checkpoints" / rng.choice(("last.pt", "last.pt", "last_fit.pt"))
    done = in_fork(material, lambda: harm_saved(rng, path))
    return Trial(done, [TRAIN], cpu_seconds=30)


def harm_saved(rng: Rng, path: Path) -> str:
    """Loads a saved run, harms one value of it at any depth, and saves it."""
    import torch

    state = dict(torch.load(path, map_location="cpu", weights_only=True))
    keys = sorted(state)
    key = rng.choice(keys)
    if isinstance(state[key], dict) and rng.random() < 0.7 and state[key]:
        inner = state[key] = dict(state[key])
        if rng.random() < 0.5 and any(isinstance(value, torch.Tensor) for value in inner.values()):
            done = harm_tensor(rng, inner)
        else:
            name = rng.choice(sorted(inner, key=str))
            inner[name] = rng.choice(OTHER_KINDS)
            done = f"{name} another kind"
    elif rng.random() < 0.3:
        del state[key]
        done = "missing"
    else:
        state[key] = rng.choice(OTHER_KINDS)
        done = f"{state[key]!r}"
    torch.save(state, path)
    return f"{path.name}: {key}: {done}"


def run_notes(material: Material, rng: Rng) -> Trial:
    """checksums.json, metrics.json, the log and the curves, which only help: training goes on."""
    place = material.place
    place.restore(("data", "checkpoints"))
    folder = place.work / "checkpoints"
    events = sorted(folder.glob("tensorboard/**/events*"))
    names = [folder / name for name in ("checksums.json", "metrics.json", "training.log")]
    path = rng.choice([*names, names[0], rng.choice(events)])
    done = harm_any(rng, path, place) if path.suffix == ".json" else harm_bytes(rng, path)
    # what is no file is named, since nobody knows whose it is
    allowed = (
        (0, 1, 2) if ": a folder" in done or ": a link" in done or ": a pipe" in done else (0, 1)
    )
    return Trial(done, [TRAIN, DRAW], allowed=allowed, cpu_seconds=30)


def run_indexes(material: Material, rng: Rng) -> Trial:
    """The lists of seeds and of training pictures beside a checkpoint."""
    place = material.place
    place.restore(RUN)
    path = (
        place.work / "checkpoints" / rng.choice(("best_model.seeds.npz", "best_model.training.npz"))
    )
    if rng.random() < 0.65:
        done = harm_arrays(rng, path, str(place.root))
    elif rng.random() < 0.2:
        done = harm_entry(rng, path, str(place.root))
    else:
        done = harm_bytes(rng, path, other_checkpoint(rng, material))
    words = rng.choice((FIND_SEEDS, FIND_TRAINING)) if rng.random() < 0.7 else DRAW
    return Trial(done, [words])


def harm_arrays(rng: Rng, path: Path, root: str) -> str:
    """One array of an index with other values, another shape or kind."""
    import numpy as np

    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice(sorted(arrays))
    array = np.atleast_1d(arrays[name])
    if array.dtype == np.uint8 and rng.random() < 0.7:
        value, done = harm_value(rng, json.loads(array.tobytes()), root)
        arrays[name] = np.frombuffer(json.dumps(value).encode(), np.uint8)
    else:
        ways: dict[str, Callable[[], Any]] = {
            "missing": lambda: None,
            "empty": lambda: array[:0],
            "short": lambda: array[:-1],
            "flat": array.flatten,
            "a number": lambda: np.float32(3),
            "NaN": lambda: np.full(array.shape, math.nan, np.float32),
            "text": lambda: np.array(["word"] * max(1, len(array.flatten()[:5]))),
            "objects": lambda: np.array([{"a": 1}, None], dtype=object),
            "complex": lambda: np.zeros(array.shape, complex),
            "negative": lambda: -np.ones(array.shape, np.int64) * 2**40,
        }
        done = rng.choice(sorted(ways))
        arrays[name] = ways[done]()
        if done == "missing":
            del arrays[name]
    memory = io.BytesIO()
    np.savez(memory, **arrays)
    path.write_bytes(memory.getvalue())
    return f"{path.name}: {name}: {done}"


def run_cards(material: Material, rng: Rng) -> Trial:
    """A pair's picture with harmed texts or bytes is no card, or not true."""
    from PIL import Image, PngImagePlugin

    place = material.place
    place.restore(LIGHT)
    path = place.work / "outputs/000000.png"
    if rng.random() < 0.4:
        done = harm_bytes(rng, path, (place.work / "outputs/000001.png").read_bytes())
    else:
        with Image.open(path) as image:
            image.load()
            facts: dict[str, Any] = dict(image.text)
            harmed, done = harm_value(rng, facts, str(place.root))
            inside = PngImagePlugin.PngInfo()
            for key, value in harmed.items() if isinstance(harmed, dict) else ():
                key = "".join(letter for letter in key if 31 < ord(letter) < 127)[:79] or "x"
                text = str(value).encode("utf-8", "replace").decode()
                inside.add_itxt(key, text, zip=rng.random() < 0.3)
            image.save(path, pnginfo=inside)
    return Trial(done, [VERIFY], kept=[path])


def run_bulk(material: Material, rng: Rng) -> Trial:
    """Very many pairs, interrupted: the same command goes on, or says what is in its way."""
    place = material.place
    place.restore((*LIGHT, "many"))
    files = sorted(path for path in (place.work / "many").rglob("*") if path.is_file())
    path = rng.choice(files)
    done = harm_fitting(rng, path, place)
    gone = rng.choice(files)
    if rng.random() < 0.3 and not gone.is_dir():
        gone.unlink(missing_ok=True)
    return Trial(f"{path.name}: {done}", [MANY])
