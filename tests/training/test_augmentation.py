"""What is changed at random stays true."""

import torch

from oneseed.training.augmentation import drop_words, random_zoom


def test_zoomed_pictures_stay_upright_and_unmirrored():
    images = torch.zeros(64, 1, 32, 32)
    # the upper left quarter
    images[..., :16, :16] = 1
    moved = random_zoom(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert not torch.equal(moved, images)
    assert (moved[:, 0, 2, 2] > 0.99).all()
    assert (moved[:, 0, -3, -3] < 0.01).all()
    assert (moved[:, 0, 2, -3] < 0.01).all()


def test_prompts_are_captions_with_words_left_out():
    """People write "two small ships", not whole captions.

    A sampler that had met whole ones alone answered with nonsense.
    """
    caption = "An engraving of two small ships by the sea under a stormy sky, in stipple."
    made = [drop_words(caption, torch.Generator().manual_seed(seed)) for seed in range(200)]
    words = caption.split()
    for text in made:
        place = iter(words)
        assert text
        # the same words in the same order
        assert all(word in place for word in text.split())
    assert len(set(made)) > 50
    assert 0.3 < sum(len(text.split()) for text in made) / 200 / len(words) < 0.75
    assert drop_words("Ship.", torch.Generator().manual_seed(1)) == "Ship."
