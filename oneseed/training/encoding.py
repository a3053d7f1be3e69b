"""What a model makes of pairs: codes, caption features, and what is measured on them."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from oneseed.model.multimodal import MultimodalModel
from oneseed.seeds import torch_generator
from oneseed.training.augmentation import view_batch
from oneseed.training.data import PairLoader, sample_rows
from oneseed.training.fragments import fragment
from oneseed.training.losses import caption_loss
from oneseed.training.objective import Objective

# pairs that are encoded at a time
ENCODE_CHUNK = 128
# validation pairs whose cosines are the scale of match scores
MAX_MATCH_PAIRS = 2_000


@torch.no_grad()
def encode_codes(
    model: MultimodalModel, loader: PairLoader, rows: Tensor, *, views: int = 1
) -> Tensor:
    """Codes (views M, D) on the CPU of the pictures of a loader's rows (M,), without noise.

    View 0 shows the pictures as they are, the others zoom.
    """
    model.eval()
    codes = torch.empty(views * len(rows), model.config.latent_dim)
    for view, view_codes in enumerate(codes.split(len(rows))):
        chunks = zip(view_codes.split(ENCODE_CHUNK), rows.split(ENCODE_CHUNK))
        for chunk_codes, chunk_rows in chunks:
            batch = view_batch(loader, chunk_rows, view).to(model.device)
            chunk_codes.copy_(model.encode_pictures(batch.images, batch.further))
    return codes


@torch.no_grad()
def encode_latents(
    objective: Objective, loader: PairLoader, rows: Tensor, *, views: int = 1
) -> Tensor:
    """z (views M, D) on the CPU of a loader's rows (M,): of their codes with the training noise."""
    model = objective.model
    codes = encode_codes(model, loader, rows, views=views)
    noise = objective.code_noise(len(codes), "encode").cpu()
    codes.add_(noise, alpha=model.config.code_noise)
    return model.sampler.to_latent(codes.to(model.device)).cpu()


def caption_texts(model: MultimodalModel, loader: PairLoader, rows: Tensor) -> list[str]:
    """The captions of a loader's rows (M,), as far as the model reads them."""
    return [model.tokenizer.decode(loader.tokens[row]) for row in rows.tolist()]


@torch.no_grad()
def encode_captions(
    model: MultimodalModel, loader: PairLoader, rows: Tensor, *, versions: int = 1, seed: int
) -> Tensor:
    """Features (versions, M, D) of the captions of a loader's rows (M,), on the model's device.

    Version 0 has the captions as they are, the others are fragments.
    """
    model.eval()
    captions = caption_texts(model, loader, rows)
    generator = torch_generator(seed, "prompts")
    features = torch.empty(versions, len(rows), model.config.latent_dim, device=model.device)
    for version, version_features in enumerate(features):
        texts = captions
        if version > 0:
            texts = [fragment(caption, generator) for caption in captions]
        for first in range(0, len(texts), ENCODE_CHUNK):
            chunk = slice(first, first + ENCODE_CHUNK)
            version_features[chunk] = model.features_of(texts[chunk])
    return features


def match_percentiles(model: MultimodalModel, val: PairLoader, seed: int) -> list[float]:
    """Percentiles 0 to 100 of the cosine between picture and caption of held-out pairs.

    They are the scale of match scores; none where there are no captions.
    """
    if val.wordless:
        return []
    rows = sample_rows(val, MAX_MATCH_PAIRS, seed)
    codes = encode_codes(model, val, rows)
    captions = encode_captions(model, val, rows, seed=seed)[0].cpu()
    cosines = F.cosine_similarity(codes, captions)
    return np.quantile(cosines.numpy(), np.linspace(0, 1, 101)).tolist()


@torch.no_grad()
def caption_reading(model: MultimodalModel, val: PairLoader) -> float | None:
    """Nats per token that held-out captions lose when they are given another picture's code.

    Tokens count as in training. None where all captions are the same.
    """
    batch = val.first_rows(val.batch_size)
    if (batch.tokens == batch.tokens[:1]).all():
        return None
    model.eval()
    batch = batch.to(model.device)
    codes = model.encode_pictures(batch.images, batch.further)
    own, other = (
        caption_loss(model.text_decoder(told, batch.tokens), batch.tokens, batch.word_weights)
        for told in (codes, codes.roll(1, 0))
    )
    return float(other) - float(own)
