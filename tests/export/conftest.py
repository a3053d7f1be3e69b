"""What tests of exports share: a Hub of our own, a checkpoint, and a model with clusters."""

import pytest

from oneseed.model.caption_book import CaptionBook
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


def loop_in_python(goes_on, advance, carried):
    """torch's while_loop without compiling, which takes seconds."""
    while goes_on(*carried):
        carried = advance(*carried)
    return carried


@pytest.fixture
def quick_loops(monkeypatch):
    """Loops of graphs run as they stand."""
    monkeypatch.setattr("oneseed.export.loops.while_loop", loop_in_python)


@pytest.fixture
def clustered_model(tiny_model):
    """The tiny model with a prior of three clusters, a frame of its own and a lively flow."""
    import torch

    prior = tiny_model.sampler
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        prior.edges[:4] = torch.tensor([0, 0.2, 0.7, 1])
        prior.edges[4:] = 1
        prior.centres[:3] = torch.randn(prior.centres[:3].shape, generator=generator)
        prior.frame.copy_(torch.randn(prior.frame.shape, generator=generator) / 5)
        prior.frame_inverse.copy_(torch.linalg.inv(prior.frame.double()).float())
        prior.flow.outward.weight.copy_(
            torch.randn(prior.flow.outward.weight.shape, generator=generator) / 5
        )
        prior.flow.caption.weight.copy_(
            torch.randn(prior.flow.caption.weight.shape, generator=generator) / 5
        )
    return tiny_model


@pytest.fixture
def book_model(clustered_model):
    """The same without captions of its own: it looks them up."""
    import torch

    coordinates = torch.randn(5, clustered_model.sampler.dims)
    captions = [f"An engraving of ship {number}." for number in range(5)]
    clustered_model.caption_book = CaptionBook(coordinates, captions)
    clustered_model.meta["caption_source"] = "nearest"
    return clustered_model
