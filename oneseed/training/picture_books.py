"""The training pictures that a finished model of real pictures carries; see model/picture_book."""

import torch

from oneseed.config.options import BOOK
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.picture_book import TONE_SIDE, PictureBook, cell_tones, evenly
from oneseed.model.pixels import to_pixels
from oneseed.synthetic.collections import drawn_collection
from oneseed.training.data import PairLoader
from oneseed.training.encoding import ENCODE_CHUNK

# bytes of the pictures that a model carries at most: 4,000 grey ones of 128 px
MAX_BOOK_BYTES = 64 * 2**20
# pictures without which most patches would be of the same few
MIN_BOOK_PICTURES = 16


@torch.no_grad()
def carry_pictures(model: MultimodalModel, train: PairLoader, rows: torch.Tensor) -> str:
    """Let a finished model engrave its seeds from its training pictures -> a sentence on that.

    rows: (M,), the pairs whose pictures it carries, as far as there is room. Models of drawn
    collections carry none: they have learnt the lines.
    """
    config = model.config
    room = MAX_BOOK_BYTES // (config.channels * config.image_size**2)
    kept = rows[evenly(len(rows), max(MIN_BOOK_PICTURES, room))]
    model.drop_pictures()
    has_cells = config.image_size % TONE_SIDE == 0
    if drawn_collection(model.meta["style"]) or len(kept) < MIN_BOOK_PICTURES or not has_cells:
        return "seeds: drawn by the model alone; its file holds no training pictures"
    model.eval()
    pictures = []
    drafts = []
    for chunk in kept.split(ENCODE_CHUNK):
        images = train.batch(chunk.numpy()).images
        pictures.append(torch.from_numpy(to_pixels(images)).permute(0, 3, 1, 2).contiguous())
        code = model.image_encoder(images.to(model.device))
        drafts.append(cell_tones(model.draw(code, 1)).cpu())
    ids = [train.ids[row] for row in kept.tolist()]
    model.picture_book = PictureBook(torch.cat(pictures), torch.cat(drafts), ids)
    model.meta["finish"] = BOOK
    return (
        f"seeds: the model drafts them and engraves the drafts from {len(kept):,} training "
        "pictures, which it carries; --finish plain shows what it has learnt to draw"
    )
