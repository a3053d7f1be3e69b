"""Seed <-> code: clusters, a flow in each, and a regression for what follows.

The map between seeds and codes: what makes the latent a space that can be sampled, prompted and walked through.

    code = sampler.to_code(z)                       # z ~ N(0, I) -> a code as the decoders met them in training, both (B, D)
    z = sampler.to_latent(code)                     # and back
    code = sampler.draw(z, features, guidance)      # the code that z gives when a caption is wanted
    code = sampler.restyle(code, styles, strength)  # the same, in another style

It is fitted after the autoencoder, to its codes (ex-post density estimation: Ghosh et al. 2020, arXiv:1903.12436).
"""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

NO_CLUSTER = -1
# pictures of the collection, at least, on average
ROWS_PER_CLUSTER = 8
# of the flow's time: what is drawn is settled early; later, guidance only distorts
GUIDED_UNTIL = 0.5
# see typical: what is asked for may be rarer than what is drawn
PROMPT_LEEWAY = 1.0
# codes that are looked at in double precision: 16 MB
ROWS_AT_ONCE = 2048
# shares of the fit's rows that know so much; the others know nothing
CLUSTER_SHARE = 0.65
CAPTION_SHARE = 0.25


class ByteDropout(nn.Module):
    """nn.Dropout with probability 26 / 256, whose random numbers are bytes, eight to a draw: on a CPU those of nn.Dropout take a sixth of
    the whole step."""

    # of 256
    DROPPED = 26

    def forward(self, x):
        if not self.training:
            return x
        bytes = (
            torch.empty(-(-x.numel() // 8), dtype=torch.int64)
            .random_(-(2**63), None)
            .view(torch.uint8)
        )
        kept = (bytes[: x.numel()] >= self.DROPPED).view(x.shape).to(x)
        return x * kept.mul_(256 / (256 - self.DROPPED))


class VelocityField(nn.Module):
    """v(y, t | condition): (B, k), (B,), (B, W) -> (B, k), a residual MLP. Its last layer starts at zero, so an unfitted flow is
    the identity. The dropout is what lets a flow that sees some thousand codes leave room between them."""

    def __init__(self, dims, width, clusters, latent_dim, depth=3):
        super().__init__()
        self.register_buffer(
            "frequencies", math.pi * 2.0 ** torch.arange(0, 6, 0.5), persistent=False
        )
        self.inward = nn.Linear(dims, width)
        self.time = nn.Linear(2 * len(self.frequencies), width)
        self.cluster = nn.Embedding(clusters, width)
        self.caption = nn.Linear(latent_dim, width, bias=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.SiLU(),
                nn.Linear(width, width),
                ByteDropout(),
            )
            for _ in range(depth)
        )
        self.outward = nn.Linear(width, dims)

    def condition(self, clusters, captions=None):
        """clusters int (B,), NO_CLUSTER where unknown; captions (B, D), zeros where there is none, or None -> (B, W)."""
        known = self.cluster(clusters.clamp(min=0)) * (clusters != NO_CLUSTER)[:, None]
        return known if captions is None else known + self.caption(captions)

    def forward(self, y, t, condition):
        angles = t[:, None] * self.frequencies  # (B, F)
        time = self.time(torch.cat([angles.sin(), angles.cos()], -1)) + condition  # (B, W)
        x = self.inward(y)  # (B, W)
        for block in self.blocks:
            x = x + block(x + time)
        return self.outward(F.silu(x))  # (B, k)


class Regression(nn.Sequential):
    """(B, k) -> (B, m): the mean of the next m coordinates, told the k leading ones. An unfitted one says zero, their mean."""

    def __init__(self, dims, width, following):
        super().__init__(
            nn.Linear(dims, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            ByteDropout(),
            nn.Linear(width, following),
        )


class Prior(nn.Module):
    """The map between seeds z ~ N(0, I) and codes, both (B, D).

        cluster, rest = split(z[:, -1])
        leading = flow(z[:, :k] | cluster)
        y = leading, regression(leading) + spread z[:, k:k+m], z[:, k+m:-1], rest           code = mean + frame y

    The columns of `frame` are the principal directions of the noisy training codes times their standard deviation. In the
    k leading ones the codes are far from Gaussian, a flow carries one into the other, fitted by flow matching (Lipman et al. 2023,
    arXiv:2210.02747). The m next ones mostly follow from these, by no straight line: a small regression says how, and what it leaves
    over is taken for Gaussian. In the others the training noise dominates, which is Gaussian by construction.

    A continuous flow alone must stretch thin bridges between the clusters in which codes lie (two ships, a large church), and
    a seed that falls on a bridge is drawn as the ghost of two subjects. So the leading coordinates are divided into clusters
    (k-means), and the last coordinate of z, which the decoders hardly read, chooses: its distribution function is cut into one
    interval a cluster, as wide as the cluster is frequent, and its place within the interval is a standard normal number again.
    The map stays one to one and N(0, I) stays N(0, I).

    The same network, told a caption instead of a cluster, answers prompts (classifier-free guidance: Ho and Salimans 2022,
    arXiv:2207.12598), and told nothing it is continuous: what interpolations and variations walk through. Styles need no
    flow: the codes of two styles differ by their means, and moving a code by that difference changes nothing else.

    It runs in float64 on the CPU, whatever the model's device, so that a seed's code does not depend on batch or device.
    """

    # Runge-Kutta 4 steps from noise to code
    STEPS = 12

    def __init__(self, config):
        super().__init__()
        self.dims = min(config.flow_dims, config.latent_dim - 1)
        self.following = min(config.follow_dims, config.latent_dim - 1 - self.dims)
        self.noise = config.code_noise
        self.register_buffer("mean", torch.zeros(config.latent_dim))
        self.register_buffer("frame", torch.eye(config.latent_dim))
        self.register_buffer("frame_inverse", torch.eye(config.latent_dim))
        # of the noise's covariance; for fitting
        self.register_buffer(
            "noise_root", self.noise * torch.eye(self.dims + self.following), persistent=False
        )
        self.register_buffer("centres", torch.zeros(config.flow_clusters, self.dims))
        # 0 … 1
        self.register_buffer(
            "edges",
            torch.ones(config.flow_clusters + 1, dtype=torch.float64).scatter(
                0, torch.tensor(0), 0.0
            ),
        )
        # of the leading coordinates
        self.register_buffer(
            "style_means", torch.zeros(config.styles, self.dims, dtype=torch.float64)
        )
        # linear discriminant: weights and offset
        self.register_buffer(
            "style_scores", torch.zeros(config.styles, self.dims + 1, dtype=torch.float64)
        )
        # standard deviation of what the regression leaves over
        self.register_buffer("spread", torch.ones(self.following, dtype=torch.float64))
        self.flow = VelocityField(
            self.dims, config.flow_width, config.flow_clusters, config.latent_dim
        )
        self.regression = Regression(self.dims, config.flow_width, self.following)
        # of these two; see exact
        self.copies = {}

    def exact(self, name):
        """The network of that name in float64 on the CPU, without gradients of its own: a copy, made anew when the weights are others."""
        network = getattr(self, name)
        # compared, since a fused optimiser does not count their versions up
        weights = list(network.parameters())
        if name not in self.copies or not all(map(torch.equal, weights, self.copies[name][0])):
            # else it could serve no gradient later
            with torch.inference_mode(False):
                self.copies[name] = (
                    [weight.detach().clone() for weight in weights],
                    copy.deepcopy(network).double().cpu().eval().requires_grad_(False),
                )
        return self.copies[name][1]

    # -- seeds and codes

    def to_code(self, z):
        clusters, rest = self.split(z[:, -1])
        leading = self.integrate(z[:, : self.dims], 0, 1, clusters)
        return self.from_frame(
            self.with_following(torch.cat([leading, z[:, self.dims : -1], rest[:, None].to(z)], -1))
        )

    def to_latent(self, code):
        y = self.without_following(self.to_frame(code))
        clusters = self.nearest(y)
        leading = self.integrate(y[:, : self.dims], 1, 0, clusters)
        return torch.cat(
            [leading, y[:, self.dims : -1], self.join(clusters, y[:, -1])[:, None].to(y)], -1
        )

    def typical(self, z, longest=0.0):
        """z (B, D) whose leading part, where it is longer than a normal draw is on average, is shortened to that length: what guidance pushed, or
        a walk led, out of the space that the decoders know comes back into it, in its own cluster and direction. longest: the length, a
        number or (B, 1), where it is larger than the average."""
        leading = z[:, : self.dims]
        most = torch.as_tensor(longest).to(z).clamp(min=self.dims**0.5)
        return torch.cat(
            [leading * (most / leading.norm(dim=1, keepdim=True)).clamp(max=1), z[:, self.dims :]],
            -1,
        )

    def following_mean(self, y):
        """y (B, D) -> what the regression expects of the following coordinates (B, m)."""
        return self.exact("regression")(y[:, : self.dims].double().cpu())

    def with_following(self, y):
        """Coordinates (B, D) in which the following ones are standard normal -> those of the frame; without_following is its inverse."""
        k = self.dims
        m = self.dims + self.following
        following = self.following_mean(y) + self.spread.cpu() * y[:, k:m].double().cpu()
        return torch.cat([y[:, :k], following.to(y), y[:, m:]], -1)

    def without_following(self, y):
        k = self.dims
        m = self.dims + self.following
        following = (y[:, k:m].double().cpu() - self.following_mean(y)) / self.spread.cpu()
        return torch.cat([y[:, :k], following.to(y), y[:, m:]], -1)

    def to_frame(self, code):
        return (code - self.mean) @ self.frame_inverse.T  # (B, D)

    def from_frame(self, y):
        return self.mean + y.to(self.mean) @ self.frame.T  # (B, D)

    def split(self, last):
        """(B,) standard normal -> which cluster, int (B,), and the place within its interval, (B,) standard normal float64.
        No gradient: a seed moved along this coordinate jumps."""
        # 1, beyond 8.3, is in no interval
        u = torch.special.ndtr(last.detach().double().cpu()).clamp(max=1 - 1e-12)
        edges = self.edges.cpu()
        clusters = torch.searchsorted(edges, u, right=True).sub(1).clamp(0, len(edges) - 2)
        inside = (u - edges[clusters]) / (edges[clusters + 1] - edges[clusters])
        return clusters, torch.special.ndtri(inside.clamp(1e-9, 1 - 1e-9))

    def join(self, clusters, rest):
        edges = self.edges.cpu()
        inside = torch.special.ndtr(rest.detach().double().cpu())
        return torch.special.ndtri(
            torch.lerp(edges[clusters], edges[clusters + 1], inside).clamp(1e-12, 1 - 1e-12)
        )

    def nearest(self, y):
        """Coordinates (B, k or more) -> the cluster of each, int (B,) on the CPU."""
        # the first so many
        used = int((self.edges.diff() > 0).sum())
        y = y[:, : self.dims].detach().double().cpu()
        centres = self.centres[:used].double().cpu()
        # each row's distances, but for its own length
        return (centres.square().sum(1) - 2 * y @ centres.T).argmin(1)

    def integrate(self, y, begin, end, clusters=None, captions=None, guidance=1.0):
        """Solve dy/dt = v(y, t | condition) from t = begin to end with classical Runge-Kutta. y (B, k) -> (B, k), same device and
        dtype. guidance: 1 follows the condition as learnt, above exaggerates what it changes."""
        flow = self.exact("flow")
        x = y.double().cpu()
        steps = max(1, round(self.STEPS * abs(end - begin)))
        nothing = torch.full((len(x),), NO_CLUSTER)
        condition = flow.condition(
            nothing if clusters is None else clusters,
            None if captions is None else captions.double().cpu(),
        )
        free = flow.condition(nothing)

        def velocity(x, t):
            t = torch.full((len(x),), t, dtype=torch.float64)
            v = flow(x, t, condition)
            return (
                v
                if guidance == 1 or t[0] > GUIDED_UNTIL
                else torch.lerp(flow(x, t, free), v, guidance)
            )

        h = (end - begin) / steps
        for step in range(steps):
            t = begin + step * h
            k1 = velocity(x, t)
            k2 = velocity(x + h / 2 * k1, t + h / 2)
            k3 = velocity(x + h / 2 * k2, t + h / 2)
            k4 = velocity(x + h * k3, t + h)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x.to(y)

    # -- prompts and walks

    def draw(self, z, captions, guidance):
        """The code that z (B, D) gives when captions are wanted, (B, D) as MultimodalModel.caption_features makes them."""
        leading = self.integrate(z[:, : self.dims], 0, 1, None, captions, guidance)
        return self.from_frame(self.with_following(torch.cat([leading, z[:, self.dims :]], -1)))

    def to_smooth(self, code):
        """Code -> coordinates (B, D), standard normal too, in which a straight walk meets no jump: the flow that knows no cluster."""
        y = self.without_following(self.to_frame(code))
        return torch.cat([self.integrate(y[:, : self.dims], 1, 0), y[:, self.dims :]], -1)

    def from_smooth(self, w):
        return self.from_frame(
            self.with_following(
                torch.cat([self.integrate(w[:, : self.dims], 0, 1), w[:, self.dims :]], -1)
            )
        )

    def style_chances(self, code):
        """Code (B, D) -> probability of each style (B, styles), float64 on the CPU, by linear discriminant analysis."""
        leading = self.to_frame(code)[:, : self.dims].double().cpu()
        return (
            leading @ self.style_scores[:, :-1].T.cpu() + self.style_scores[:, -1].cpu()
        ).softmax(-1)

    def restyle(self, code, styles, strength=1.0):
        """Code (B, D) moved from the mean of its own style towards that of another: styles int (B,); strength 0 changes nothing,
        1 goes all the way."""
        means = self.style_means.cpu()
        y = self.to_frame(code)
        move = strength * (means[styles] - self.style_chances(code) @ means)  # (B, k)
        return self.from_frame(torch.cat([y[:, : self.dims] + move.to(y), y[:, self.dims :]], -1))

    # -- fitting

    @torch.no_grad()
    def set_frame(self, codes, previous=None):
        """Fit mean and frame to codes (N, D) without noise. previous: what this returned for the first rows at the last fit, (M <= N, k + m);
        each of the two kinds is turned to agree with what it was (orthogonal Procrustes), so that flow and regression fitted before
        stay nearly right. -> whitened coordinates, the leading and the following ones (N, k + m)."""
        parts = codes.split(ROWS_AT_ONCE)
        mean = codes.mean(0, dtype=torch.float64).cpu()

        def centred(part):
            return part.double().cpu() - mean

        variance, directions = torch.linalg.eigh(
            sum(centred(part).T @ centred(part) for part in parts) / len(codes)
        )
        order = variance.argsort(descending=True)
        scale = (variance[order].clamp(min=0) + self.noise**2).clamp(min=1e-6).sqrt()  # (D,)
        directions = directions[:, order]  # (D, D), columns
        turn = torch.eye(len(mean), dtype=torch.float64)
        k = self.dims
        m = self.dims + self.following
        # (N, k + m)
        y = torch.cat([centred(part) @ directions[:, :m] / scale[:m] for part in parts])
        for part in (slice(0, k), slice(k, m)) if previous is not None else ():
            u, _, vh = torch.linalg.svd(y[: len(previous), part].T @ previous[:, part].double())
            turn[part, part] = u @ vh
            y[:, part] = y[:, part] @ (u @ vh)
        self.mean.copy_(mean)
        self.frame.copy_(directions * scale @ turn)
        self.frame_inverse.copy_(turn.T @ (directions / scale).T)
        # (k + m, D); the noise has covariance rows @ rows.T
        rows = self.noise * self.frame_inverse[:m].double().cpu()
        self.noise_root.copy_(torch.linalg.cholesky(rows @ rows.T + 1e-9 * torch.eye(m)))
        return y.float()

    @torch.no_grad()
    def set_clusters(self, y, count, seed=0):
        """Divide coordinates (N, k or more), by the leading ones, into at most `count` clusters by k-means, starting from those of the last fit where
        it had as many."""
        from sklearn.cluster import KMeans

        count = max(1, min(len(self.centres), count))
        before = self.centres[:count].cpu().numpy()
        warm = int((self.edges.diff() > 0).sum()) == count > 1
        found = KMeans(
            count, init=before if warm else "k-means++", n_init=1, random_state=seed
        ).fit(y[:, : self.dims].cpu().numpy())
        self.centres.zero_()[:count] = torch.as_tensor(found.cluster_centers_)
        frequency = np.bincount(found.labels_, minlength=count) + 0.5
        self.edges.fill_(1)[:count] = torch.as_tensor(
            np.concatenate([[0], frequency.cumsum() / frequency.sum()])[:-1]
        )

    @torch.no_grad()
    def set_styles(self, y, styles, generator):
        """Means and discriminant of the styles, int (N,), from the leading ones of coordinates (N, k or more); a style that no row has is never
        chosen."""
        y = self.noisy(y, generator)[:, : self.dims].double().cpu()
        count = torch.bincount(styles, minlength=len(self.style_means))[:, None]  # (S, 1)
        means = torch.zeros_like(self.style_means, device="cpu").index_add(
            0, styles, y
        ) / count.clamp(min=1)
        inner = y - means[styles]
        weights = means @ torch.linalg.inv(inner.T @ inner / len(y) + 1e-3 * torch.eye(self.dims))
        # -inf for a style without rows
        offset = (count / len(y)).log() - (weights * means).sum(1, keepdim=True) / 2
        self.style_means.copy_(means)
        self.style_scores.copy_(torch.cat([weights, offset], 1))

    @torch.no_grad()
    def set_spread(self, y, generator):
        """What the regression leaves over of the following coordinates, from (N, k + m) without noise."""
        y = self.noisy(y, generator)
        left = y[:, self.dims :].double().cpu() - self.following_mean(y)
        self.spread.copy_(left.square().mean(0).sqrt())

    def noisy(self, y, generator):
        """Coordinates (B, n), the first n of a code's, as the decoders meet them: with the training noise, variance 1."""
        # of the first n coordinates: Cholesky roots are nested
        root = self.noise_root[: y.shape[1], : y.shape[1]]
        return y + torch.randn(y.shape, generator=generator).to(y) @ root.T

    def loss(self, y, generator, captions=None):
        """Loss of a batch of coordinates, the leading and the following ones (B, k + m), noised afresh: the mean squared error of the flow's
        velocity and that of the regression. captions (B, D): a part of the rows is told its caption, another nothing; None: every row is told
        its cluster."""
        device = y.device
        y = self.noisy(y, generator)
        data, following = y.tensor_split([self.dims], 1)  # (B, k), (B, m)
        start = torch.randn(data.shape, generator=generator).to(device)
        t, chance = torch.rand(2, len(data), generator=generator)  # (B,) each
        clusters = self.nearest(data)
        t = t.to(device)  # (B,)
        if captions is None:
            condition = self.flow.condition(clusters.to(device))
        else:
            told = (
                ((chance >= CLUSTER_SHARE) & (chance < CLUSTER_SHARE + CAPTION_SHARE))
                .nonzero()[:, 0]
                .to(device)
            )
            condition = self.flow.condition(
                clusters.masked_fill(chance >= CLUSTER_SHARE, NO_CLUSTER).to(device)
            )
            # of a quarter of the rows: it is the widest layer
            condition = condition.index_add(0, told, self.flow.caption(captions[told]))
        y = torch.lerp(start, data, t[:, None])
        return F.mse_loss(self.flow(y, t, condition), data - start) + F.mse_loss(
            self.regression(data), following
        )
