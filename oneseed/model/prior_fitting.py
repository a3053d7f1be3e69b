"""How a prior is fitted to the codes of the training pictures.

In this order: `fit_frame` gives the whitened coordinates of the codes, the other functions read
these. The codes come without noise; `add_code_noise` adds the noise with which the decoders meet
them.
"""

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.model.flow import NO_CLUSTER, ByteDropout
from oneseed.model.prior import Prior

# pictures of the collection per cluster, on average, at least
ROWS_PER_CLUSTER = 20
# codes converted to double precision at once: 16 MB
FRAME_CHUNK = 2048
# share of a batch's rows that are given their cluster
CLUSTER_SHARE = 0.62
# share of a batch's rows that are given their caption; the others get neither
CAPTION_SHARE = 0.3
# keeps a covariance without spread invertible: relative to a variance of 1
NOISE_RIDGE = 1e-9
# the same for the covariance within styles
STYLE_RIDGE = 1e-3


@torch.no_grad()
def fit_frame(
    prior: Prior, codes: torch.Tensor, previous: torch.Tensor | None = None
) -> torch.Tensor:
    """Fit mean and frame to codes (N, D) without noise -> whitened coordinates (N, k + m).

    These are the leading and the following ones, float32 on the CPU.
    previous: what this returned for the first rows at the last fit, (M <= N, k + m). The leading
    coordinates, and apart from them the following ones, are then turned to agree with it
    (orthogonal Procrustes), so that a flow and a regression fitted before stay nearly right.
    """
    leading_end = prior.dims
    following_end = prior.dims + prior.following
    mean = codes.mean(0, dtype=torch.float64).cpu()
    chunks = codes.split(FRAME_CHUNK)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for chunk in chunks:
        centred = chunk.double().cpu() - mean
        covariance += centred.T @ centred
    variance, directions = torch.linalg.eigh(covariance / len(codes))
    order = variance.argsort(descending=True)
    scale = (variance[order].clamp(min=0) + prior.noise**2).clamp(min=1e-6).sqrt()  # (D,)
    directions = directions[:, order]  # (D, D), columns
    kept = directions[:, :following_end]  # (D, k + m)
    projected = torch.cat([(chunk.double().cpu() - mean) @ kept for chunk in chunks])
    coordinates = projected / scale[:following_end]  # (N, k + m)
    turn = torch.eye(len(mean), dtype=torch.float64)
    if previous is not None:
        for part in (slice(0, leading_end), slice(leading_end, following_end)):
            agreement = coordinates[: len(previous), part].T @ previous[:, part].double()
            u, _, vh = torch.linalg.svd(agreement)
            turn[part, part] = u @ vh
            coordinates[:, part] = coordinates[:, part] @ (u @ vh)
    prior.mean.copy_(mean)
    prior.frame.copy_(directions * scale @ turn)
    prior.frame_inverse.copy_(turn.T @ (directions / scale).T)
    noise_rows = prior.noise * prior.frame_inverse[:following_end].double().cpu()  # (k + m, D)
    noise_covariance = noise_rows @ noise_rows.T + NOISE_RIDGE * torch.eye(following_end)
    prior.noise_root.copy_(torch.linalg.cholesky(noise_covariance))
    return coordinates.float()


@torch.no_grad()
def fit_clusters(prior: Prior, coordinates: torch.Tensor, count: int, *, seed: int = 0) -> None:
    """Divide coordinates (N, k or more) into at most `count` clusters, by the leading ones.

    The method is k-means. It starts from the clusters of the last fit where that had as many.
    """
    from sklearn.cluster import KMeans

    count = max(1, min(len(prior.centres), count))
    is_refit = int((prior.edges.diff() > 0).sum()) == count > 1
    start = prior.centres[:count].cpu().numpy() if is_refit else "k-means++"
    leading = coordinates[:, : prior.dims].cpu().numpy()
    found = KMeans(count, init=start, n_init=1, random_state=seed).fit(leading)
    prior.centres.zero_()[:count] = torch.as_tensor(found.cluster_centers_)
    frequency = np.bincount(found.labels_, minlength=count) + 0.5
    edges = np.concatenate([[0], frequency.cumsum() / frequency.sum()])[:-1]
    prior.edges.fill_(1)[:count] = torch.as_tensor(edges)


@torch.no_grad()
def fit_styles(
    prior: Prior, coordinates: torch.Tensor, styles: torch.Tensor, generator: torch.Generator
) -> None:
    """Fit means and discriminant of the styles, int (N,), to coordinates (N, k or more).

    Only the leading coordinates count. A style that no row has is never chosen.
    """
    noised = add_code_noise(prior, coordinates, generator)
    leading = noised[:, : prior.dims].double().cpu()  # (N, k)
    count = torch.bincount(styles, minlength=len(prior.style_means))[:, None]  # (S, 1)
    sums = torch.zeros_like(prior.style_means, device="cpu").index_add(0, styles, leading)
    means = sums / count.clamp(min=1)  # (S, k)
    centred = leading - means[styles]
    covariance = centred.T @ centred / len(leading) + STYLE_RIDGE * torch.eye(prior.dims)
    weights = means @ torch.linalg.inv(covariance)  # (S, k)
    # -inf for a style without rows
    offset = (count / len(leading)).log() - (weights * means).sum(1, keepdim=True) / 2
    prior.style_means.copy_(means)
    prior.style_scores.copy_(torch.cat([weights, offset], 1))


@torch.no_grad()
def fit_spread(prior: Prior, coordinates: torch.Tensor, generator: torch.Generator) -> None:
    """Measure what the regression leaves over of the following coordinates.

    coordinates: (N, k + m), without noise.
    """
    noised = add_code_noise(prior, coordinates, generator)
    residual = noised[:, prior.dims :].double().cpu() - prior.following_mean(noised)
    prior.spread.copy_(residual.square().mean(0).sqrt())


def begin_fitting(prior: Prior, *, dropout: bool) -> None:
    """Put a prior in train mode, with or without dropout."""
    prior.train()
    for module in prior.modules():
        if isinstance(module, ByteDropout):
            module.train(dropout)


def add_code_noise(
    prior: Prior, coordinates: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Coordinates (B, n), the first n of a code's -> the same with the training noise."""
    count = coordinates.shape[1]
    # the Cholesky root of a leading block of the covariance is the leading block of the root
    root = prior.noise_root[:count, :count].to(coordinates)
    noise = torch.randn(coordinates.shape, generator=generator).to(coordinates)
    return coordinates + noise @ root.T


def prior_loss(
    prior: Prior,
    coordinates: torch.Tensor,
    generator: torch.Generator,
    captions: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of a batch of coordinates (B, k + m), which get noise of their own: a scalar.

    It is the mean squared error of the flow's velocity plus that of the regression.
    captions (B, D): a part of the rows is given its caption, another its cluster, the rest nothing.
    None: every row is given its cluster.
    """
    device = coordinates.device
    noised = add_code_noise(prior, coordinates, generator)
    data, following = noised.tensor_split([prior.dims], 1)  # (B, k), (B, m)
    start = torch.randn(data.shape, generator=generator).to(device)
    t, chance = torch.rand(2, len(data), generator=generator)  # (B,) each
    t = t.to(device)
    clusters = prior.nearest(data)
    if captions is None:
        condition = prior.flow.condition(clusters.to(device))
    else:
        clusters = clusters.masked_fill(chance >= CLUSTER_SHARE, NO_CLUSTER)
        is_captioned = (chance >= CLUSTER_SHARE) & (chance < CLUSTER_SHARE + CAPTION_SHARE)
        rows = is_captioned.nonzero()[:, 0].to(device)
        # only of these rows: the caption's layer is the widest
        condition = prior.flow.condition(clusters.to(device))
        told = prior.flow.caption(captions[rows]).to(condition.dtype)
        condition = condition.index_add(0, rows, told)
    points = torch.lerp(start, data, t[:, None])  # (B, k)
    flow_loss = F.mse_loss(prior.flow(points, t, condition), data - start)
    return flow_loss + F.mse_loss(prior.regression(data), following)
