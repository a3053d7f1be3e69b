"""The latent check: do seeds and encoded pictures fill the same space, and do both outputs read it?

Encoded pictures must look like N(0, I) where the decoders look. A check of all 1,024 directions has
no power where only some dozens matter, and filling the others with noise would pass it. So the test
is made in the directions to which the decoders are sensitive, and in all of them beside it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from oneseed.model.multimodal import MultimodalModel

# AUC of the two-sample test above which the check fails
GATE = 0.65
# held-out pictures below which the test is said to be weak
POWER_ROWS = 400
# held-out pictures below which there is no test
MIN_ROWS = 10
# an output whose spread over seeds is not above this ignores z: of a word's probability, …
MIN_CAPTION_SPREAD = 0.05
# … of a pixel in [-1, 1]
MIN_PICTURE_SPREAD = 0.02
# pixels a side of the pictures in which sensitivity is measured
CHECKED_SIDE = 32
# random seeds at which outputs are compared, and captions that they are compared on
CHECKED_SEEDS = 32
FOLDS = 5
# trees of the forest that tests all directions, where less depends on it
FEW_TREES = 30

Outputs = Callable[[torch.Tensor], torch.Tensor]


def sensitive_directions(
    outputs: Outputs,
    latent_dim: int,
    generator: torch.Generator,
    *,
    points: int = 8,
    batch: int = 32,
    share: float = 0.99,
) -> torch.Tensor:
    """The leading directions in which outputs move -> (D, r), orthonormal columns.

    outputs: z (B, D) -> (B, M), differentiable. It takes gradients of random projections of the
    outputs at `points` times `batch` random z; the result are their principal directions that hold
    `share` of the squared sensitivity.
    """
    gradients = []
    for _ in range(points):
        z = torch.randn(batch, latent_dim, generator=generator).requires_grad_()
        out = outputs(z)  # (B, M)
        probe = torch.randn(out.shape, generator=generator)
        gradients.append(torch.autograd.grad((out * probe).sum(), z)[0])  # (B, D)
    _, strength, directions = torch.linalg.svd(torch.cat(gradients).double(), full_matrices=False)
    held = strength.square().cumsum(0) / strength.square().sum()
    return directions[: int((held < share).sum()) + 1].T.float()


def two_sample_auc(
    encoded: np.ndarray, groups: np.ndarray | None = None, *, seed: int = 0, trees: int = 200
) -> float | None:
    """Area under the ROC curve of a classifier that tells `encoded` (N, r) from draws of N(0, I).

    It is .5 when they cannot be told apart, by five-fold cross-validation with N draws; None where
    there are fewer than MIN_ROWS groups to learn from. groups: (N,), rows of one group stay in one
    fold; None: every row is a group. Two classifiers, a logistic regression on the values and their
    squares and a random forest; the better one counts.
    Source: Lopez-Paz and Oquab 2017 (arXiv:1610.06545).
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    random = np.random.default_rng(seed)
    count = len(encoded)
    group_numbers = np.arange(count)
    if groups is not None:
        group_numbers = np.unique(groups, return_inverse=True)[1]
    if len(np.unique(group_numbers)) < MIN_ROWS:
        return None
    draws = random.standard_normal(encoded.shape)
    x = np.concatenate([np.asarray(encoded, dtype=np.float64), draws])
    # squares: a wrong spread is linear in them
    features = np.concatenate([x, x**2], 1)
    is_encoded = np.repeat([1, 0], count)
    # every draw is a group of its own
    all_groups = np.concatenate([group_numbers, count + np.arange(count)])
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    splits = list(folds.split(x, is_encoded, all_groups))
    classifiers = (
        LogisticRegression(C=0.01, max_iter=100),
        RandomForestClassifier(trees, min_samples_leaf=3, random_state=seed, n_jobs=2),
    )
    areas = []
    for classifier in classifiers:
        chances = cross_val_predict(
            classifier, features, is_encoded, cv=splits, method="predict_proba"
        )
        areas.append(float(roc_auc_score(is_encoded, chances[:, 1])))
    return max(areas)


def picture_outputs(model: "MultimodalModel") -> Outputs:
    """z (B, D) -> the small pictures that the model draws, (B, M)."""

    def outputs(z: torch.Tensor) -> torch.Tensor:
        images = model.image_decoder(model.sampler.to_code(z))
        return F.adaptive_avg_pool2d(images, CHECKED_SIDE).flatten(1)

    return outputs


def caption_outputs(model: "MultimodalModel", tokens: torch.Tensor) -> Outputs:
    """z (B, D) -> probabilities of the words that continue tokens (B, T), (B, M)."""
    decoder = model.text_decoder

    def outputs(z: torch.Tensor) -> torch.Tensor:
        logits = decoder(model.sampler.to_code(z), tokens)[..., ~decoder.unused]
        return logits.log_softmax(-1).exp().flatten(1)

    return outputs


def read_directions(
    model: "MultimodalModel", outputs: tuple[Outputs, ...], generator: torch.Generator
) -> torch.Tensor:
    """The directions that the decoders read -> (D, r), orthonormal columns."""
    latent_dim = model.config.latent_dim
    with torch.enable_grad():
        directions = [sensitive_directions(each, latent_dim, generator) for each in outputs]
    # the last coordinate chooses the cluster, by jumps that no gradient shows
    directions.append(torch.eye(latent_dim)[:, -1:])
    return torch.linalg.qr(torch.cat(directions, 1))[0]


def check_latent(
    model: "MultimodalModel",
    z: torch.Tensor,
    tokens: torch.Tensor,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Whether the model's latent is healthy -> what checkpoints carry as meta["health"].

    z (N, D): encoded held-out pictures. tokens (M, T): some of their captions. groups (N,): which
    picture a row is a view of, where there are several views.
    "passed" is False where the classifier in the sensitive directions exceeds GATE, or an output
    ignores z.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = picture_outputs(model)
    words = caption_outputs(model, tokens[:1].expand(CHECKED_SEEDS, -1))
    directions = read_directions(model, (pictures, words), generator)  # (D, r)
    with torch.no_grad():
        draws = torch.randn(CHECKED_SEEDS, model.config.latent_dim, generator=generator)
        caption_spread = float(words(draws).std(0).amax())
        picture_spread = float(pictures(draws).std(0).mean())
    read = (z @ directions).numpy()  # (N, r)
    auc = two_sample_auc(read, groups, seed=seed)
    auc_all = two_sample_auc(z.numpy(), groups, seed=seed, trees=FEW_TREES)
    rows = len(z) if groups is None else len(set(groups))
    is_read = caption_spread > MIN_CAPTION_SPREAD and picture_spread > MIN_PICTURE_SPREAD
    return {
        "rows": rows,
        "low_power": rows < POWER_ROWS,
        "directions": directions.shape[1],
        "auc": auc and round(auc, 3),
        "auc_all": auc_all and round(auc_all, 3),
        "mean": round(float(z.mean()), 4),
        "std": round(float(z.std()), 4),
        "norm": round(float(z.norm(dim=1).mean()), 2),
        "read_mean": round(float(np.abs(read.mean(0)).max()), 3),
        "read_std_min": round(float(read.std(0).min()), 3),
        "read_std_max": round(float(read.std(0).max()), 3),
        "caption_spread": round(caption_spread, 4),
        "picture_spread": round(picture_spread, 4),
        "passed": auc is not None and auc <= GATE and is_read,
    }


def describe_latent(health: dict[str, Any]) -> str:
    """What check_latent found, in words, for scripts and page."""
    if health["auc"] is None:
        return (
            f"WARNING: LATENT NOT CHECKED: {health['rows']} held-out pictures are too few; train "
            "on more. Pairs drawn from seeds may be worse than reconstructions."
        )
    numbers = (
        f"two-sample AUC {health['auc']:.2f} in the {health['directions']} directions that the "
        f"decoders read (gate {GATE}; .50 is ideal), norm {health['norm']:.1f}"
    )
    if health["low_power"]:
        numbers += f"; only {health['rows']} held-out pictures, so the test is weak"
    if health["passed"]:
        return f"latent healthy: {numbers}"
    ignored = ""
    if health["caption_spread"] <= MIN_CAPTION_SPREAD:
        ignored += "the caption ignores z; "
    if health["picture_spread"] <= MIN_PICTURE_SPREAD:
        ignored += "the picture ignores z; "
    return (
        f"WARNING: LATENT CHECK FAILED: {ignored}{numbers}. Pairs drawn from seeds may be worse "
        "than reconstructions; train longer or with more pictures."
    )
