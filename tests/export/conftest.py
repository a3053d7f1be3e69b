"""A Hub of our own, and a checkpoint to send there."""

import pytest

from tests.export.hub_server import HubServer


@pytest.fixture
def hub(monkeypatch):
    """A server that the Hub's library takes for the Hub."""
    from huggingface_hub import constants

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    server = HubServer()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    yield server
    server.close()


@pytest.fixture
def tiny_checkpoint(tiny_model, tmp_path, monkeypatch):
    """An untrained tiny model as checkpoints/best_model.pt, and its folder as the current one."""
    from oneseed.model import checkpoint

    tiny_model.meta = {"style": "prints", "styles": ["etching"], "epoch": 3}
    (tmp_path / "checkpoints").mkdir()
    checkpoint.save(tmp_path / "checkpoints" / "best_model.pt", tiny_model.state_dict())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "checkpoints" / "best_model.pt"
