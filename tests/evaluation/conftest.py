"""Bar codes instead of drawings, where a test asks for them."""

import pytest

from oneseed.synthetic.engravings import drawing
from tests.evaluation.fakes import barcode


@pytest.fixture
def barcodes(monkeypatch):
    monkeypatch.setattr(drawing, "draw", barcode)
    # a worker process costs more than 200 bar codes
    monkeypatch.setattr("oneseed.evaluation.renders.os.cpu_count", lambda: 0)
