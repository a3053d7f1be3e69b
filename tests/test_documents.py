"""README and docs/: short, plain, and true of the files and commands that are there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from oneseed.config.captioning import CaptionConfig
from oneseed.config.demo import DemoConfig
from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.finetuning import FinetuningConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.model import PRESETS, ModelConfig, SpecsConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.flags import parse_configs
from tests import prose

ROOT = prose.ROOT
README = ROOT / "README.md"

MAX_WORDS = 1400
MAX_LINES = 170
MAX_MEAN_SENTENCE = 20  # words
MAX_PARAGRAPH = 60  # words

# Both tell what was before; no other document does.
HISTORY = {"docs/experiments.md", "docs/changelog.md"}
TALES_OF_THE_PAST = ("the version before", "version before", "previous version", "used to be")

CONFIGS_OF = {
    "dataset_preparation.py": (PrepareConfig,),
    "caption_generation.py": (CaptionConfig,),
    "caption_finetuning.py": (FinetuningConfig,),
    "model_architecture.py": (ModelConfig, SpecsConfig),
    "training_loop.py": (ModelConfig, TrainConfig),
    "inference.py": (InferenceConfig,),
    "gradio_demo.py": (DemoConfig,),
    "evaluation.py": (EvaluateConfig,),
}
# The scripts that read --config.
CONFIG_FILE = dict.fromkeys(
    ("model_architecture.py", "training_loop.py"), (ModelConfig, TrainConfig)
)
PRINT_AND_END = {"--help", "--schema"}

COMMAND = re.compile(
    r"(?:\bpython3? +|\btorchrun(?: +--[\w-]+ +\d+)* +)"
    r"(?P<program>\w+\.py|-m +[\w.]+)"
    r"(?P<flags>(?: +(?:\"[^\"]*\"|[^\s\"#|>&;)]+))*)"
)
MAKE = re.compile(r"(?:^|&& *|; *)make +(?P<targets>[a-z][\w-]*(?: +[a-z][\w-]*)*)", re.MULTILINE)
COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A command line that a document shows."""

    document: str
    program: str  # "inference.py", or "benchmarks.page" of python -m
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join((self.program, *self.flags))}"


def code_of(path: Path) -> Iterator[str]:
    """Fenced blocks and inline code of a document, without comments, continued lines joined."""
    text = path.read_text("utf-8")
    for code in [*prose.code_blocks(text), *prose.inline_code(text)]:
        yield COMMENT.sub("", code.replace("\\\n", " "))


def commands() -> list[Command]:
    """Every `python X.py …`, `torchrun … X.py …` and `python -m …` of the documents."""
    found = []
    for path in prose.documents():
        for code in code_of(path):
            for match in COMMAND.finditer(code):
                program = match["program"].removeprefix("-m").strip()
                flags = tuple(shlex.split(match["flags"]))
                found.append(Command(prose.name_of(path), program, flags))
    return found


def make_targets() -> list[tuple[str, str]]:
    """Every (document, target) of a `make TARGET`."""
    return [
        (prose.name_of(path), target)
        for path in prose.documents()
        for code in code_of(path)
        for match in MAKE.finditer(code)
        for target in match["targets"].split()
    ]


def anchor_of(heading: str) -> str:
    """The heading's name in an address, as GitHub makes it."""
    shown = prose.LINK.sub(r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")


def anchors_of(path: Path) -> set[str]:
    """The names of all headings of a document."""
    text = prose.without_code_blocks(path.read_text("utf-8"))
    return {anchor_of(heading) for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE)}


def test_the_readme_is_read_in_a_few_minutes():
    readme = prose.measure(README)
    assert readme.words <= MAX_WORDS, f"{readme.words} words outside code blocks"
    assert readme.lines <= MAX_LINES, f"{readme.lines} lines"


def test_the_readme_has_short_sentences_and_paragraphs():
    readme = prose.measure(README)
    assert readme.mean_sentence <= MAX_MEAN_SENTENCE, f"{readme.mean_sentence:.1f} words a sentence"
    words = prose.count_words(readme.longest_paragraph)
    assert words <= MAX_PARAGRAPH, f"{words} words: {readme.longest_paragraph}"


@pytest.mark.parametrize("path", prose.documents(), ids=prose.name_of)
def test_only_the_log_and_the_changelog_tell_what_was_before(path: Path):
    if prose.name_of(path) in HISTORY:
        pytest.skip("tells what was before")
    text = " ".join(path.read_text("utf-8").lower().split())
    told = [tale for tale in TALES_OF_THE_PAST if tale in text]
    assert not told, f"{prose.name_of(path)} says {told}"


@pytest.mark.parametrize("path", prose.documents(), ids=prose.name_of)
def test_every_link_and_picture_leads_somewhere(path: Path):
    text = prose.without_code_blocks(path.read_text("utf-8"))
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose.INLINE_CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors_of(there)):
            lost.append(target)
    assert not lost, f"{prose.name_of(path)}: {lost}"


def test_every_picture_of_docs_is_shown():
    """A picture that no document shows is an old one that nobody renewed."""
    text = "\n".join(path.read_text("utf-8") for path in prose.documents())
    unseen = [path.name for path in (ROOT / "docs").glob("*.png") if path.name not in text]
    assert not unseen, unseen


def test_every_part_of_the_package_stands_in_architecture():
    """A table of the parts lacked hub_models.py: a reader looked in vain for what it holds."""
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    parts = [f"{path.parent.name}/" for path in (ROOT / "oneseed").glob("*/__init__.py")]
    parts += [path.name for path in (ROOT / "oneseed").glob("[!_]*.py")]
    assert len(parts) >= 20, "hardly any part was found"
    missing = [part for part in parts if f"\n| `{part}` |" not in table]
    assert not missing, missing


def test_every_file_of_requirements_is_named_in_install():
    """Documents showed `pytest` and benchmarks, and none named what brings their libraries."""
    install = (ROOT / "docs" / "install.md").read_text("utf-8")
    files = [*ROOT.glob("requirements*.txt"), *ROOT.glob("[bt]*/requirements.txt")]
    names = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"requirements.txt", "tests/requirements.txt", "benchmarks/requirements.txt"} <= names
    missing = [name for name in sorted(names) if name not in install]
    assert not missing, missing


def test_every_command_of_a_script_is_one_that_the_script_accepts(capsys):
    wrong = []
    shown = [command for command in commands() if command.program.endswith(".py")]
    for command in shown:
        if command.program not in CONFIGS_OF:
            wrong.append(f"{command}\n  no such script")
            continue
        if PRINT_AND_END & {*command.flags}:
            continue
        # A file of settings that a reader is to write himself.
        flags = list(command.flags)
        if "--config" in flags:
            place = flags.index("--config")
            del flags[place : place + 2]
        try:
            parse_configs(
                *CONFIGS_OF[command.program],
                description="",
                presets=PRESETS,
                argv=flags,
                file=CONFIG_FILE.get(command.program, ()),
            )
        except SystemExit:
            wrong.append(f"{command}\n  {capsys.readouterr().err.strip()}")
    assert not wrong, "\n".join(wrong)
    assert len(shown) >= 30, "hardly any command was found: does COMMAND still match?"


def complaint_about(command: Command) -> str:
    """What is wrong with `python -m benchmarks.NAME …`, "" where nothing is."""
    file = ROOT / (command.program.replace(".", "/") + ".py")
    if not file.exists():
        return f"{command}\n  no such file: {file.relative_to(ROOT)}"
    # --help comes last: values before it are read, nothing is run.
    line = [sys.executable, "-m", command.program, *command.flags, "--help"]
    helped = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    if helped.returncode:
        return f"{command}\n  {helped.stderr.strip()[-500:]}"
    known = {*re.findall(r"--[\w-]+", helped.stdout)}
    unknown = [flag for flag in command.flags if flag.startswith("--") and flag not in known]
    return f"{command}\n  unknown: {unknown}" if unknown else ""


def test_every_command_of_a_benchmark_is_one_that_it_accepts():
    shown = {
        (command.program, command.flags): command
        for command in commands()
        if command.program.startswith("benchmarks.")
    }
    assert shown, "no command was found: does COMMAND still match?"
    with ThreadPoolExecutor(2) as pool:
        wrong = [complaint for complaint in pool.map(complaint_about, shown.values()) if complaint]
    assert not wrong, "\n".join(wrong)


def test_every_make_target_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    known = {
        target
        for line in re.findall(r"^([a-z][\w -]*):(?!=)", makefile, re.MULTILINE)
        for target in line.split()
    }
    shown = make_targets()
    assert shown, "no target was found: does MAKE still match?"
    missing = sorted({f"{name}: make {target}" for name, target in shown if target not in known})
    assert not missing, missing
