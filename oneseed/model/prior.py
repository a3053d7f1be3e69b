"""The prior: the map between seeds and codes.

It makes the latent a space to sample from, to prompt and to walk through.

    code = prior.to_code(z)     # z ~ N(0, I) -> a code as the decoders met them, both (B, D)
    z = prior.to_latent(code)   # and back
    code = prior.draw(z, captions, guidance)   # what z gives when captions are wanted

It is fitted after the autoencoder, to its codes (`prior_fitting`; ex-post density estimation: Ghosh
et al. 2020, arXiv:1903.12436). What users ask of it is in `latent_operations`.
"""

import torch
from torch import nn

from oneseed.config.model import ModelConfig
from oneseed.model.flow import Regression, VelocityField, predict_frozen, solve_flow

# bounds within (0, 1) that keep quantiles of the normal distribution finite
TINY = 1e-12
# the same within the interval of a cluster
CLUSTER_TINY = 1e-9
# how far around a code its typical one is averaged, in whitened coordinates: half of the usual
# distance between neighbouring centres
TYPICAL_WIDTH = 1.5


class Prior(nn.Module):
    """The map between seeds z ~ N(0, I) and codes, both (B, D).

        cluster, rest = split(z[:, -1])
        leading = flow(z[:, :k] | cluster)
        y = leading, regression(leading) + spread z[:, k:k+m], z[:, k+m:-1], rest
        code = mean + frame y

    The columns of `frame` are the principal directions of the noisy training codes times their
    standard deviation. In the k leading coordinates the codes are far from Gaussian: a flow carries
    one into the other. The m following ones mostly depend on these, not linearly: a small
    regression predicts them, and its residual is taken for Gaussian. In the others the training
    noise dominates, which is Gaussian by construction.

    A continuous flow alone must stretch thin bridges between the clusters in which codes lie (two
    ships, a large church), and a seed that falls on a bridge is drawn as the ghost of two subjects.
    So the leading coordinates are divided into clusters (k-means), and the last coordinate of z,
    which the decoders hardly read, chooses one: its distribution function is cut into one interval
    per cluster, as wide as the cluster is frequent, and the position within the interval is a
    standard normal number again. The map stays one to one and N(0, I) stays N(0, I).

    The same network, given a caption instead of a cluster, answers prompts (classifier-free
    guidance), and given nothing it is continuous: interpolations and variations walk through that.
    Styles need no flow: the codes of two styles differ by their means, and moving a code by that
    difference changes nothing else.

    The flow and the regression run in float32 on the CPU, whatever the model's device.
    """

    # buffers in which -inf has a meaning: the offset of a style without rows
    MINUS_INFINITE = ("style_scores",)

    mean: torch.Tensor  # (D,)
    frame: torch.Tensor  # (D, D)
    frame_inverse: torch.Tensor  # (D, D)
    noise_root: torch.Tensor  # (k + m, k + m), root of the noise's covariance there; for fitting
    centres: torch.Tensor  # (K, k), of the clusters
    edges: torch.Tensor  # (K + 1,) float64, of the clusters' intervals in [0, 1]
    style_means: torch.Tensor  # (styles, k) float64
    style_scores: torch.Tensor  # (styles, k + 1) float64, weights and offset of the discriminant
    spread: torch.Tensor  # (m,) float64, standard deviation of the regression's residual

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        latent_dim = config.latent_dim
        clusters = config.flow_clusters
        # k, the leading coordinates
        self.dims = min(config.flow_dims, latent_dim - 1)
        # m, those that the regression predicts
        self.following = min(config.follow_dims, latent_dim - 1 - self.dims)
        self.noise = config.code_noise
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("frame", torch.eye(latent_dim))
        self.register_buffer("frame_inverse", torch.eye(latent_dim))
        noise_root = self.noise * torch.eye(self.dims + self.following)
        self.register_buffer("noise_root", noise_root, persistent=False)
        self.register_buffer("centres", torch.zeros(clusters, self.dims))
        # intervals of clusters that are not used begin and end at 1
        edges = torch.ones(clusters + 1, dtype=torch.float64)
        edges[0] = 0
        self.register_buffer("edges", edges)
        style_means = torch.zeros(config.styles, self.dims, dtype=torch.float64)
        self.register_buffer("style_means", style_means)
        style_scores = torch.zeros(config.styles, self.dims + 1, dtype=torch.float64)
        self.register_buffer("style_scores", style_scores)
        self.register_buffer("spread", torch.ones(self.following, dtype=torch.float64))
        self.flow = VelocityField(self.dims, config.flow_width, clusters, latent_dim)
        self.regression = Regression(self.dims, config.flow_width, self.following)

    # -- seeds and codes

    def to_code(self, z: torch.Tensor) -> torch.Tensor:
        """Seeds (B, D) -> codes (B, D); one solve of the flow."""
        clusters, rest = self.split(z[:, -1])
        leading = solve_flow(self.flow, z[:, : self.dims], 0, 1, clusters=clusters)
        y = torch.cat([leading, z[:, self.dims : -1], rest[:, None].to(z)], -1)
        return self.from_frame(self.with_following(y))

    def to_latent(self, code: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) -> seeds (B, D), the inverse of to_code; one solve of the flow."""
        y = self.without_following(self.to_frame(code))
        clusters = self.nearest(y)
        leading = solve_flow(self.flow, y[:, : self.dims], 1, 0, clusters=clusters)
        last = self.join(clusters, y[:, -1])
        return torch.cat([leading, y[:, self.dims : -1], last[:, None].to(y)], -1)

    def draw(self, z: torch.Tensor, captions: torch.Tensor, guidance: float) -> torch.Tensor:
        """The codes (B, D) that z (B, D) gives when captions are wanted; one guided solve.

        captions (B, D): as MultimodalModel.caption_features makes them. guidance: see solve_flow.
        """
        leading = solve_flow(
            self.flow, z[:, : self.dims], 0, 1, captions=captions, guidance=guidance
        )
        return self.from_frame(self.with_following(torch.cat([leading, z[:, self.dims :]], -1)))

    def to_smooth(self, code: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) -> w (B, D), standard normal too, in which a walk meets no jump.

        One solve of the flow, which is given no cluster.
        """
        y = self.without_following(self.to_frame(code))
        leading = solve_flow(self.flow, y[:, : self.dims], 1, 0)
        return torch.cat([leading, y[:, self.dims :]], -1)

    def from_smooth(self, w: torch.Tensor) -> torch.Tensor:
        """The inverse of to_smooth; one solve of the flow."""
        leading = solve_flow(self.flow, w[:, : self.dims], 0, 1)
        return self.from_frame(self.with_following(torch.cat([leading, w[:, self.dims :]], -1)))

    def clip_norm(self, z: torch.Tensor, max_norm: float | torch.Tensor = 0.0) -> torch.Tensor:
        """Seeds (B, D) -> the same with a leading part no longer than a normal draw on average.

        A longer part is shortened: what guidance pushed, or a walk led, out of the space that the
        decoders know comes back into it, in its own cluster and direction.
        max_norm: a number or (B, 1), the limit where it is larger than that average.
        """
        leading = z[:, : self.dims]
        limit = torch.as_tensor(max_norm).to(z).clamp(min=self.dims**0.5)
        scale = (limit / leading.norm(dim=1, keepdim=True)).clamp(max=1)
        return torch.cat([leading * scale, z[:, self.dims :]], -1)

    def truncated(self, code: torch.Tensor, kept: float) -> torch.Tensor:
        """Codes (B, D) -> codes nearer to typical ones, of which pictures are easier to name.

        The leading coordinates move towards the centres of the clusters near them, and the residual
        of the following ones towards 0; the others stay. kept: the share of the way that is left, 1
        for all. Where two clusters are near, both count, so that a walk between them is smooth.
        Source: truncation towards several centres, Mokady et al. 2022 (arXiv:2202.12211).
        """
        leading, residual, others = self.parts(self.without_following(self.to_frame(code)))
        moved = torch.lerp(self.typical(leading), leading, kept)
        return self.from_frame(self.with_following(torch.cat([moved, kept * residual, others], -1)))

    def typical(self, leading: torch.Tensor) -> torch.Tensor:
        """Leading coordinates (B, k) -> the mean of the centres around each, (B, k).

        The weights are those of a mixture of Gaussians as wide as TYPICAL_WIDTH.
        """
        centres = self.used_centres()
        frequency = self.edges.diff()[: len(centres)].cpu()
        # a product of matrices would round otherwise in another batch
        distances = torch.cdist(
            leading.double().cpu(), centres, compute_mode="donot_use_mm_for_euclid_dist"
        )  # (B, used)
        squares = distances.square()
        weights = (frequency.log() - squares / (2 * TYPICAL_WIDTH**2)).softmax(-1)
        return (weights @ centres).to(leading)

    # -- coordinates

    def to_frame(self, code: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) -> whitened coordinates y (B, D)."""
        return (code - self.mean) @ self.frame_inverse.T

    def from_frame(self, y: torch.Tensor) -> torch.Tensor:
        """Whitened coordinates y (B, D) -> codes (B, D)."""
        return self.mean + y.to(self.mean) @ self.frame.T

    def following_mean(self, y: torch.Tensor) -> torch.Tensor:
        """y (B, k or more) -> the expected following coordinates (B, m), float32 on the CPU."""
        return predict_frozen(self.regression, y[:, : self.dims])

    def with_following(self, y: torch.Tensor) -> torch.Tensor:
        """Coordinates (B, D) whose following ones are standard normal -> those of the frame."""
        leading, residual, others = self.parts(y)
        following = self.following_mean(y) + self.spread.float().cpu() * residual.float().cpu()
        return torch.cat([leading, following.to(y), others], -1)

    def without_following(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse of with_following."""
        leading, following, others = self.parts(y)
        residual = (following.float().cpu() - self.following_mean(y)) / self.spread.float().cpu()
        return torch.cat([leading, residual.to(y), others], -1)

    def parts(self, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Coordinates (B, D) -> leading (B, k), following (B, m) and others (B, D - k - m)."""
        return y.tensor_split([self.dims, self.dims + self.following], 1)

    # -- clusters and styles

    def split(self, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last coordinate of seeds (B,) -> clusters int (B,), positions in their intervals.

        The positions are (B,) standard normal, float64. Both are on the CPU and without gradient: a
        seed that is moved along this coordinate jumps.
        """
        # beyond 8.3 the distribution function is 1, which lies in no interval
        u = torch.special.ndtr(last.detach().double().cpu()).clamp(max=1 - TINY)
        edges = self.edges.cpu()
        clusters = torch.searchsorted(edges, u, right=True).sub(1).clamp(0, len(edges) - 2)
        inside = (u - edges[clusters]) / (edges[clusters + 1] - edges[clusters])
        return clusters, torch.special.ndtri(inside.clamp(CLUSTER_TINY, 1 - CLUSTER_TINY))

    def join(self, clusters: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        """The inverse of split -> (B,) float64 on the CPU."""
        edges = self.edges.cpu()
        inside = torch.special.ndtr(rest.detach().double().cpu())
        u = torch.lerp(edges[clusters], edges[clusters + 1], inside)
        return torch.special.ndtri(u.clamp(TINY, 1 - TINY))

    def nearest(self, y: torch.Tensor) -> torch.Tensor:
        """Coordinates (B, k or more) -> the cluster of each, int (B,) on the CPU."""
        centres = self.used_centres()
        leading = y[:, : self.dims].detach().double().cpu()
        # squared distances without each row's own square
        return (centres.square().sum(1) - 2 * leading @ centres.T).argmin(1)

    def used_centres(self) -> torch.Tensor:
        """The centres of the clusters that are used, the first ones: (used, k) float64, CPU."""
        used = int((self.edges.diff() > 0).sum())
        return self.centres[:used].double().cpu()

    def style_chances(self, code: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) -> probability of each style (B, styles), float64 on the CPU.

        The method is linear discriminant analysis.
        """
        leading = self.to_frame(code)[:, : self.dims].double().cpu()
        scores = self.style_scores.cpu()
        return (leading @ scores[:, :-1].T + scores[:, -1]).softmax(-1)
