"""Models whose captions come from elsewhere than their caption decoder."""

import pytest

HOLIDAY_CAPTIONS = ("The beach at noon.", "Our dog in the sea.", "Anna with an ice cream.")


@pytest.fixture
def run_with_source(tiny_model, tmp_path):
    """Gives a folder with best_model.pt, an untrained model with captions of a caption_source."""
    import torch

    from oneseed.model import checkpoint
    from oneseed.model.caption_book import CaptionBook
    from oneseed.seeds import latents

    def write_run(source):
        if source == "nearest":
            codes = tiny_model.code(latents(range(len(HOLIDAY_CAPTIONS)), 32))
            places = tiny_model.leading_coordinates(codes)
            tiny_model.caption_book = CaptionBook(places, HOLIDAY_CAPTIONS)
        tiny_model.meta.update(style="holiday", caption_source=source)
        folder = tmp_path / f"run_{source}"
        folder.mkdir()
        with torch.no_grad():
            checkpoint.save(folder / "best_model.pt", tiny_model.state_dict())
        return folder

    return write_run
