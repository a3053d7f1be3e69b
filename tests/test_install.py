"""The ways to an environment: make with and without CPU=1 and uv, and the container's files."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.image import instruction
from tests.test_layout import SCRIPTS, imported

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# what page and inference.py can do without -> why
NOT_OF_THE_PAGE = {
    "sklearn": "fits and checks a model, in training alone",
    "pyarrow": "an extra: Parquet",
    "pillow_heif": "an extra: HEIC",
    "imageio_ffmpeg": "an extra: films as MP4",
    "fsspec": "an extra: storage by URL",
    "transformers": "for frozen encoders and language models of others, and for captioners",
    "soundfile": "reads sounds; the page draws and plays them without",
    "scipy": "the same",
    "av": "an extra: clips out of MP4 and WebM",
    "rapidocr": "an extra: --read",
    "pygments": "colours of code; gradio brings it",
    "huggingface_hub": "for models of the Hub; gradio brings it",
    "torchmetrics": "for figures of reports; the page shows reports and measures none",
}
# import name -> the package that brings it
PACKAGE_OF = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "starlette": "fastapi",
    "pydantic": "fastapi",
    "h11": "uvicorn",
}
# where the walk begins: what the container can run
PROGRAMS = ("gradio_demo", "inference", "oneseed.api.__main__")


# ---- make ----------------------------------------------------------------------------------------


@pytest.fixture
def dry_run(tmp_path):
    """dry_run(*words, uv=False): the commands that make would run where nothing is installed."""
    for name in ("Makefile", "requirements.txt", "tests/requirements.txt"):
        copy = tmp_path / "clone" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    tools = tmp_path / "tools"
    tools.mkdir()
    make = shutil.which("make")
    assert make, "no make here"

    def run(*words, uv=False):
        (tools / "uv").unlink(missing_ok=True)
        if uv:
            (tools / "uv").write_text("#!/bin/sh\n")
            (tools / "uv").chmod(0o755)
        command = [make, "--dry-run", "--directory", str(tmp_path / "clone"), *words]
        # nothing else of the environment: `make test CPU=1` exports its CPU
        environment = {"PATH": str(tools)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_clean_removes_nothing_that_took_people_time(tmp_path):
    """Captions that were mended by hand, and marks of what to leave out, went with it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [
        "data/raw/prints/1.png",
        "data/metadata/prints_metadata.jsonl",
        "data/captions/prints_train.jsonl",
        "data/captions/prints_generated.jsonl",
        "checkpoints/best_model.pt",
        "outputs/report/answers.jsonl",
    ]
    made = ["data/processed/prints/a.png", "outputs/sheet.png", "outputs/more/000001.png"]
    for name in (*kept, *made):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert sorted(left) == sorted(kept)


def installs(lines):
    """The commands that install something, as lists of words."""
    return [shlex.split(line) for line in lines if " install " in line]


def test_pip_installs_where_there_is_no_uv(dry_run):
    pip = [".venv/bin/python", "-m", "pip", "install", "--no-compile"]
    (line,) = installs(dry_run("demo"))
    assert line == [*pip, "--disable-pip-version-check", "-r", "requirements.txt"]


def test_uv_installs_into_the_same_environment_where_it_is_on_the_path(dry_run):
    uv = ["uv", "pip", "install", "--python", ".venv/bin/python"]
    assert installs(dry_run("demo", uv=True)) == [[*uv, "-r", "requirements.txt"]]
    assert "python3 -m venv .venv" in dry_run("demo", uv=True)


@pytest.mark.parametrize("uv", [False, True])
@pytest.mark.parametrize("target", ["install", "demo", "test", "specs", "image-test"])
def test_cpu_takes_torch_from_its_own_index_before_all_else(dry_run, target, uv):
    """An extra index gives the CPU build only while both hold one version: the newer one wins.

    So torch is installed first, and from that index alone. What follows finds it there.
    """
    first, second, *_ = installs(dry_run(target, "CPU=1", uv=uv))
    wanted = required("requirements.txt")
    assert first[-4:] == ["--index-url", CPU_INDEX, wanted["torch"], wanted["torchvision"]]
    assert second[-2:] == ["-r", "requirements.txt"]
    assert "--extra-index-url" not in {*first, *second}


def test_cpu_changes_nothing_but_this_one_command(dry_run):
    with_cpu = dry_run("demo", "CPU=1")
    assert [line for line in with_cpu if CPU_INDEX not in line] == dry_run("demo")
    assert dry_run("demo", "CPU=0") == dry_run("demo")


def test_a_mirror_can_stand_for_the_index(dry_run):
    mirror = "https://mirror.example.org/cpu"
    first, *_ = installs(dry_run("demo", "CPU=1", f"TORCH_INDEX={mirror}"))
    assert mirror in first
    assert CPU_INDEX not in first


# ---- requirements-page.txt -----------------------------------------------------------------------


def module_file(name):
    """Full name of a module of the project -> its file, None where it is none."""
    path = ROOT / name.replace(".", "/")
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.exists():
            return file
    return None


def libraries_of(*names):
    """Libraries that these modules import, with all that they import of the project."""
    waiting = [*names]
    seen = set()
    libraries = set()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if top not in ("oneseed", *SCRIPTS):
            libraries.add(top)
            continue
        # the name may end with something that the module defines
        file = module_file(name) or module_file(name.rpartition(".")[0])
        if file and file not in seen:
            seen.add(file)
            waiting += imported(file)
    return libraries - sys.stdlib_module_names


def required(file):
    """Requirement files -> {package: the whole line}."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return {re.match(r"[\w-]+", line).group(): line for line in lines if not line.startswith("-")}


def test_page_and_inference_find_every_library_in_requirements_page():
    used = libraries_of(*PROGRAMS)
    assert {"torch", "gradio", "PIL", "uvicorn", "safetensors"} <= used
    packages = {PACKAGE_OF.get(name, name) for name in used - NOT_OF_THE_PAGE.keys()}
    assert packages == required("requirements-page.txt").keys()


def test_what_the_page_does_without_is_still_something_that_it_names():
    """An exception that nothing needs hides the next one."""
    assert libraries_of(*PROGRAMS) >= NOT_OF_THE_PAGE.keys()


def test_requirements_page_has_the_versions_of_requirements():
    everything = required("requirements.txt")
    assert required("requirements-page.txt").items() <= everything.items()


# ---- the container -------------------------------------------------------------------------------


def copied():
    """Files and folders that the Dockerfile takes from this folder."""
    lines = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    return [name for line in lines if not line[0].startswith("--from") for name in line]


def allowed():
    """What .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_the_image_gets_only_what_is_named():
    """A whole folder that is copied brings .venv, data and whatever secrets lie in it."""
    assert not {".", "./", "*"} & {*copied()}
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    for name in copied():
        assert (ROOT / name).exists(), name
        assert [one for one in allowed() if one == name or one.startswith(f"{name}/")], name
    for name in allowed():
        assert [one for one in copied() if name == one or name.startswith(f"{one}/")], name


def test_the_container_runs_as_a_number():
    """Kubernetes' runAsNonRoot refuses a user by name, for it cannot know that it is not root."""
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert users == ["1000"]
    # nothing afterwards is done as root
    assert not re.search(r"^(RUN|COPY|ADD) ", DOCKERFILE.partition("USER 1000")[2], re.MULTILINE)


def test_the_container_serves_the_page_and_looks_at_its_health():
    assert instruction("ENTRYPOINT") == ["python"]
    script, *flags = instruction("CMD")
    assert script == "gradio_demo.py"
    from oneseed.config.demo import DemoConfig
    from oneseed.console.flags import parse_configs

    (config,) = parse_configs(DemoConfig, description="", argv=flags)
    assert config.host == "0.0.0.0"
    # who reaches a container is not known
    assert not config.private
    python, flag, code = instruction("HEALTHCHECK")
    assert (python, flag) == ("python", "-c")
    ast.parse(code)
    assert f"127.0.0.1:{config.port}/healthz" in code
    assert f"EXPOSE {config.port}" in DOCKERFILE


def test_the_health_check_fails_where_the_page_is_not_well(tmp_path):
    """A check that is always true keeps a dead page in service."""
    server = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[1]) if self.path == "/healthz" else 404)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Page)
print(server.server_port, flush=True)
server.serve_forever()
"""
    codes = {}
    for status in (200, 503):
        with subprocess.Popen(
            [sys.executable, "-c", server, str(status)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as running:
            port = running.stdout.readline().strip()
            check = json.loads(json.dumps(instruction("HEALTHCHECK")).replace("7860", port))
            codes[status] = subprocess.run(
                [sys.executable, *check[1:]], stderr=subprocess.DEVNULL
            ).returncode
            running.terminate()
    assert codes[200] == 0
    assert codes[503] != 0


def test_torch_of_the_image_is_the_one_without_gpu_libraries():
    assert f"ARG TORCH_INDEX={CPU_INDEX}\n" in DOCKERFILE
    torch = required("requirements-page.txt")["torch"]
    first = DOCKERFILE.index(f'--index-url "$TORCH_INDEX" "{torch}"')
    assert first < DOCKERFILE.index("-r requirements-page.txt")


def test_both_stages_have_the_same_python():
    """An environment that is moved to another Python has no libraries."""
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    assert len({*stages}) == 1


def test_compose_gives_the_page_no_more_than_it_needs():
    page = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["page"]
    assert page["read_only"] is True
    assert page["cap_drop"] == ["ALL"]
    assert page["security_opt"] == ["no-new-privileges:true"]
    assert all(volume.endswith(":ro") for volume in page["volumes"])
    assert page["tmpfs"][0].startswith("/tmp")
    # the network sees it only where somebody says so
    assert page["ports"] == ["127.0.0.1:7860:7860"]
