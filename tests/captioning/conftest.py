"""What several tests of captioners use."""

import pytest

from oneseed.captioning import huggingface


@pytest.fixture(scope="module")
def blip2(tiny_blip2, tmp_path_factory):
    return str(tiny_blip2(tmp_path_factory.mktemp("blip2")))


@pytest.fixture
def counted(monkeypatch):
    """A list that grows by every picture a captioner is shown."""
    seen = []
    real = huggingface.caption_pictures

    def watched(pictures, *rest, **options):
        seen.extend(picture.tobytes() for picture in pictures)
        return real(pictures, *rest, **options)

    monkeypatch.setattr(huggingface, "caption_pictures", watched)
    return seen
