"""Seeds of real collections are engraved: their drafts are covered with patches of pictures."""

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.picture_book import TONE_SIDE, PictureBook, cell_tones, right_of_seam
from oneseed.seeds import latents

SIDE = 64


def plates(count, *, paper=255, channels=1, seed=0):
    """Pictures of vertical lines, whose tone changes from place to place, uint8 (N, C, S, S)."""
    generator = torch.Generator().manual_seed(seed)
    tones = torch.rand(count, channels, 4, 4, generator=generator)
    tones = torch.nn.functional.interpolate(tones, (SIDE, SIDE), mode="bilinear")
    lines = torch.rand(count, channels, SIDE, SIDE, generator=generator) < tones
    return torch.where(lines, 0, paper).to(torch.uint8)


def book_of(pictures):
    """A book in which pictures are drafted as their own mean tones."""
    drafts = cell_tones(pictures.float() / 127.5 - 1)
    return PictureBook(pictures, drafts, [f"plate {number}" for number in range(len(pictures))])


def tones_of(book, number):
    """The draft of a picture in a book, as engraved() takes it."""
    return book.drafts[number].double().numpy()


@pytest.fixture(scope="module")
def book():
    return book_of(plates(60))


def carrying(model):
    """The model with a book of twenty pictures."""
    pictures = plates(20)[..., ::2, ::2].contiguous()
    model.picture_book = book_of(pictures)
    model.meta["finish"] = "book"
    return model


def test_every_pixel_is_one_of_a_training_picture(book):
    engraving = book.engraved(tones_of(book, 3))
    assert engraving.picture.shape == (1, SIDE, SIDE)
    assert set(np.unique(engraving.sources)) <= set(range(60))
    assert set(np.unique(engraving.picture.round(3))) <= {-1.0, 1.0}


def test_no_picture_gives_more_than_a_fifth(book):
    """A picture that gave most of another would be copied."""
    for number in range(20):
        sources = book.engraved(tones_of(book, number)).sources
        shares = np.bincount(sources.ravel(), minlength=60) / sources.size
        assert shares.max() <= 0.2
        assert (shares > 0).sum() >= 8


def test_an_engraving_is_light_and_dark_where_its_draft_is(book):
    for number in range(5):
        draft = tones_of(book, number)
        engraved = cell_tones(torch.from_numpy(book.engraved(draft).picture)[None])[0].numpy()
        others = [tones_of(book, other) for other in range(60) if other != number]
        near = np.corrcoef(engraved.ravel(), draft.ravel())[0, 1]
        chance = max(np.corrcoef(engraved.ravel(), other.ravel())[0, 1] for other in others)
        assert near > max(0.5, chance)


def test_the_paper_is_that_of_one_picture():
    """Grey and white papers side by side look like a collage."""
    book = book_of(torch.cat([plates(20, paper=250), plates(20, paper=190, seed=1)]))
    for number in (0, 25):
        picture = book.engraved(tones_of(book, number)).picture
        papers = np.unique(picture[picture > -0.9].round(1))
        assert len(papers) == 1, papers


def test_what_is_outside_of_the_frame_is_margin():
    """Most patches come from pictures that have no margin."""
    pictures = plates(40, paper=200)
    pictures[:4, ..., :8] = 255
    pictures[:4, ..., -8:] = 255
    picture = book_of(pictures).engraved(tones_of(book_of(pictures), 0)).picture
    assert (picture[..., :8] == 1).all()
    assert (picture[..., -8:] == 1).all()
    assert (picture[..., 8:-8] < 1).all()


def test_patches_go_on_from_those_beside_them():
    """All are as light as the draft; half of them have their lines where the others have paper."""
    columns = torch.arange(SIDE) % 4 < 2
    lines = torch.where(columns, 0, 255).expand(1, SIDE, SIDE)
    pictures = torch.stack([lines, lines.flip(2)] * 20).to(torch.uint8)
    # a frame, so that nothing but their lines tells them apart
    pictures[..., 0, :] = pictures[..., -1, :] = 0
    picture = book_of(pictures).engraved(np.zeros((TONE_SIDE, TONE_SIDE))).picture
    assert (picture[..., 4:] == picture[..., :-4]).all()
    assert set(np.unique(picture)) == {-1.0, 1.0}


def test_a_few_pictures_are_enough():
    book = book_of(plates(3))
    sources = book.engraved(tones_of(book, 0)).sources
    assert set(np.unique(sources)) == {0, 1, 2}


def test_colours_are_those_of_the_pictures():
    book = book_of(plates(20, channels=3))
    pictures = book.engrave(torch.zeros(2, 3, SIDE, SIDE))
    assert pictures.shape == (2, 3, SIDE, SIDE)
    assert (pictures[:, 0] != pictures[:, 1]).any()


def test_a_picture_does_not_depend_on_the_pictures_beside_it(book):
    drafts = plates(4, seed=5).float() / 127.5 - 1
    together = book.engrave(drafts)
    assert torch.equal(together, torch.cat([book.engrave(draft) for draft in drafts.split(1)]))


def test_a_seam_runs_where_two_patches_agree():
    error = np.ones((6, 5))
    error[:, 3] = 0
    shown = right_of_seam(error)
    assert (shown == (np.arange(5) >= 3)).all()


def test_the_tones_of_small_pictures_are_told_in_as_many_cells():
    assert cell_tones(torch.zeros(2, 3, TONE_SIDE, TONE_SIDE)).shape == (
        2,
        TONE_SIDE,
        TONE_SIDE,
    )


def test_a_seed_is_engraved_and_its_caption_is_that_of_what_is_seen(tiny_model):
    model = carrying(tiny_model)
    z = latents(range(4), model.config.latent_dim)
    images, captions = model.decode(z)
    assert torch.equal(images, model.decode_image(z))
    seen = model.image_encoder(model.to_model_channels(images))
    assert captions == model.decode_text(z) == model.captions_of(seen)
    plain = model.captions_of(model.code(z))
    assert model.decode_text(z, finish="plain") == plain != captions
    assert not torch.equal(images, model.decode_image(z, finish="plain"))
    # what is drawn again from a code, such as an encoded picture, is not engraved
    assert torch.equal(model.decode_code(model.code(z))[0], model.decode_image(z, finish="plain"))


def test_a_model_without_pictures_says_what_it_lacks(tiny_model):
    with pytest.raises(UserError, match="--finish book needs a model that carries"):
        tiny_model.decode_image(latents([1], 32), finish="book")


def test_the_pictures_travel_in_the_checkpoint(tiny_model, tmp_path):
    model = carrying(tiny_model)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = MultimodalModel.from_checkpoint(tmp_path / "model.pt")
    assert other.picture_book.ids == model.picture_book.ids
    assert other.finish == "book"
    assert other.fingerprint() == model.fingerprint()
    z = latents(range(3), 32)
    assert torch.equal(other.decode_image(z), model.decode_image(z))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda book: setattr(book, "ids", []), "no list of names"),
        (lambda book: setattr(book, "drafts", book.drafts[:5]), "picture_book.drafts"),
        (lambda book: book.looks.fill_(torch.nan), "picture_book.looks"),
    ],
)
def test_a_damaged_book_is_refused(tiny_model, tmp_path, change, sentence):
    model = carrying(tiny_model)
    change(model.picture_book)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    with pytest.raises(UserError, match=sentence):
        MultimodalModel.from_checkpoint(tmp_path / "model.pt")


def test_a_finish_without_its_pictures_is_refused(tiny_model, tmp_path):
    tiny_model.meta["finish"] = "book"
    torch.save(tiny_model.state_dict(), tmp_path / "model.pt")
    with pytest.raises(UserError, match="its seeds are engraved from training pictures"):
        MultimodalModel.from_checkpoint(tmp_path / "model.pt")


def test_a_smaller_book_has_pictures_from_the_whole_of_it(book):
    """Collections are in the order of their folders: the first pictures are all of one style."""
    smaller = book.some(7)
    assert smaller.ids == [f"plate {number}" for number in (0, 8, 17, 25, 34, 42, 51)]
    assert torch.equal(smaller.pictures[2], book.pictures[17])
    assert book.some(100).ids == book.ids
