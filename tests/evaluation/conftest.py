"""Bar codes instead of drawings, where a test asks for them."""

from dataclasses import replace

import pytest

from oneseed.synthetic.engravings import collection as engravings
from oneseed.synthetic.sprites import collection as sprites
from tests.evaluation.fakes import barcode_of


@pytest.fixture
def barcodes(monkeypatch):
    for module, name in ((engravings, "ENGRAVINGS"), (sprites, "SPRITES")):
        drawn = getattr(module, name)
        monkeypatch.setattr(module, name, replace(drawn, draw=barcode_of(drawn)))
    # a worker process costs more than 200 bar codes
    monkeypatch.setattr("oneseed.evaluation.renders.os.cpu_count", lambda: 0)
