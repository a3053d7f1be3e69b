"""What a model draws on a GPU, it draws by the same calls as here."""

import shutil

import pytest

from oneseed.generation import generator as generators
from oneseed.generation import index
from oneseed.generation.generator import MultimodalGenerator
from tests.accelerator import DEVICE, accelerator


@pytest.fixture
def there(tiny_run, tmp_path, monkeypatch):
    """A generator on the other device."""
    path = tmp_path / "best_model.pt"
    shutil.copy(tiny_run / "best_model.pt", path)
    with accelerator(monkeypatch):
        monkeypatch.setattr(generators, "pick_device", lambda name: DEVICE)
        yield MultimodalGenerator(path, "auto")


def test_all_that_a_generator_does_is_done_on_another_device(there, builtin_data):
    image, caption = there(7)
    assert there.model.device == DEVICE
    prompt = "two ships by the sea"
    style = there.styles[0]
    assert len(there.generate_batch(range(3), prompt=prompt, style=style)) == 3
    assert len(there.generate_batch([1], temperature=0.7)) == 1
    assert there.best_of(1, 2, prompt)
    assert len(there.interpolate(1, 2, 3)) == 3
    assert len(there.mix([1, 2], [[0.5, 0.5]])) == 1
    assert len(there.reconstruct([image])) == 1
    assert len(there.caption([image])) == 1
    assert len(there.vary(image, [1, 2])) == 2
    assert len(there.restyle([image], style)) == 1
    assert there.decode(there.encode([image]))
    assert there.similarity([image], [caption]).shape == (1, 1)
    assert there.match([(image, caption)])
    assert there.fit_scores([(image, caption)], prompt)
    index.index_seeds(there, 8, 4)
    assert there.find_seeds(prompt, count=2)
    assert there.find_seeds(image=image, count=2)
    index.index_training(there, builtin_data)
    assert there.nearest_training([image])
    assert len(there.near_training([image])) == 1
