"""Kaggle's real clients against a server of our own.

What is cut goes on, what fails says so in a sentence, and nothing half is taken as whole.
"""

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from oneseed.console.command import UserError
from oneseed.sources.kaggle import KAGGLE, from_kagglehub
from tests.preparation.test_dataset_preparation import run_main
from tests.sources.test_archives import png

ROOT = Path(__file__).resolve().parents[2]
SLUG = KAGGLE.partition("/")[2]
TREES = {
    f"{tree}/dataset_updated/{split}/{style}/i - {number}.jpeg": png(number)
    for number, (tree, split, style) in enumerate(
        [
            ("dataset", "training_set", "engraving"),
            ("dataset", "validation_set", "engraving"),
            ("musemart", "training_set", "engraving"),
            ("musemart", "training_set", "drawings"),
            ("dataset", "training_set", "painting"),
        ]
    )
}
# in both trees
TREES["musemart/dataset_updated/validation_set/engraving/i - 0.jpeg"] = png(0)
# clients write blocks of 1 MiB
FILLING = {"about.txt": np.random.default_rng(0).bytes(3 * 2**20)}


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


WHOLE = zipped(TREES | FILLING)


class Server(ThreadingHTTPServer):
    """Answers as Kaggle and its storage do.

    status: of the first request. cuts: after how many bytes of the file the next answers break off.
    refuses: a word in the name of a client that gets 500. hashed: with the file's checksum.
    seen: (path, Range, whether with a name).
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.data = WHOLE
        self.sent = None
        self.status = 200
        self.cuts = []
        self.refuses = None
        self.hashed = True
        self.seen = []


class Answer(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state = self.server
        state.seen.append((self.path.rpartition("/")[2], None, "Authorization" in self.headers))
        status = (
            500 if state.refuses and state.refuses in self.headers["User-Agent"] else state.status
        )
        if status != 200:
            text = b'{"code": %d, "message": "no"}' % status
            self.head(status, Content_Type="application/json", Content_Length=len(text))
            self.wfile.write(text)
        else:
            self.head(
                302,
                Location=f"http://127.0.0.1:{state.server_port}/storage/archive.zip",
                Content_Length=0,
            )

    def do_GET(self):
        state = self.server
        asked = self.headers.get("Range")
        state.seen.append(("file", asked, "Authorization" in self.headers))
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        digest = base64.b64encode(hashlib.md5(state.data).digest()).decode()
        body = (state.sent or state.data)[start:]
        part = (
            {"Content_Range": f"bytes {start}-{len(state.data) - 1}/{len(state.data)}"}
            if asked
            else {}
        )
        self.head(
            206 if asked else 200,
            Accept_Ranges="bytes",
            ETag='"one"',
            Content_Length=len(body),
            Content_Type="application/zip",
            **part,
            **({"x_goog_hash": f"md5={digest}"} if state.hashed else {}),
        )
        self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)
        self.close_connection = True


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """The server, with both clients sent to it, without credentials.

    Every other way out of this machine is closed.
    """
    for name in [name for name in os.environ if name.startswith("KAGGLE")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {
        "HOME": home,
        "USERPROFILE": home,
        "KAGGLE_CONFIG_DIR": home,
        "KAGGLEHUB_CACHE": tmp_path / "cache",
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, str(value))
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk import kaggle_env

    server = Server()
    monkeypatch.setitem(
        kaggle_env._env_to_endpoint,
        kaggle_env.KaggleEnv.LOCAL,
        f"http://127.0.0.1:{server.server_port}",
    )
    monkeypatch.setattr(KaggleApi, "args", ["--local"])
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    yield server
    server.shutdown()
    server.server_close()


def files_seen(server):
    return [asked for path, asked, _ in server.seen if path == "file"]


def failure(tmp_path):
    """-> the sentence; nothing that could pass for a collection is left behind."""
    with pytest.raises(UserError) as caught:
        run_main("kaggle", tmp_path)
    text = str(caught.value)
    assert caught.value.code == 2
    assert "\n" not in text
    assert "KAGGLE_API_TOKEN" in text
    assert "--source PATH" in text
    assert "--source builtin" in text
    assert not list(tmp_path.rglob("*metadata.json"))
    assert not (tmp_path / "data/raw/kaggle").exists()
    assert not list((tmp_path / "cache").rglob("*.complete"))
    return text


def test_one_download_serves_every_style_and_then_no_network_is_needed(kaggle, tmp_path):
    """Both trees, at any depth, each picture once, without an account."""
    _, rows, report = run_main("kaggle", tmp_path)
    assert (len(rows), report["found"], report["other_style"], report["duplicates"]) == (3, 6, 2, 1)
    assert kaggle.seen == [("DownloadDataset", None, False), ("file", None, False)]
    kaggle.server_close()
    collection, rows, _ = run_main("kaggle", tmp_path, style="drawings")
    assert len(rows) == 1
    assert collection.resized.parent.name == "drawings"
    _, rows, _ = run_main("kaggle", tmp_path, style="all")
    assert sorted(row["style"] for row in rows) == [
        "drawings",
        "engraving",
        "engraving",
        "engraving",
        "painting",
    ]
    assert len(kaggle.seen) == 2
    assert not list((tmp_path / "cache").rglob("*.archive"))


def test_a_cut_download_goes_on_where_it_stopped(kaggle, tmp_path):
    kaggle.cuts = [int(2.5 * 2**20)]
    _, rows, _ = run_main("kaggle", tmp_path)
    assert len(rows) == 3
    assert files_seen(kaggle) == [None, None, f"bytes={2 * 2**20}-"]


def test_a_download_that_is_cut_again_and_again_goes_on_with_the_next_command(kaggle, tmp_path):
    kaggle.cuts = [int(1.5 * 2**20), 0, 0, 0, 0]
    assert "cut again and again; what has arrived is kept" in failure(tmp_path)
    kaggle.cuts = []
    kaggle.seen = []
    _, rows, _ = run_main("kaggle", tmp_path)
    assert len(rows) == 3
    assert files_seen(kaggle) == [None, f"bytes={2**20}-"]


def test_a_stalled_connection_is_a_cut_one(monkeypatch):
    import kagglehub
    import requests

    answers = [
        requests.ConnectionError("HTTPConnectionPool: Read timed out."),
        requests.exceptions.ChunkedEncodingError("cut"),
        "folder",
    ]

    def download(handle):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(kagglehub, "dataset_download", download)
    assert from_kagglehub() == Path("folder")


@pytest.mark.parametrize(
    "status, words",
    [
        (403, "Kaggle refuses it, 403"),
        (401, "Kaggle refuses it, 401"),
        (404, "Kaggle does not know it, 404"),
        (503, "Kaggle is in trouble, 503"),
    ],
)
def test_an_answer_that_is_no_is_told_with_its_number(kaggle, tmp_path, status, words):
    kaggle.status = status
    assert f"({words}, and no credentials)" in failure(tmp_path)
    assert not files_seen(kaggle)


def test_credentials_are_used_and_told_when_they_do_not_help(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "0" * 32)
    kaggle.status = 403
    assert "(Kaggle refuses it, 403; then: Kaggle refuses it, 403)" in failure(tmp_path)
    assert all(named for _, _, named in kaggle.seen)
    assert len(kaggle.seen) == 2


def test_the_older_client_helps_out_and_its_archive_is_read_member_by_member(
    kaggle, tmp_path, monkeypatch
):
    """It would unpack everything by itself, wherever the names in the archive lead."""
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "0" * 32)
    kaggle.refuses = "kagglehub"
    kaggle.data = zipped(TREES | {"../../../../evil.png": png(9)})
    _collection, rows, report = run_main("kaggle", tmp_path)
    assert len(rows) == 3
    assert {row["source"] for row in rows} == {f"kaggle {KAGGLE}"}
    assert [row["reason"] for row in report["rejected_files"]] == [
        "a name that leads out of the archive"
    ]
    assert not list(tmp_path.rglob("evil*"))
    assert sorted(path.name for path in (tmp_path / "data/raw/kaggle").iterdir()) == [f"{SLUG}.zip"]
    seen = len(files_seen(kaggle))
    run_main("kaggle", tmp_path)
    assert len(files_seen(kaggle)) == seen, "fetched once"


def test_the_older_client_s_broken_archive_is_not_kept(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "0" * 32)
    kaggle.refuses = "kagglehub"
    kaggle.data = WHOLE[:-1000]
    assert "then: the archive arrived damaged" in failure(tmp_path)
    kaggle.data = WHOLE
    assert len(run_main("kaggle", tmp_path)[1]) == 3


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize(
    "sent",
    [
        WHOLE[: 2**20] + bytes(2**20) + WHOLE[2**21 :],
        WHOLE[:-100] + bytes(100),
        b"<html>maintenance</html>" * 200_000,
    ],
)
def test_a_damaged_archive_is_thrown_away_and_fetched_anew(kaggle, tmp_path, sent, hashed):
    """One of the right length that is no archive counted as downloaded, by every later command."""
    kaggle.hashed = hashed
    kaggle.sent = sent[: len(WHOLE)]
    assert "the archive arrived damaged and was thrown away" in failure(tmp_path)
    assert not list((tmp_path / "cache").rglob("*.archive"))
    kaggle.sent = None
    kaggle.seen = []
    _, rows, _ = run_main("kaggle", tmp_path)
    assert len(rows) == 3
    assert files_seen(kaggle) == [None]


def test_broken_credentials_are_named(kaggle, tmp_path):
    (tmp_path / "home" / "kaggle.json").write_text("{")
    assert "Invalid Kaggle credentials file" in failure(tmp_path)


def test_a_full_disk_is_no_matter_of_kaggle_s(kaggle, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(OSError, match="No space"):
        run_main("kaggle", tmp_path)
    assert len(list((tmp_path / "cache").rglob("*.archive"))) == 1, "what was fetched is not lost"
    monkeypatch.undo()


def test_the_download_shows_how_far_it_is(kaggle, tmp_path):
    """As a user runs the command; a client's own chatter does not end up among the errors."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from kagglesdk import kaggle_env; import dataset_preparation\n"
        "from oneseed.config.preparation import PrepareConfig\n"
        "from oneseed.console.command import run\n"
        "kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = sys.argv[2]\n"
        "config = PrepareConfig(style='painting', image_size=32, workers=1, data=sys.argv[3])\n"
        "run(dataset_preparation.main, config)"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            str(ROOT),
            f"http://127.0.0.1:{kaggle.server_port}",
            str(tmp_path / "data"),
        ],
        text=True,
        capture_output=True,
        env={name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"},
    )
    assert done.returncode == 0
    assert "1 colour" in done.stdout
    assert "fetching" in done.stdout, done.stderr
    assert "100%" in done.stderr
    assert re.search(r"\d[KM]B?/s", done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
