"""Data flows one way: through files between scripts, through this import table between modules."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "cli": "",
    "scenes": "",
    "tokenizer": "",
    "checkpoint": "cli",
    "health": "",
    "settings": "cli",
    "records": "cli",
    "judge": "cli scenes",
    "sampler": "",
    "optimizers": "",
    "ranks": "",
    "losses": "tokenizer",
    "memory": "tokenizer",
    "diagnosis": "",
    "speed": "",
    "realism": "cli judge records settings",
    "text_networks": "tokenizer",
    "model_architecture": "checkpoint cli sampler settings text_networks tokenizer",
    "formats": "cli",
    "archives": "cli formats",
    "hub": "archives cli formats records settings",
    "sources": "archives cli formats hub records settings",
    "checking": "cli formats records",
    "pictures": "",
    "workers": "cli",
    "kaggle_source": "cli sources",
    "dataset_preparation": "checking cli formats kaggle_source pictures records scenes settings sources workers",
    "endpoint": "cli",
    "caption_quality": "cli",
    "wording": "",
    "caption_generation": "caption_quality cli endpoint records settings wording",
    "batches": "cli model_architecture ranks records scenes settings tokenizer",
    "training_loop": "batches checkpoint cli diagnosis health losses memory model_architecture optimizers ranks records sampler settings speed tokenizer",
    "cards": "cli formats settings",
    "index": "cli realism records",
    "bulk": "cards cli formats records",
    "inference": "bulk cards cli formats health index model_architecture settings",
    "measures": "cli judge realism records scenes",
    "evaluation": "cli health inference judge measures realism records scenes settings",
    "curation": "cli records wording",
    "page_parts": "cards cli inference settings",
    "page_training": "cli evaluation health page_parts records",
    "page_collection": "cli curation page_parts records",
    "page_play": "cards cli index inference page_parts records settings",
    "page_find": "cli index inference page_parts settings",
    "gradio_demo": "cli health inference page_collection page_find page_parts page_play page_training settings",
}
HOME = {
    "kaggle": "kaggle_source",
    "kagglehub": "kaggle_source",
    "tokenizers": "tokenizer",
    "transformers": "caption_generation evaluation",
    "gradio": "page_parts",
    "torchmetrics": "realism",
    "pyarrow": "formats",
    "datasets": "hub",
    "yaml": "cli",
    "isal": "pictures",
}
FILES = {path.stem: ast.parse(path.read_text("utf-8")) for path in ROOT.glob("*.py")}
SCRIPTS = [
    "dataset_preparation",
    "caption_generation",
    "model_architecture",
    "training_loop",
    "inference",
    "gradio_demo",
    "evaluation",
    "realism",
]


def imported(tree):
    """First part of every module named in the file, inside functions too; "*" for a star import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (node.module or "").split(".")[0],
                *(alias.name for alias in node.names if alias.name == "*"),
            )


def test_data_flows_one_way():
    assert FILES.keys() <= MAY_IMPORT.keys(), (
        f"not in the table: {sorted(FILES.keys() - MAY_IMPORT.keys())}"
    )
    for name, tree in FILES.items():
        found = set(imported(tree))
        wrong = found & ((MAY_IMPORT.keys() | {"*"}) - set(MAY_IMPORT[name].split()))
        wrong |= {library for library in found & HOME.keys() if name not in HOME[library].split()}
        assert not wrong, f"{name}.py must not import {sorted(wrong)}"


def test_importing_a_file_does_nothing():
    quiet = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
    for name, tree in FILES.items():
        # body[0] is the docstring
        loud = [node for node in tree.body[1:] if not isinstance(node, quiet)]
        assert all(ast.unparse(node).startswith("if __name__ == '__main__'") for node in loud), (
            f"{name}.py acts at import"
        )


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_examples_before_any_heavy_import(script):
    """torch alone takes three seconds to import; a user who asks for help should not wait for it."""
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", f"{script}.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr[-500:]
    assert f"python {script}.py" in shown.stdout
    loaded = {
        line.rpartition("|")[2].strip()
        for line in shown.stderr.splitlines()
        if line.startswith("import time")
    }
    assert not loaded & {
        "torch",
        "transformers",
        "gradio",
        "sklearn",
        "torchmetrics",
        "kaggle",
        "kagglehub",
    }, script


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_flag_ends_in_one_sentence_with_the_nearest_right_one(script):
    wrong = subprocess.run(
        [sys.executable, f"{script}.py", "--devise", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2 and "--devise" in wrong.stderr and "Traceback" not in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1, wrong.stderr


def test_nothing_can_execute_code_by_being_loaded():
    """A checkpoint from a stranger is data: no unsafe pickle switch, no pickle reader, no blind unpacking anywhere in the tree."""
    for path in [*ROOT.glob("*.py"), *ROOT.glob("benchmarks/*.py")]:
        text = path.read_text("utf-8")
        for danger in (
            "weights_only=False",
            "weights_only = False",
            "pickle.load",
            "import pickle",
            "extractall(",
            "trust_remote_code=True",
            "eval(",
        ):
            # retrieval( is none
            assert not re.search(rf"\b{re.escape(danger)}", text.replace(".eval()", "")), (
                f"{path.name} holds {danger}"
            )


def test_every_requirement_is_used():
    # six is kaggle's undeclared need
    used = {name for tree in FILES.values() for name in imported(tree)} | {"tensorboard", "six"}
    names = {"pillow": "PIL", "scikit-learn": "sklearn", "pyyaml": "yaml"}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = line.split(">")[0].split("=")[0].strip()
        assert names.get(name, name) in used, f"{name} is required and never imported"
