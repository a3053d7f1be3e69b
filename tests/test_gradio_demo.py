"""The page: what a program gets from it over HTTP, with a generator of three lines in place of the model. Looks: tests/browser."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import gradio_demo
from cli import UserError
from gradio_demo import FIRST_SEED, build_page, linked_seed, serve, whole_number
from settings import LAST_SEED, DemoConfig

SICK = {"passed": False, "auc": 0.81, "directions": 33, "norm": 30.2, "low_power": False, "rows": 500, "caption_spread": 0.3, "picture_spread": 0.3}
HOSTILE = '<script>alert(1)</script>\u2028=cmd*_x_ "y"'


class Noise:
    """Each seed's own noise, and the seed in words."""
    style, checkpoint, health = "builtin", "checkpoints/best_model.pt", None
    captions = {5: "", 6: HOSTILE}

    def generate_batch(self, seeds):
        return [(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)), self.captions.get(seed, f"An engraving of {seed}")) for seed in seeds]


class Sick(Noise):
    health = SICK


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A page on a free port, and a client that talks to it."""

    def __init__(self, source, folder, **more):
        from gradio_client import Client
        self.port, self.folder = free_port(), folder
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "cache")
        self.page = serve(build_page(source), port=self.port, **more)
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = Client(self.url, verbose=False, download_files=str(folder / "fetched"))

    def status(self, path):
        try:
            return urllib.request.urlopen(self.url + path, timeout=20).status
        except urllib.error.HTTPError as error:
            return error.code

    def raw(self, name, *data):
        """POST and answer as any program would send them -> the last event and its data."""
        def ask(path, body=None):
            request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
            return urllib.request.urlopen(request, timeout=20).read().decode()

        ticket = json.loads(ask(f"/gradio_api/call/{name}", json.dumps({"data": data}).encode()))["event_id"]
        event, line = re.findall(r"event: (\w+)\ndata: (.*)", ask(f"/gradio_api/call/{name}/{ticket}"))[-1]
        return event, json.loads(line)

    def close(self):
        self.client.close()
        self.page.close(verbose=False)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/best_model.pt").write_bytes(b"weights")
    served = Served(Noise(), folder, blocked=[folder / "checkpoints"])
    yield served
    served.close()


def component(page, name):
    return next(block for block in page.blocks.values() if getattr(block, "elem_id", None) == name)


# ---------------------------------------------------------------- the pair

@pytest.mark.parametrize("seed", [0, 7, LAST_SEED])
def test_page_shows_exactly_the_generated_pair(noise, seed):
    (image, text), = Noise().generate_batch([seed])
    path, caption, shown = noise.client.predict(str(seed), api_name="/generate")
    with Image.open(path) as picture:
        assert picture.format == "PNG" and np.array_equal(np.asarray(picture), np.asarray(image))
    assert (caption, shown) == (text, seed)


def test_sheet_shows_consecutive_pairs_with_their_captions(noise):
    sheet = noise.client.predict("10", "4", api_name="/batch")
    expected = Noise().generate_batch(range(10, 14))
    assert [row["caption"] for row in sheet] == [f"seed {seed}\n{caption}" for seed, (_, caption) in zip(range(10, 14), expected)]
    for row, (image, _) in zip(sheet, expected):
        assert np.array_equal(np.asarray(Image.open(row["image"])), np.asarray(image))


def test_empty_caption_is_shown_empty(noise):
    """The first public attempt put "an engraving" in place of short captions, and its numbers looked better than its model."""
    assert noise.client.predict("5", api_name="/generate")[1] == ""
    assert noise.client.predict("5", "1", api_name="/batch")[0]["caption"] == "seed 5\n"


def test_hostile_caption_arrives_unchanged_as_text(noise):
    assert noise.client.predict("6", api_name="/generate")[1] == HOSTILE
    assert component(noise.page, "caption").get_block_name() == "textbox"                  # shown as text, never as HTML


# ---------------------------------------------------------------- what is refused

BAD = [True, None, "NaN", 3.7, "3.7", "abc", -1, "-1", LAST_SEED + 1, "1e9", "1e400", "", " ", [7], ["7"], {"seed": 7}, "٧", "7" * 5000, "0x7", "1_0", "<b>7</b>"]


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:20])
def test_bad_seed_is_refused_in_one_sentence(value):
    with pytest.raises(ValueError, match=r"^A seed is a whole number from 0 to 4,294,967,295\.$"):
        whole_number(value, 0, LAST_SEED, "A seed")


@pytest.mark.parametrize("value", [7, "7", " 7 ", "007", 0, LAST_SEED])
def test_good_seed_is_taken(value):
    assert whole_number(value, 0, LAST_SEED, "A seed") == int(value)


@pytest.mark.parametrize("value", [True, None, 3.7, "abc", -1, [7], LAST_SEED + 1], ids=repr)
def test_bad_seed_over_http_gets_the_sentence_and_no_traceback(noise, value, capfd):
    event, answer = noise.raw("generate", value)
    assert event == "error" and answer["error"] == "A seed is a whole number from 0 to 4,294,967,295."
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("count", [0, 25, 10**9, -1, 2.5, True, None, "many"], ids=repr)
def test_count_is_limited_on_the_server(noise, count):
    event, answer = noise.raw("batch", "0", count)
    assert event == "error" and answer["error"] == "How many is a whole number from 1 to 24."


def test_sheet_beyond_the_last_seed_is_refused(noise):
    event, answer = noise.raw("batch", LAST_SEED, 2)
    assert event == "error" and "end at 4,294,967,295" in answer["error"]
    assert noise.raw("batch", LAST_SEED, 1)[0] == "complete"


@pytest.mark.parametrize("query, seed", [({"seed": "7"}, 7), ({"seed": "4294967295"}, LAST_SEED), ({}, FIRST_SEED), ({"seed": "abc"}, FIRST_SEED),
                                         ({"seed": "-1"}, FIRST_SEED), ({"seed": "99999999999"}, FIRST_SEED), ({"seed": "<script>"}, FIRST_SEED)])
def test_link_names_the_seed_or_falls_back(query, seed):
    assert linked_seed(query) == seed


# ---------------------------------------------------------------- what surrounds the pair

def states(page, name="surroundings"):
    """What the page's elements become after a click -> {elem_id: (visible, text)}."""
    function = next(function for function in page.fns.values() if function.fn and function.fn.__name__ == name)
    values = function.fn(7, "x")
    return {block.elem_id: (value.visible, value.value) for block, value in zip(function.outputs, values) if block.elem_id != "picture"}


def test_page_without_checkpoint_names_the_commands_and_finds_a_later_one(tmp_path):
    ready = []

    def find():
        if not ready:
            raise UserError("checkpoints/best_model.pt is missing; make it with: python training_loop.py")
        return ready[0]

    served = Served(find, tmp_path)
    try:
        assert served.status("/") == 200
        visible, notice = states(served.page)["notice"]
        assert visible and all(command in notice for command in ("make demo", "python dataset_preparation.py", "python caption_generation.py", "python training_loop.py"))
        event, answer = served.raw("generate", "7")
        assert event == "error" and answer["error"] == "checkpoints/best_model.pt is missing; make it with: python training_loop.py"
        ready.append(Noise())                                           # a training has just ended
        assert served.client.predict("7", api_name="/generate")[1:] == ("An engraving of 7", 7)
        assert states(served.page)["notice"][0] is False
    finally:
        served.close()


def test_main_finds_a_checkpoint_that_appears_later(tmp_path, monkeypatch):
    """The loader keeps what it found, never that it found nothing."""
    tries, pages = [], []

    class Late(Noise):
        def __init__(self, checkpoint, device):
            tries.append(checkpoint)
            if len(tries) < 3:
                raise UserError("not yet")

    class Stop(Exception):
        pass

    def stopped(page, *args, **more):
        pages.append(page)
        raise Stop

    monkeypatch.setattr(gradio_demo, "MultimodalGenerator", Late)
    monkeypatch.setattr(gradio_demo, "serve", stopped)
    with pytest.raises(Stop):
        gradio_demo.main(DemoConfig(checkpoint=str(tmp_path / "none.pt")))
    assert [states(pages[0])["notice"][0] for _ in range(4)] == [True, True, False, False]
    assert len(tries) == 3


def test_failed_health_check_is_a_banner_on_the_page():
    visible, text = states(build_page(Sick()))["health"]
    assert visible and text.startswith("WARNING: LATENT CHECK FAILED") and "0.81" in text
    assert states(build_page(Noise()))["health"][0] is False


def test_colophon_names_style_and_checkpoint():
    visible, text = states(build_page(Noise()))["colophon"]
    assert visible and "builtin" in text and "best_model.pt" in text


# ---------------------------------------------------------------- safety

def test_files_are_not_served(noise):
    outside = [noise.folder / "checkpoints/best_model.pt", ROOT / "gradio_demo.py", Path("/etc/passwd"), noise.folder / "cache/../checkpoints/best_model.pt"]
    for path in outside:
        for written in (str(path), urllib.parse.quote(str(path), safe="")):
            assert noise.status(f"/gradio_api/file={written}") in (403, 404), written
    assert noise.status(f"/gradio_api/file={outside[0]}") == 403
    assert noise.status("/gradio_api/file=../gradio_demo.py") in (403, 404)
    assert noise.status("/static/..%2f..%2f..%2f..%2fetc/passwd") in (403, 404)
    assert noise.status("/monitoring") in (403, 404)


def test_page_listens_on_this_machine_alone(noise):
    assert DemoConfig().host == "127.0.0.1" and DemoConfig().port == 7860 and not DemoConfig().share
    listening = Path("/proc/net/tcp")
    if not listening.exists():
        pytest.skip("no /proc/net/tcp on this system")
    rows = [line.split() for line in listening.read_text().splitlines()[1:]]
    assert {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == noise.port} == {"0100007F"}


def test_only_two_functions_are_public(noise):
    assert set(noise.client.view_api(return_format="dict")["named_endpoints"]) == {"/generate", "/batch"}
    assert not noise.client.view_api(return_format="dict")["unnamed_endpoints"]


def test_flood_is_refused_and_the_page_stays_alive(tmp_path):
    """Gradio's own queue has no end: 300 of 300 requests were taken."""
    gate = threading.Event()

    class Slow(Noise):
        def generate_batch(self, seeds):
            gate.wait(60)
            return super().generate_batch(seeds)

    served, codes = Served(Slow(), tmp_path), []
    try:
        for _ in range(50):
            request = urllib.request.Request(served.url + "/gradio_api/call/generate", b'{"data": ["7"]}', {"Content-Type": "application/json"})
            try:
                codes.append(urllib.request.urlopen(request, timeout=20).status)
            except urllib.error.HTTPError as error:
                codes.append(error.code)
        assert 30 <= codes.count(200) <= 34 and codes.count(503) == 50 - codes.count(200), codes
        gate.set()
        assert served.client.predict("7", api_name="/generate")[1] == "An engraving of 7"
    finally:
        gate.set()
        served.close()


# ---------------------------------------------------------------- the command

def test_taken_port_ends_in_one_sentence():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(UserError, match="--port"):
            serve(build_page(Noise()), port=holder.getsockname()[1])


def test_help_answers_before_torch_and_gradio():
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-X", "importtime", "gradio_demo.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--port" in done.stdout
    assert not re.search(r"\b(torch|gradio|numpy)$", done.stderr, re.MULTILINE)
    assert time.perf_counter() - begin < 10                             # a second on an idle machine


def test_ctrl_c_ends_the_page_with_130(tmp_path):
    """From the shell, without a checkpoint: two lines on stdout, nothing of Gradio's, and a clean end."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(ROOT / "gradio_demo.py"), "--port", str(port)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONUNBUFFERED": "1"})
    lines = [process.stdout.readline() for _ in range(2)]
    assert "make demo" in lines[0] and lines[1] == f"page: http://127.0.0.1:{port}\n", (lines, process.poll())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    assert err.strip().count("\n") == 0 and "interrupted" in err and not list(tmp_path.iterdir())
