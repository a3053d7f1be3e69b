"""Indexes that came beside a stranger's checkpoint: whole and of their kind, or refused by name."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation import index
from oneseed.generation.finding import find
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint


@pytest.fixture
def generator(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model.meta.update(style="holiday", styles=["holiday"])
    checkpoint.save(tmp_path / "model.pt", tiny_model.state_dict())
    return MultimodalGenerator("model.pt", device="cpu")


def texts(value):
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return np.frombuffer(content, np.uint8)


def arrays(generator, kind):
    """The arrays of a whole index."""
    fingerprint = np.array(generator.fingerprint)
    if kind == "seeds":
        return {
            "fingerprint": fingerprint,
            "features": np.ones((3, 32), np.float16),
            "cosine": np.ones(3, np.float32),
            "captions": texts(["a", "b", "c"]),
        }
    rows = [{"id": str(i), "filename": f"{i}.png", "caption": "x"} for i in range(3)]
    return {
        "fingerprint": fingerprint,
        "thumbnails": np.ones((3, 256), np.float32),
        "threshold": np.array(0.1),
        "rows": texts(rows),
    }


def lying(shape):
    """The content of an array that says that it is of this shape, and has four bytes."""
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + b"\0\0\0\0"


HARMS = [
    ("seeds", "features", np.ones((2, 32), np.float16)),
    ("seeds", "features", np.ones((3, 8), np.float16)),
    ("seeds", "features", np.ones((3, 32))),
    ("seeds", "features", np.full((3, 32), np.nan, np.float16)),
    ("seeds", "features", np.ones((3, 32), ">f2")),
    ("seeds", "features", np.array(["a"] * 3)),
    ("seeds", "features", lying((10**6, 10**5))),
    ("seeds", "features", lying((-1, 32))),
    ("seeds", "cosine", np.ones(2, np.float32)),
    ("seeds", "cosine", np.full(3, np.inf, np.float32)),
    ("seeds", "cosine", None),
    ("seeds", "captions", texts(["a", "b"])),
    ("seeds", "captions", texts([1, 2, 3])),
    ("seeds", "captions", texts({"a": 1})),
    ("seeds", "captions", texts(b"[" * 100_000)),
    ("seeds", "captions", texts(b"\xff")),
    ("seeds", "captions", texts([])),
    ("seeds", "captions", np.array(["a", "b", "c"], dtype=object)),
    ("seeds", "fingerprint", np.array([1, 2])),
    ("training", "thumbnails", np.ones((3, 5), np.float32)),
    ("training", "thumbnails", np.full((3, 256), np.nan, np.float32)),
    ("training", "threshold", np.array("near")),
    ("training", "threshold", np.array(np.nan)),
    ("training", "rows", texts([1, 2, 3])),
    ("training", "rows", texts([{"id": "0"}] * 3)),
    ("training", "rows", texts([{"id": 0, "filename": "a", "caption": "b"}] * 3)),
    ("training", "rows", texts("x")),
]


def write_index(generator, kind, changed):
    path = index.index_path(generator, kind)
    raw = {name: value for name, value in changed.items() if isinstance(value, bytes)}
    np.savez(path, **{name: value for name, value in changed.items() if name not in raw})
    with zipfile.ZipFile(path, "a") as file:
        for name, content in raw.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("kind, name, value", HARMS)
def test_an_index_of_other_kinds_is_named_with_the_command_that_mends_it(
    generator, kind, name, value
):
    changed = {**arrays(generator, kind), name: value}
    if value is None:
        del changed[name]
    path = write_index(generator, kind, changed)
    with pytest.raises(
        UserError, match=rf"{path.name}.*inference\.py --checkpoint model\.pt --index 10000"
    ) as error:
        index.load_index(generator, kind)
    assert error.value.code == 2
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["seeds", "training"])
def test_a_whole_index_is_read(generator, kind):
    write_index(generator, kind, arrays(generator, kind))
    assert index.load_index(generator, kind)["fingerprint"] == generator.fingerprint


def test_a_packed_index_is_refused(generator):
    """A megabyte of it may become a terabyte."""
    np.savez_compressed(index.index_path(generator, "seeds"), **arrays(generator, "seeds"))
    with pytest.raises(UserError, match="a packed archive"):
        index.load_index(generator, "seeds")


@pytest.mark.parametrize("name", ["../../../../private.png", "/etc/passwd", "..", "a/b.png", "C:x"])
def test_a_name_in_an_index_leads_nowhere_else(generator, tmp_path, name):
    """The sheet of what was found showed any picture of mine."""
    Image.new("L", (32, 32), 77).save(tmp_path / "private.png")
    folder = Collection("holiday", tmp_path / "data").resized
    folder.mkdir(parents=True)
    rows = [{"id": "0", "filename": name, "caption": "x"}] * 3
    write_index(generator, "training", {**arrays(generator, "training"), "rows": texts(rows)})
    settings = InferenceConfig(find="training", image="private.png", out=str(tmp_path / "out"))
    with pytest.raises(UserError, match="is not a name of a file"):
        find(generator, settings)
    assert not (tmp_path / "out").exists()
