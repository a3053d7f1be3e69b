"""Words of a command line and files that it names are of any kind, and none stops a script."""

import os
import socket

import pytest

from oneseed.config.captioning import CaptionConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.flags import parse_configs
from oneseed.console.input_files import why_no_file
from oneseed.evaluation.report import read_report
from oneseed.generation.pictures import open_picture
from oneseed.sources.caption_texts import read_caption_texts
from oneseed.sources.tables import read_table

CAFE = "caf\udce9"


def refused(argv, kind, capsys, **more):
    """The sentence that refuses a command line; it is one, with code 2."""
    with pytest.raises(SystemExit) as end:
        parse_configs(kind, description="", argv=argv, **more)
    sentence = capsys.readouterr().err
    assert end.value.code == 2
    assert len(sentence.strip().splitlines()) == 1
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    "kind, argv",
    [
        (InferenceConfig, ["--prompt", f"a {CAFE} by the sea"]),
        (InferenceConfig, ["--checkpoint", f"{CAFE}/best_model.pt"]),
        (InferenceConfig, ["--find", CAFE, "--prompt", "ship"]),
        (PrepareConfig, ["--source", "prints", CAFE]),
        (PrepareConfig, ["--style", CAFE]),
        (CaptionConfig, ["--captioner", CAFE]),
        (CaptionConfig, [f"--review={CAFE}/captions.html"]),
        (TrainConfig, ["--checkpoints", CAFE]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value.__name__,
)
def test_bytes_that_are_no_utf_8_are_refused_with_the_flag_and_the_way_on(kind, argv, capsys):
    """An old terminal's é ended in a traceback of JSON, of a font or of the tokenizer."""
    sentence = refused(argv, kind, capsys)
    assert argv[0].partition("=")[0] in sentence
    assert r"caf\udce9" in sentence
    assert "no UTF-8" in sentence
    assert "rename or link" in sentence


def test_letters_that_the_system_s_language_lacks_are_told_as_that(capsys):
    """LC_ALL=C and no UTF-8 mode: é typed in UTF-8 arrives as two bytes of no letter."""
    argv = ["--prompt", os.fsencode("café").decode("ascii", "surrogateescape")]
    assert "PYTHONUTF8=1" in refused(argv, InferenceConfig, capsys)


@pytest.mark.parametrize("text", ['"a\\0b"', '"\\ud800"'])
def test_a_file_of_settings_holds_no_such_texts_either(text, tmp_path, capsys):
    path = tmp_path / "model.yaml"
    path.write_text(f"checkpoints: {text}\n", encoding="utf-8")
    sentence = refused(["--config", str(path)], TrainConfig, capsys, file=(TrainConfig,))
    assert str(path) in sentence


def test_letters_of_any_language_are_taken():
    (config,) = parse_configs(InferenceConfig, description="", argv=["--prompt", "café 山 🦊"])
    assert config.prompt == "café 山 🦊"


@pytest.fixture
def no_files(tmp_path):
    """Paths that are no files, and what is said of each."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "to_pipe.csv").symlink_to("pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket.csv"))
    server.close()
    return {
        tmp_path / "pipe.csv": "is a named pipe",
        tmp_path / "to_pipe.csv": "is a named pipe",
        tmp_path / "socket.csv": "is a socket",
        tmp_path / "folder.csv": "Is a directory",
        tmp_path / "loop.csv": "Too many levels of symbolic links",
        tmp_path / "gone.csv": "No such file",
        os.devnull: "is a device",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_path_that_is_no_file_is_told_before_it_is_opened(no_files, tmp_path):
    """Nobody ever writes into a named pipe that somebody left: the run waited for ever."""
    for path, words in no_files.items():
        assert words in why_no_file(path)
    (tmp_path / "file").write_text("")
    assert why_no_file(tmp_path / "file") == ""
    assert "zero byte" in why_no_file("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["pipe", "pipe.csv", "pipe.parquet", "pipe.json", "pipe.txt"])
def test_a_named_pipe_given_by_hand_stops_no_script(name, tmp_path, capsys):
    """As --image, --compare, --captions, a file of --find, and --config."""
    from oneseed.console.command import UserError

    pipe = tmp_path / name
    os.mkfifo(pipe)
    for reads in (
        lambda: open_picture(pipe),
        lambda: read_report(pipe),
        lambda: list(read_table(name, pipe)),
        lambda: read_caption_texts(pipe, tmp_path / "data"),
    ):
        with pytest.raises(UserError, match="named pipe"):
            reads()
    assert "named pipe" in refused(
        ["--config", str(pipe)], TrainConfig, capsys, file=(TrainConfig,)
    )
