"""What several test files need: the project on the import path, and small fakes."""

import base64
import hashlib
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import caption_generation
import dataset_preparation
import training_loop
from oneseed.config.captioning import CaptionConfig
from oneseed.config.model import ModelConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer

os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session")
def browser():
    """Chromium, for tests/browser/."""
    from playwright.sync_api import sync_playwright

    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    assert chromium, "no Chromium here: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def tiny_blip2():
    """tiny_blip2(path): saves an untrained BLIP-2 of 82 thousand parameters and its processor there, without network -> path."""

    from benchmarks.captioning import tiny_blip2

    return tiny_blip2


class CaptionServer:
    """An OpenAI-compatible server on a free port. It calls a picture by its bytes' hash; replies maps the number of a question, counted from 0,
    to what to answer instead: (status, body or None for a broken connection) or a function that waits. asked: what came, as (path, headers, body)."""

    def __init__(self):
        self.asked = []
        self.replies = {}
        self.models = ["tiny-vl", "other"]
        self.now = 0
        self.most = 0
        self.lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                stub.asked.append((self.path, self.headers, None))
                self.reply(
                    *stub.replies.get(
                        "models",
                        (200, {"object": "list", "data": [{"id": name} for name in stub.models]}),
                    )
                    if self.path == "/v1/models"
                    else (404, "no")
                )

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with stub.lock:
                    number = len(stub.questions())
                    stub.asked.append((self.path, self.headers, body))
                    stub.now += 1
                    stub.most = max(stub.most, stub.now)
                try:
                    found = stub.replies.get(number, stub.replies.get("all"))
                    found = found(stub.picture(body)) if callable(found) else found
                    self.reply(
                        *(
                            found
                            or (
                                200,
                                chat(f"An engraving of number {stub.name(stub.picture(body))}"),
                            )
                        )
                    )
                except BrokenPipeError:
                    # whoever asked was killed
                    pass
                finally:
                    with stub.lock:
                        stub.now -= 1

            def reply(self, status, body, headers={}):
                if body is None:
                    self.connection.close()
                    return
                body = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for name, value in (
                    {"Content-Length": len(body), "Retry-After": 0} | headers
                ).items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def questions(self):
        return [body for path, _, body in self.asked if path == "/v1/chat/completions"]

    @staticmethod
    def picture(body):
        """The PNG file that a question sent."""
        (part,) = [part for part in body["messages"][0]["content"] if part["type"] == "image_url"]
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        return base64.b64decode(data)

    @staticmethod
    def name(picture):
        return hashlib.sha256(picture).hexdigest()[:12]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def chat(text, reason="stop"):
    return {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        ]
    }


@pytest.fixture
def caption_server(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    server = CaptionServer()
    yield server
    server.close()


def tiny_config(**changes):
    """A real model that trains in seconds: 32 px grey, latent 32."""

    return ModelConfig(
        **{
            **dict(
                preset="small",
                image_size=32,
                channels=1,
                latent_dim=32,
                patch=2,
                width=16,
                max_width=32,
                neck=8,
                vocab_size=320,
                max_caption_length=48,
                text_width=32,
                text_layers=2,
                text_heads=2,
                flow_dims=8,
                flow_width=32,
                vit_width=32,
                vit_layers=1,
            ),
            **changes,
        }
    )


CAPTIONS = [
    "An engraving of a ship.",
    "An engraving of two ships by the sea.",
    "An engraving showing a castle.",
    "An engraving depicting an elephant.",
    "An engraving of a tent, in stipple.",
    "An engraving of three trees.",
    "An engraving showing a large bridge.",
    "An engraving of a windmill at night.",
]


@pytest.fixture
def tiny_model():
    """An untrained tiny model whose last layers are not zero, so that outputs depend on what they should."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MultimodalModel(tiny_config(), Tokenizer.train(CAPTIONS, 320)).eval()
        torch.nn.init.normal_(model.image_decoder.layers[-1].weight, std=0.2)
        for last in (model.sampler.flow.outward, model.sampler.regression[-1]):
            torch.nn.init.normal_(last.weight, std=0.02)
    return model


@pytest.fixture(scope="session")
def builtin_data(tmp_path_factory):
    """A data folder with forty prepared and captioned built-in pictures of 32 px -> its path."""

    data = tmp_path_factory.mktemp("builtin") / "data"
    dataset_preparation.main(
        PrepareConfig(
            source="builtin",
            preset="small",
            image_size=32,
            max_samples=40,
            smallest=16,
            workers=1,
            data=str(data),
        )
    )
    caption_generation.main(CaptionConfig(style="builtin", data=str(data)))
    return data


@pytest.fixture(scope="session")
def tiny_run(builtin_data, tmp_path_factory):
    """A finished training run of the tiny model on builtin_data -> its checkpoint folder."""

    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    training_loop.main(
        tiny_config(vocab_size=0),
        TrainConfig(
            style="builtin",
            preset="small",
            num_epochs=2,
            batch_size=8,
            sampler_steps=40,
            checkpoint_every=1,
            data=str(builtin_data),
            checkpoints=str(folder),
            device="cpu",
        ),
    )
    return folder
