"""A model as the two graphs that are exported: of a seed, and of a seed with a prompt.

    picture, tokens = PairGraph(model)(z, passes)
    picture, tokens = PromptGraph(model)(z, prompt, guidance, passes)

z (B, D) float32; prompt int64 (B, P), the ids of a caption, PAD behind its end; guidance and
passes scalars. picture uint8 (B, S, S, C); tokens int64 (B, T) behind START, PAD behind END.

They compute what Prior, latent_operations and Autoencoder.draw compute, in the coordinates y of the
prior's frame alone: the layers that read a code get the frame folded into them.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.console.command import UserError
from oneseed.export.loops import CaptionWriter, FlowSolver, draw_in_passes
from oneseed.export.normal_distribution import NormalDistribution
from oneseed.model import caption_source
from oneseed.model.flow import SOLVER_STEPS, predict_frozen
from oneseed.model.image_networks import ImageDecoder
from oneseed.model.latent_operations import PROMPT_LEEWAY
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixel_noise import random_flips, spread_with
from oneseed.model.prior import CLUSTER_TINY, TINY, TYPICAL_WIDTH, Prior
from oneseed.model.text_networks import TextDecoder
from oneseed.model.tokenizer import END, PAD


class BookCaptions(nn.Module):
    """Captions of the nearest training pictures, for models that have not learnt to write."""

    coordinates: torch.Tensor  # (N, k) float16
    tokens: torch.Tensor  # (N, T) int16 or int32

    def __init__(self, model: MultimodalModel) -> None:
        super().__init__()
        book = model.caption_book
        assert book is not None, "a model that looks captions up has a book"
        self.register_buffer("coordinates", book.coordinates)
        ids = [model.tokenizer.encode(caption, 10**9)[1:] for caption in book.captions]
        # int64 would take as much room as half of the weights
        kind = torch.int16 if len(model.tokenizer) < 2**15 else torch.int32
        rows = [torch.tensor(row, dtype=kind) for row in ids]
        self.register_buffer("tokens", nn.utils.rnn.pad_sequence(rows, batch_first=True))

    def forward(self, y: torch.Tensor, leading: torch.Tensor) -> torch.Tensor:
        """Leading coordinates (B, k) -> tokens (B, T). y: not used."""
        own = self.coordinates.double()
        squares = (leading.double()[:, None] - own).square().sum(-1)  # (B, N)
        return self.tokens[squares.argmin(1)].long()


class NoCaptions(nn.Module):
    """For models that were trained on pictures alone."""

    def forward(self, y: torch.Tensor, leading: torch.Tensor) -> torch.Tensor:
        """Coordinates (B, D) -> END alone, (B, 1)."""
        return torch.full((y.shape[0], 1), END)


def of_coordinates(layer: nn.Linear, prior: Prior) -> nn.Linear:
    """A layer that reads codes -> one that reads their coordinates y, and gives the same.

    A code is mean + frame y.
    """
    weight = layer.weight.double()
    folded = nn.Linear(layer.in_features, layer.out_features)
    folded.weight.copy_((weight @ prior.frame.double()).float())
    folded.bias.copy_((layer.bias.double() + weight @ prior.mean.double()).float())
    return folded


class Decoders(nn.Module):
    """From the coordinates of a code to picture and tokens: what both graphs end with."""

    flips: torch.Tensor  # see random_flips
    spread: torch.Tensor  # (m,) float32
    centres: torch.Tensor  # (used, k) float64
    frequency: torch.Tensor  # (used,) float64

    def __init__(self, model: MultimodalModel) -> None:
        super().__init__()
        if not isinstance(model.image_decoder, ImageDecoder):
            raise UserError(
                "models from before version 0.4 are not exported; "
                "train anew: python training_loop.py --fresh"
            )
        self.prior = model.sampler
        self.image_decoder = copy.deepcopy(model.image_decoder)
        self.image_decoder.from_code = of_coordinates(model.image_decoder.from_code, self.prior)
        source = caption_source.source_of(model.meta)
        self.captions: nn.Module = NoCaptions()
        if source == caption_source.NEAREST:
            self.captions = BookCaptions(model)
        elif source == caption_source.DECODER:
            text_decoder = copy.deepcopy(model.text_decoder)
            assert isinstance(text_decoder, TextDecoder), "a frozen one was refused before"
            text_decoder.condition = of_coordinates(text_decoder.condition, self.prior)
            self.captions = CaptionWriter(text_decoder)
        latent_dim = model.config.latent_dim
        free = latent_dim - self.prior.dims - self.prior.following
        self.has_free_noise = 2 * free >= latent_dim
        count = free if self.has_free_noise else latent_dim
        self.register_buffer("flips", random_flips(count, math.prod(self.image_decoder.shape)))
        self.register_buffer("spread", self.prior.spread.float())
        self.kept = model.meta.get("truncation", 1.0)
        centres = self.prior.used_centres()
        self.register_buffer("centres", centres)
        self.register_buffer("frequency", self.prior.edges.diff()[: len(centres)])

    def forward(
        self,
        leading: torch.Tensor,
        residual: torch.Tensor,
        others: torch.Tensor,
        passes: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates (B, k), (B, m) and (B, D - k - m) -> picture and tokens.

        residual: see Prior.with_following.
        """
        if self.kept < 1:
            leading = torch.lerp(self.typical(leading), leading, self.kept)
            residual = self.kept * residual
        following = predict_frozen(self.prior.regression, leading) + self.spread * residual
        y = torch.cat([leading, following, others], -1)  # (B, D)
        numbers = others if self.has_free_noise else y
        noise = spread_with(numbers, self.flips, self.image_decoder.shape)
        images = draw_in_passes(self.image_decoder, y, noise, passes)  # (B, C, S, S)
        pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1), self.captions(y, leading)

    def typical(self, leading: torch.Tensor) -> torch.Tensor:
        """Prior.typical: leading coordinates (B, k) -> (B, k)."""
        # what each row's distances have less, its weights share
        likely = self.frequency.log() - self.squares(leading) / (2 * TYPICAL_WIDTH**2)
        return (likely.softmax(-1) @ self.centres).to(leading)

    def squares(self, leading: torch.Tensor) -> torch.Tensor:
        """Leading coordinates (B, k) -> squared distances to the centres, (B, used) float64.

        Less the square of each row's own coordinates.
        """
        products = leading.double() @ self.centres.T
        return self.centres.square().sum(1) - 2 * products


class SeedGraph(nn.Module):
    """What both graphs begin with."""

    conditions: torch.Tensor  # (used, W), what the flow is given of each cluster

    @torch.no_grad()
    def __init__(self, model: MultimodalModel) -> None:
        super().__init__()
        self.prior = model.sampler
        self.decoders = Decoders(model)
        self.solver = FlowSolver(self.prior.flow)
        self.normal = NormalDistribution()
        used = int((self.prior.edges.diff() > 0).sum())
        self.register_buffer("conditions", self.prior.flow.cluster.weight[:used].clone())

    def split(self, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Prior.split: (B,) -> clusters int64 (B,), positions (B,) float32."""
        edges = self.prior.edges
        u = self.normal.ndtr(last.double()).clamp(max=1 - TINY)
        clusters = (edges <= u[:, None]).sum(-1).sub(1).clamp(0, len(self.conditions) - 1)
        inside = (u - edges[clusters]) / (edges[clusters + 1] - edges[clusters])
        rest = self.normal.ndtri(inside.clamp(CLUSTER_TINY, 1 - CLUSTER_TINY))
        return clusters, rest.float()

    def join(self, clusters: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        """Prior.join: the inverse of split -> (B,) float32."""
        edges = self.prior.edges
        begin = edges[clusters]
        u = begin + (edges[clusters + 1] - begin) * self.normal.ndtr(rest.double())
        return self.normal.ndtri(u.clamp(TINY, 1 - TINY)).float()

    def nearest(self, leading: torch.Tensor) -> torch.Tensor:
        """Prior.nearest: leading coordinates (B, k) -> clusters int64 (B,)."""
        return self.decoders.squares(leading).argmin(1)


class PairGraph(SeedGraph):
    """A seed's pair."""

    def forward(self, z: torch.Tensor, passes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the head of the file."""
        dims = self.prior.dims
        leading, residual, others = self.prior.parts(z)
        clusters, rest = self.split(z[:, -1])
        leading = self.solver.solve(z[:, :dims], self.conditions[clusters])
        others = torch.cat([others[:, :-1], rest[:, None]], -1)
        return self.decoders(leading, residual, others, passes)


class PromptGraph(SeedGraph):
    """What a seed gives when a caption is wanted; see latent_operations.apply_conditions."""

    def __init__(self, model: MultimodalModel) -> None:
        super().__init__(model)
        self.text_encoder = model.text_encoder
        self.max_norm = self.prior.dims**0.5 + PROMPT_LEEWAY

    def forward(
        self,
        z: torch.Tensor,
        prompt: torch.Tensor,
        guidance: torch.Tensor,
        passes: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See the head of the file."""
        features = F.rms_norm(self.text_encoder(prompt), (z.shape[1],))
        given = self.prior.flow.caption(features)  # (B, W)
        free = torch.zeros_like(given)
        leading, residual, others = self.prior.parts(z)
        leading = self.solver.solve_guided(leading, given, free, guidance)
        leading, last = self.pull_back(leading, others[:, -1])
        others = torch.cat([others[:, :-1], last[:, None]], -1)
        return self.decoders(leading, residual, others, passes)

    def pull_back(
        self, leading: torch.Tensor, last: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """latent_operations.pull_back: leading coordinates (B, k) and the last one (B,) -> both.

        Rows whose seed is no longer than a prompt's may be stay as they are.
        """
        clusters = self.nearest(leading)
        seeds = self.solver.solve(leading, self.conditions[clusters], backward=True)  # (B, k)
        norms = seeds.square().sum(1, keepdim=True).sqrt()  # (B, 1)
        is_long = norms > self.max_norm
        shortened = seeds * torch.where(is_long, self.max_norm / norms, 1.0)
        # of no row: no step
        count = torch.where(is_long.any(), SOLVER_STEPS, 0)
        clusters, rest = self.split(self.join(clusters, last))
        pulled = self.solver.solve(shortened, self.conditions[clusters], count=count)
        return torch.where(is_long, pulled, leading), torch.where(is_long[:, 0], rest, last)


def example_inputs(graph: SeedGraph) -> dict[str, torch.Tensor]:
    """Inputs of a batch of two, by their names, with which a graph is traced."""
    latent_dim = len(graph.prior.mean)
    z = torch.randn((2, latent_dim), generator=torch.Generator().manual_seed(0))
    inputs = {"z": z}
    if isinstance(graph, PromptGraph):
        inputs["prompt"] = torch.tensor([[1, 4, 5, END, PAD], [1, 4, 5, 6, END]])
        inputs["guidance"] = torch.tensor(3.0)
    return inputs | {"passes": torch.tensor(2)}
