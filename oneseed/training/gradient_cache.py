"""Gradients of a batch, worked at as a whole or in parts, with the contrast over the whole batch.

In parts, by several processes or micro-batch after micro-batch, the contrastive loss needs the
embeddings of all rows. They come first, without a graph. The gradient of the contrastive loss by
each embedding is then handed on to the part that computes this embedding again.
Source: Gao et al. 2021 (arXiv:2101.06983).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from oneseed.console.command import UserError
from oneseed.model.noising import TrainingNoise
from oneseed.training import distributed
from oneseed.training.data import Batch
from oneseed.training.losses import BatchShare, caption_weight_sum, info_nce
from oneseed.training.objective import Objective
from oneseed.training.optimizers import trained_weights


class BatchLosses(NamedTuple):
    """What a forward and backward pass gives beside the gradients; still on the device."""

    # (P,): the parts of the loss, unweighted, in the order of loss.weights
    losses: Tensor
    # (B, D): of all rows of the batch, without gradient
    codes: Tensor


class Embeddings(NamedTuple):
    """Picture codes and caption embeddings of a batch, or their gradients."""

    # (B, D) float32
    codes: Tensor
    # (B, D) float32
    captions: Tensor


class GradientCache:
    """Forward and backward passes of one run, in parts that fit into memory.

    micro_batch: rows of this process at a time; 0: all. Halved where a GPU runs out of memory.
    """

    def __init__(self, objective: Objective, micro_batch: int = 0) -> None:
        self.objective = objective
        self.micro_batch = micro_batch
        self.weights = trained_weights(objective.model)

    def forward_backward(self, batch: Batch, noise: TrainingNoise) -> BatchLosses:
        """Set the gradients of the loss of a batch; those of before are dropped.

        batch: this process's rows of it, on the device; noise of these rows. A batch that
        does not fit into memory is tried again with half the micro-batch. UserError where that
        cannot help.
        """
        while True:
            for weight in self.weights:
                weight.grad = None
            try:
                return self.add_gradients(batch, noise)
            except torch.OutOfMemoryError as error:
                self.halve_micro_batch(len(batch.images), error)

    def add_gradients(self, batch: Batch, noise: TrainingNoise) -> BatchLosses:
        """Add the gradients of the loss of a batch, plain or in parts."""
        rows = len(batch.images)
        micro_batch = self.micro_batch or max(1, rows)
        if distributed.world_size() == 1 and micro_batch >= rows:
            losses, codes = self.objective.losses(batch, noise)
            losses["total"].backward()
            return BatchLosses(self.stack_parts(losses), codes.detach())
        starts = range(0, rows, micro_batch)
        return self.add_in_parts(batch, noise, [slice(i, i + micro_batch) for i in starts])

    def add_in_parts(
        self, batch: Batch, noise: TrainingNoise, micro_batches: list[slice]
    ) -> BatchLosses:
        """Add the gradients micro-batch after micro-batch, and over all processes."""
        length = len(batch.rows)
        own = self.embed(batch, micro_batches)
        embeddings = Embeddings(
            distributed.gather_rows(own.codes, length).requires_grad_(),
            distributed.gather_rows(own.captions, length).requires_grad_(),
        )  # (B, D) each
        contrast = info_nce(*embeddings, self.objective.loss.temperature)
        local = distributed.local_slice(length)
        code_gradients, caption_gradients = torch.autograd.grad(contrast, embeddings)
        embedding_gradients = Embeddings(code_gradients[local], caption_gradients[local])
        # one wait for the device, which only a batch in parts needs
        own_tokens = caption_weight_sum(batch.tokens, batch.word_weights)
        caption_tokens = float(distributed.all_reduce(own_tokens))
        sums = torch.zeros(len(self.objective.loss.weights), device=self.objective.device)
        for rows in micro_batches:
            part = batch.part(rows)
            gradients = Embeddings(*(gradient[rows] for gradient in embedding_gradients))
            sums += self.add_micro_batch(part, noise.rows(rows), gradients, caption_tokens)
        sums = self.reduce_gradients(sums)
        # instead of the sum of its stand-ins
        if not self.objective.loss.wordless:
            sums[list(self.objective.loss.weights).index("contrastive")] = contrast.detach()
        return BatchLosses(sums, embeddings.codes.detach())

    @torch.no_grad()
    def embed(self, batch: Batch, micro_batches: list[slice]) -> Embeddings:
        """Codes and caption embeddings of this process's rows (b, D), without a graph."""
        model = self.objective.model
        # a process may have no row of a small batch
        empty = torch.zeros(0, model.config.latent_dim, device=self.objective.device)
        with self.objective.autocast():
            parts = [batch.part(rows) for rows in micro_batches]
            codes = [model.encode_pictures(part.images, part.further).float() for part in parts]
            captions = [model.text_encoder(batch.tokens[rows]).float() for rows in micro_batches]
        return Embeddings(torch.cat([empty, *codes]), torch.cat([empty, *captions]))

    def add_micro_batch(
        self,
        part: Batch,
        noise: TrainingNoise,
        embedding_gradients: Embeddings,
        caption_tokens: float,
    ) -> Tensor:
        """Add the gradients of one micro-batch -> its share of the parts of the loss (P,).

        part: its rows, and the numbers of the whole batch's; noise and embedding_gradients of
        these rows; caption_tokens: of the whole batch, see BatchShare.
        """
        model = self.objective.model
        with self.objective.autocast():
            codes, drawn, logits = model.autoencode(part.images, part.tokens, noise, part.further)
            captions = model.text_encoder(part.tokens)
        # a scalar with the gradients of the contrastive loss of the whole batch
        code_term = (codes.float() * embedding_gradients.codes).sum()
        caption_term = (captions.float() * embedding_gradients.captions).sum()
        share = BatchShare(
            rows=len(part.rows),
            caption_tokens=caption_tokens,
            contrastive=code_term + caption_term,
        )
        losses = self.objective.loss(
            drawn,
            part.images,
            logits,
            part.tokens,
            codes,
            captions,
            word_weights=part.word_weights,
            times=noise.times,
            share=share,
        )
        losses["total"].backward()
        return self.stack_parts(losses)

    def stack_parts(self, losses: dict[str, Tensor]) -> Tensor:
        """{part: scalar} -> (P,) in the order of loss.weights, without gradient."""
        return torch.stack([losses[part].detach() for part in self.objective.loss.weights])

    def reduce_gradients(self, sums: Tensor) -> Tensor:
        """Sum gradients and `sums` over all processes, in one message -> the summed `sums`."""
        if distributed.world_size() == 1:
            return sums
        pieces = []
        for weight in self.weights:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            pieces.append(gradient.flatten())
        flat = distributed.all_reduce(torch.cat([*pieces, sums]))
        *gradients, sums = flat.split([len(piece) for piece in [*pieces, sums]])
        for weight, gradient in zip(self.weights, gradients):
            weight.grad = gradient.view_as(weight)
        return sums

    def halve_micro_batch(self, rows: int, error: torch.OutOfMemoryError) -> None:
        """Half the micro-batch from now on. UserError where that cannot help.

        rows: this process's in the batch that did not fit.
        """
        device = self.objective.device
        size = min(self.micro_batch or rows, rows)
        # several processes would have to agree
        if size < 2 or distributed.world_size() > 1:
            smaller = ", a smaller --image-size or --preset" if size < 2 else ""
            raise UserError(
                f"a step of {size} pairs does not fit into the memory of {device}; "
                f"run again with --micro-batch {max(1, size // 2)}{smaller}",
                code=1,
            ) from error
        self.micro_batch = math.ceil(size / 2)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        print(
            f"out of memory: going on with {self.micro_batch} pairs at a time, the contrast still "
            f"over the whole batch (--micro-batch {self.micro_batch})",
            flush=True,
        )
