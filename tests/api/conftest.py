"""A tiny model behind the API, on a port of this machine."""

import shutil
import socket

import pytest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def api_checkpoint(tiny_run, tmp_path_factory):
    """A trained tiny model in a folder of its own, with an index of twelve seeds beside it."""
    from oneseed.generation import index
    from oneseed.generation.generator import MultimodalGenerator

    path = tmp_path_factory.mktemp("api") / "best_model.pt"
    shutil.copy(tiny_run / "best_model.pt", path)
    index.index_seeds(MultimodalGenerator(path, "cpu"), 12)
    return path


@pytest.fixture(scope="session")
def api_generator(api_checkpoint):
    from oneseed.generation.generator import MultimodalGenerator

    return MultimodalGenerator(api_checkpoint, "cpu")


@pytest.fixture
def serve_api():
    """serve_api(find_generator, batcher, token): serves the API alone -> an httpx.Client."""
    import httpx

    from oneseed.api.application import api_application
    from oneseed.api.service import Service
    from oneseed.api.site import api_site
    from oneseed.generation.batcher import Batcher
    from oneseed.web.gate import Gate
    from oneseed.web.hosts import Hosts
    from oneseed.web.server import PageServer, listen

    running = []

    def start(find_generator, batcher=None, token=""):
        service = Service(find_generator, batcher or Batcher(), token=token)
        app = api_application(service)
        port = free_port()
        gate = Gate(app, Hosts.of("127.0.0.1"), api_site(app))
        server = PageServer(gate, listen("127.0.0.1", port))
        server.start()
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)
        client.service = service
        running.extend([client, server])
        return client

    yield start
    for one in running:
        one.close()
