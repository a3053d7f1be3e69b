"""The rules of other systems: old code pages, a plain C locale, capitals, accents, device names."""

import ast
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.file_names import DEVICE_NAME
from tests.test_layout import CODE

ROOT = Path(__file__).resolve().parents[1]
# what a redirected output has on Windows, and a system that knows no language
OLD = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
TINY = (
    "--preset small --image-size 64 --num-epochs 1 --batch-size 4 --sampler-steps 20 "
    "--latent-dim 32 --patch 2 --width 16 --max-width 32 --vocab-size 320 "
    "--text-width 32 --text-layers 1 --text-heads 2 --flow-dims 8 --follow-dims 8 "
    "--flow-width 32 --vit-width 32 --device cpu --precision fp32"
)
SMALL = "--preset small --image-size 64 --workers 1"


def command(line, folder, **more):
    """A script with these flags, run in `folder` as an old system would -> what came of it."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        # an open() whose encoding depends on the system ends the command
        "PYTHONWARNDEFAULTENCODING": "1",
        **OLD,
        **more,
    }
    script, *flags = line.split()
    return subprocess.run(
        [sys.executable, str(ROOT / script), *flags],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
    )


def test_the_whole_chain_runs_in_an_old_code_page_without_a_language(tmp_path):
    """A cp1252 log and a C locale: each of the first four commands ended in a traceback once."""
    for line, code in (
        (f"dataset_preparation.py --source builtin --max-samples 24 {SMALL}", (0,)),
        ("caption_generation.py --style builtin --review outputs/captions.html", (0,)),
        # 1: so few pictures pass no latent check
        (f"training_loop.py --style builtin {TINY}", (0, 1)),
        ("inference.py --seeds 0-1 --prompt ship", (0,)),
    ):
        done = command(line, tmp_path)
        assert done.returncode in code, (line, done.stderr[-500:])
        assert b"Traceback" not in done.stderr
        ours = [line for line in done.stderr.splitlines() if b"EncodingWarning" in line]
        assert not [line for line in ours if b"oneseed" in line], ours
        # every letter is one of the code page
        done.stdout.decode("cp1252")
    assert len(list((tmp_path / "outputs").glob("00000*.png"))) == 2


TEXT_CALLS = {"open": 1, "read_text": 0, "write_text": 1, "TextIOWrapper": 1}
# they have no text, or their first argument is another
OTHER_OPENERS = [
    "Image",
    "tarfile",
    "os",
    "webbrowser",
    "fsspec",
    "file",
    "archive",
    "member",
    "av",
]
NAMED = ("read_text", "write_text")


def encoding_is_open(call: ast.Call) -> bool:
    """Whether a call opens a text whose encoding the system would choose."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in TEXT_CALLS or any(word.arg == "encoding" for word in call.keywords):
        return False
    owner = getattr(getattr(function, "value", None), "id", "")
    if isinstance(function, ast.Attribute) and owner in OTHER_OPENERS:
        return False
    if name in NAMED and isinstance(function, ast.Name):
        # the project's own
        return False
    if name == "open":
        modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
        return not any("b" in ast.unparse(mode) or "os.O_" in ast.unparse(mode) for mode in modes)
    return len(call.args) <= TEXT_CALLS[name]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_text_names_its_encoding(path):
    """Without it a German Windows reads captions as cp1252, and writes them so."""
    calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    found = [node for node in calls if isinstance(node, ast.Call) and encoding_is_open(node)]
    assert not [f"{path.name}:{call.lineno}: {ast.unparse(call)}" for call in found]


def test_the_search_for_encodings_finds_what_lacks_one():
    lacking = ["open(path)", "open(path, 'w')", "path.read_text()", "path.write_text(text)"]
    for text in lacking:
        assert encoding_is_open(ast.parse(text).body[0].value), text
    for text in ("open(path, 'rb')", "path.read_text('utf-8')", "open(p, 'w', encoding='utf-8')"):
        assert not encoding_is_open(ast.parse(text).body[0].value), text


def prepared(style, data, count=5):
    """A prepared collection of built-in pictures under this style's name -> the collection."""
    source = data.parent / "pictures"
    if not source.exists():
        from oneseed.synthetic.engravings import attributes, drawing

        source.mkdir()
        for number, facts in enumerate(attributes.collection(count)):
            drawing.draw(facts, number, 64).save(source / f"{number}.png")
    config = PrepareConfig(
        source=str(source),
        style=style,
        preset="small",
        image_size=32,
        smallest=16,
        workers=1,
        data=str(data),
    )
    assert not dataset_preparation.main(config)
    return Collection(style, data)


@pytest.mark.parametrize("name", ["CON", "nul.txt", "com1", "LPT9.style", "a:b", "dot."])
def test_a_style_may_have_a_name_that_windows_keeps_for_itself(name, tmp_path):
    """data/raw/nul.txt is no folder on Windows: all that is written there is gone."""
    collection = prepared(name, tmp_path / "data")
    assert len(collection.read_metadata()) == 5
    names = [path.name for path in (tmp_path / "data").rglob("*")]
    # Windows looks at what stands before the first point
    assert not list(filter(DEVICE_NAME.fullmatch, names))
    assert not [one for one in names if ":" in one or one.endswith(".")]


@pytest.mark.parametrize(
    "first, second", [("Engraving", "engraving"), ("Straße", "STRASSE"), ("Épinal", "épinal")]
)
def test_two_styles_that_differ_in_capitals_alone_are_refused(first, second, tmp_path):
    """On macOS and Windows both are one name: the second collection replaced the first."""
    kept = prepared(first, tmp_path / "data").metadata.read_bytes()
    with pytest.raises(UserError, match="capitals alone") as refused:
        prepared(second, tmp_path / "data")
    assert first in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert prepared(first, tmp_path / "data").metadata.read_bytes() == kept
    # one that a disk keeps in the form of macOS
    decomposed = unicodedata.normalize("NFD", first)
    assert prepared(decomposed, tmp_path / "data").metadata.read_bytes() == kept


def test_a_style_typed_with_parted_accents_is_the_same_collection(tmp_path):
    """A path dropped on a Mac's terminal brings e and ´ as two letters."""
    composed = prepared("gravüre café", tmp_path / "data")
    parted = Collection(unicodedata.normalize("NFD", "gravüre café"), tmp_path / "data")
    assert parted.metadata == composed.metadata
    assert len(parted.read_metadata()) == 5
