"""`python -m oneseed.export`: what is missing ends in one sentence, and pages are whole."""

import http.client
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from oneseed.config.export import OnnxConfig, WebConfig
from oneseed.console.command import UserError
from oneseed.export import onnx, web, web_runtime

ROOT = Path(__file__).resolve().parents[2]


def export(*words):
    """`python -m oneseed.export WORDS` -> what came of it."""
    command = [sys.executable, "-m", "oneseed.export", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("kind", ["onnx", "web"])
def test_help_shows_examples_and_loads_no_torch(kind):
    command = [sys.executable, "-X", "importtime", "-m", "oneseed.export", kind, "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr[-500:]
    assert f"python -m oneseed.export {kind}" in shown.stdout
    assert " torch\n" not in shown.stderr


@pytest.mark.parametrize("words", [[], ["pdf"]])
def test_a_kind_that_is_none_ends_in_one_sentence(words):
    done = export(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: what to export is one of onnx, web")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_flag_names_the_command_that_lists_the_right_ones():
    done = export("onnx", "--pases", "2")
    assert done.returncode == 2
    assert "--passes" in done.stderr
    assert "(python -m oneseed.export onnx --help lists the flags)" in done.stderr


def test_help_is_shown_in_the_letters_that_a_console_has():
    """`python -m` starts a module through another one, so it was not begun as a script is: a dash
    in --help ended in a traceback where the console had none."""
    command = [sys.executable, "-m", "oneseed.export", "onnx", "--help"]
    ascii_alone = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, cwd=ROOT, env=ascii_alone, capture_output=True, timeout=120)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"pair_small.onnx, ..." in shown.stdout


def test_missing_libraries_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnx, onnxscript, onnxruntime.*requirements-export.txt"):
        onnx.export_onnx(OnnxConfig())


def test_the_requirements_of_exports_are_those_that_are_looked_for():
    lines = (ROOT / "requirements-export.txt").read_text().split()
    assert [line.partition(">=")[0] for line in lines] == list(onnx.EXPORT_LIBRARIES)


# ---- the page

FACTS = {
    "format": 1,
    "latent_dim": 32,
    "files": {"pair": {"exact": "pair.onnx", "small": "pair_small.onnx"}},
}


@pytest.fixture
def exported(tmp_path):
    """A folder that looks like an export."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(FACTS))
    for name in ("tokenizer.json", "pair.onnx", "pair_small.onnx"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def runtime(tmp_path):
    """A folder that looks like an unpacked onnxruntime-web."""
    folder = tmp_path / "package"
    (folder / "dist").mkdir(parents=True)
    for name in web_runtime.RUNTIME_FILES:
        (folder / "dist" / name).write_text(name)
    return folder


def page_config(tmp_path, exported, runtime):
    """Settings of `web` with these folders."""
    return WebConfig(model=str(exported), runtime=str(runtime), out=str(tmp_path / "page"))


def test_a_page_has_all_that_it_loads_and_no_other_model(tmp_path, exported, runtime):
    assert web.write_web(page_config(tmp_path, exported, runtime)) == 0
    page = tmp_path / "page"
    files = {file.relative_to(page).as_posix() for file in page.rglob("*") if file.is_file()}
    assert files == {
        *web.SITE_FILES,
        *web_runtime.RUNTIME_FILES,
        "model/config.json",
        "model/tokenizer.json",
        "model/pair_small.onnx",
    }


def test_a_page_is_written_again_over_an_earlier_one(tmp_path, exported, runtime):
    config = page_config(tmp_path, exported, runtime)
    web.write_web(config)
    assert web.write_web(config) == 0


def test_a_folder_of_other_things_is_not_replaced(tmp_path, exported, runtime):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="no page of this kind"):
        web.write_web(page_config(tmp_path, exported, runtime))
    assert (tmp_path / "page" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("lost", ["config.json", "tokenizer.json", "pair_small.onnx"])
def test_an_export_that_is_not_whole_names_the_command_that_makes_it(
    tmp_path, exported, runtime, lost
):
    (exported / lost).unlink()
    with pytest.raises(UserError, match=r"-m oneseed.export onnx --out .*export"):
        web.write_web(page_config(tmp_path, exported, runtime))


def test_no_export_is_recommended_into_a_folder_of_something_else(tmp_path):
    """`web --model outputs/hub` named a command that deleted files of the model there."""
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text('{"format": 1, "config": {}, "meta": {}}')
    with pytest.raises(UserError, match="--out FOLDER, and name that folder with --model"):
        web.model_file_names(folder)
    with pytest.raises(UserError, match=r"export onnx --out '.*/a b'$"):
        web.model_file_names(tmp_path / "a b")


def test_the_command_that_shows_a_page_can_be_typed(tmp_path, exported, runtime, capsys):
    """A folder with a blank in its name stood in the printed command without quotes."""
    out = tmp_path / "my page"
    web.write_web(WebConfig(model=str(exported), runtime=str(runtime), out=str(out)))
    assert f"-m http.server --directory '{out.as_posix()}' 8000" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": {"pair": 1}, "latent_dim": 32}'])
def test_a_damaged_config_is_no_traceback(tmp_path, exported, runtime, text):
    (exported / "config.json").write_text(text)
    with pytest.raises(UserError, match="holds no exported model"):
        web.write_web(page_config(tmp_path, exported, runtime))


def test_a_runtime_without_its_files_names_the_command_that_gets_it(tmp_path):
    with pytest.raises(UserError, match="npm pack onnxruntime-web@1"):
        web_runtime.runtime_files(str(tmp_path))


def package_of(contents):
    """A package as npm packs it, bytes."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as package:
        for name, text in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            package.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """registry(contents): from now on the npm registry has this package."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", tmp_path.as_uri())

    def offer(contents):
        place = tmp_path / "onnxruntime-web" / "-" / web_runtime.PACKAGE
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(package_of(contents))
        return place

    return offer


def test_a_package_of_another_hash_is_refused(registry, tmp_path):
    """Whoever answers for the registry could otherwise put any script into the page."""
    registry({f"package/dist/{name}": "alert(1)" for name in web_runtime.RUNTIME_FILES})
    with pytest.raises(UserError, match="another file than the one that is known"):
        web_runtime.runtime_files(None)
    assert not (tmp_path / "cache").exists()


def test_the_package_is_downloaded_once(registry, monkeypatch):
    contents = {f"package/dist/{name}": name for name in web_runtime.RUNTIME_FILES}
    place = registry(contents | {"../../outside.txt": "never unpacked"})
    known = web_runtime.base64.b64encode(
        web_runtime.hashlib.sha512(place.read_bytes()).digest()
    ).decode()
    monkeypatch.setattr(web_runtime, "RUNTIME_SHA512", known)
    expected = {name: name.encode() for name in web_runtime.RUNTIME_FILES}
    assert web_runtime.runtime_files(None) == expected
    place.unlink()
    assert web_runtime.runtime_files(None) == expected


@pytest.mark.parametrize("error", [http.client.IncompleteRead(b""), http.client.BadStatusLine("x")])
def test_an_answer_that_is_no_http_ends_in_one_sentence(registry, monkeypatch, error):
    """A proxy that broke off within the answer gave a traceback: such errors are no OSError."""

    def break_off(address, timeout):
        raise error

    monkeypatch.setattr(web_runtime.urllib.request, "urlopen", break_off)
    with pytest.raises(UserError, match="--runtime package"):
        web_runtime.runtime_files(None)


def test_without_the_registry_the_other_way_is_named(registry):
    with pytest.raises(UserError, match="--runtime package"):
        web_runtime.runtime_files(None)
