"""A Space holds all that its page needs, and answers as the Hub asks it to."""

import importlib.metadata
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
import types
import urllib.request
from pathlib import Path

import pytest

from inference import MultimodalGenerator
from oneseed.config.hub import SpaceConfig
from oneseed.console.command import UserError
from oneseed.dataset.commands import python_name
from oneseed.export.space import export_space
from oneseed.export.space_files import needed_files, requirements

ROOT = Path(__file__).resolve().parents[2]
LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="a server; LONG=1 runs it")
# in a Space only what requirements.txt and Gradio bring is installed
ONLY_REQUIRED = """
import importlib.metadata
import re
import sys


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def with_needs(names):
    found = set()
    waiting = list(names)
    while waiting:
        name = plain(waiting.pop())
        if name not in found:
            found.add(name)
            try:
                needs = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue
            waiting += [re.match(r"[\\w.-]+", need)[0] for need in needs if "extra ==" not in need]
    return found


class Refuse:
    installed = with_needs(NAMES)
    owners = importlib.metadata.packages_distributions()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        of = cls.owners.get(name.partition(".")[0])
        if of and not cls.installed & {plain(one) for one in of}:
            raise ModuleNotFoundError(f"{name} is not installed in this Space", name=name)


sys.meta_path.insert(0, Refuse)
"""


def head_of(folder):
    """The front matter of README.md."""
    import yaml

    text = (folder / "README.md").read_text("utf-8")
    return yaml.safe_load(text.split("---\n")[1])


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, path="/", data=None, **headers):
    """An answer of the Space, as the Hub passes a visitor's request on."""
    usual = {"Host": "anna-seeds.hf.space", "X-Forwarded-Proto": "https"}
    address = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(address, data, {**usual, **headers})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return direct.open(request, timeout=60)


@pytest.fixture
def space(tiny_checkpoint):
    """A Gradio Space of the tiny model -> its folder."""
    export_space(SpaceConfig(license="mit"))
    return Path("outputs/space").resolve()


@pytest.fixture
def running(space, tmp_path):
    """The Space, started with nothing else than it asks for -> its port."""
    names = ["gradio", *re.findall(r"^([\w.-]+)==", (space / "requirements.txt").read_text(), re.M)]
    (tmp_path / "start").mkdir()
    start = f"NAMES = {names!r}\n{ONLY_REQUIRED}"
    (tmp_path / "start" / "sitecustomize.py").write_text(start, "utf-8")
    port = free_port()
    surroundings = {
        **os.environ,
        "PORT": str(port),
        "SPACE_HOST": "anna-seeds.hf.space",
        "PYTHONPATH": str(tmp_path / "start"),
    }
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=space, env=surroundings, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 120
        while "page: " not in (tmp_path / "log").read_text():
            assert process.poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_the_head_says_what_the_hub_starts(space):
    head = head_of(space)
    assert head["sdk"] == "gradio"
    assert head["sdk_version"] == importlib.metadata.version("gradio")
    assert head["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (head["app_file"], head["license"]) == ("app.py", "mit")
    assert "models" not in head
    compile((space / "app.py").read_text("utf-8"), "app.py", "exec")


def test_the_space_holds_the_model_and_no_module_that_the_page_does_not_need(space):
    own = MultimodalGenerator("checkpoints/best_model.pt", "cpu")
    assert MultimodalGenerator(space / "model", "cpu").fingerprint == own.fingerprint
    for name in ("gradio_demo.py", "oneseed/page/page.css", "oneseed/page/page.js", "LICENSE"):
        assert (space / name).read_bytes() == (ROOT / name).read_bytes()
    assert not list(space.glob("oneseed/training*"))
    assert not list(space.glob("oneseed/export*"))


def test_the_requirements_are_pinned_and_leave_gradio_to_the_head():
    lines = requirements(needed_files().libraries).splitlines()
    assert lines[0] == "--extra-index-url https://download.pytorch.org/whl/cpu"
    pinned = dict(line.split("==") for line in lines[1:])
    assert {"torch", "numpy", "pillow", "tokenizers", "safetensors", "tqdm"} <= pinned.keys()
    # a build such as +cpu is chosen by the index, not by name
    assert not [version for version in pinned.values() if "+" in version]
    assert not pinned.keys() & {"gradio", "scikit-learn", "tensorboard", "transformers"}


def test_a_space_at_home_is_reached_by_this_machine_alone(space, monkeypatch):
    """app.py listened on every address without a password, also where somebody only looked."""
    # the page itself takes seconds to import
    monkeypatch.setitem(sys.modules, "gradio_demo", types.SimpleNamespace(main=None))

    def host_of_app():
        return runpy.run_path(str(space / "app.py"))["CONFIG"].host

    for name in ("SPACE_ID", "SPACE_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert host_of_app() == "127.0.0.1"
    monkeypatch.setenv("SPACE_ID", "anna/seeds")
    assert host_of_app() == "0.0.0.0"


def test_the_next_command_can_be_typed(tiny_checkpoint, capsys):
    """A folder with a blank in its name stood in the printed command without quotes."""
    export_space(SpaceConfig(out="my space"))
    assert "python 'my space/app.py'," in capsys.readouterr().out.replace(python_name(), "python")


@LONG
def test_the_space_answers_where_only_its_requirements_are_installed(running):
    """It ran where the project was installed, and nowhere else."""
    framing = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    with ask(running, **framing, **{"Sec-Fetch-Dest": "iframe"}) as answer:
        assert answer.status == 200
        policy = answer.headers["content-security-policy"].split("; ")
        assert "frame-ancestors https://huggingface.co" in policy
    call = json.dumps({"seed": "7"}).encode()
    kind = {"Content-Type": "application/json", "Origin": "https://anna-seeds.hf.space"}
    with ask(running, "/gradio_api/call/v2/generate", call, **kind) as answer:
        event = json.load(answer)["event_id"]
    with ask(running, f"/gradio_api/call/generate/{event}") as answer:
        (data,) = re.findall("event: complete\ndata: (.*)", answer.read().decode())
    own = MultimodalGenerator("checkpoints/best_model.pt", "cpu")
    assert own.generate(7)[1] in json.loads(data)


def test_a_model_of_the_hub_is_named_in_the_head(tiny_checkpoint, tmp_path, monkeypatch):
    from oneseed import hub_models

    folder = tmp_path / "models--owner--name" / "snapshots" / ("0" * 40)
    MultimodalGenerator(tiny_checkpoint, "cpu").save_pretrained(folder)
    monkeypatch.setattr(hub_models, "fetch_model", lambda name, revision: folder)
    hub_models.named_folder.cache_clear()
    export_space(SpaceConfig(checkpoint="hub:owner/name"))
    hub_models.named_folder.cache_clear()
    assert head_of(Path("outputs/space"))["models"] == ["owner/name"]


# ---- static --------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A page as a folder, in the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web" / "model").mkdir(parents=True)
    (tmp_path / "web" / "index.html").write_text("<title>Seeds</title>")
    (tmp_path / "web" / "model" / "pair.onnx").write_bytes(b"\0\1")
    return tmp_path / "web"


def test_a_static_space_is_the_page_with_a_head(web):
    export_space(SpaceConfig(kind="static", web="web", title="Our seeds"))
    space = Path("outputs/space")
    assert head_of(space)["sdk"] == "static"
    assert head_of(space)["app_file"] == "index.html"
    assert head_of(space)["title"] == "Our seeds"
    for name in ("index.html", "model/pair.onnx"):
        assert (space / name).read_bytes() == (web / name).read_bytes()


def test_a_static_space_is_sent_as_one(web, hub):
    hub.place = "spaces/owner/name"
    export_space(SpaceConfig(kind="static", web="web", push="owner/name"))
    (created,) = hub.created
    assert (created["type"], created["sdk"]) == ("space", "static")
    assert hub.files.keys() == {"index.html", "model/pair.onnx", "README.md"}


def test_a_page_that_is_not_there_names_the_command_that_writes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="python -m oneseed.export web --out outputs/web"):
        export_space(SpaceConfig(kind="static"))


def test_a_page_with_a_blank_in_its_name_is_quoted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="oneseed.export web --out 'my page'"):
        export_space(SpaceConfig(kind="static", web="my page"))


@pytest.mark.parametrize("kind", ["gradio", "static"])
def test_a_space_replaces_nothing_in_a_folder_of_others(kind, web):
    """`space --out .` in a clone of the program replaced its README.md and requirements.txt."""
    mine = {"README.md": "# My project\n", "requirements.txt": "numpy\n"}
    folder = web.parent / "project"
    folder.mkdir()
    for name, text in mine.items():
        (folder / name).write_text(text)
    with pytest.raises(UserError, match="project is there and no Space that this command wrote"):
        export_space(SpaceConfig(kind=kind, web="web", out="project"))
    assert {path.name: path.read_text() for path in folder.iterdir()} == mine


def test_a_space_is_written_again_and_its_edited_head_stays(web, capsys):
    """What was changed in the head between looking and --push was written over without a word."""
    config = SpaceConfig(kind="static", web="web")
    export_space(config)
    export_space(config)
    assert "stays as it is" not in capsys.readouterr().out
    readme = Path("outputs/space/README.md")
    edited = readme.read_text("utf-8").replace('colorTo: "yellow"', 'colorTo: "green"')
    readme.write_text(edited, "utf-8")
    (web / "index.html").write_text("<title>Newer</title>")
    export_space(config)
    assert readme.read_text("utf-8") == edited
    assert "Newer" in Path("outputs/space/index.html").read_text()
    assert "stays as it is" in capsys.readouterr().out
    with pytest.raises(UserError, match="is of a Space of --kind static"):
        export_space(SpaceConfig(kind="gradio"))


def test_a_card_beside_the_page_is_not_the_head_of_the_space(web):
    (web / "README.md").write_text("# Notes on my page\n")
    export_space(SpaceConfig(kind="static", web="web"))
    assert head_of(Path("outputs/space"))["sdk"] == "static"


def test_a_space_does_not_grow_into_its_own_page(web):
    with pytest.raises(UserError, match="lies within --web"):
        export_space(SpaceConfig(kind="static", web="web", out="web/space"))
