"""The latent check: do seeds and encoded pictures fill the same space, and do both outputs read it?

Encoded pictures must look like N(0, I) where the decoders look. A check of all 1,024 directions has
no power where only some dozens matter, and filling the others with noise would pass it. So the test
is made in the directions to which the decoders are sensitive, and in all of them beside it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.model.caption_source import DECODER, source_of

if TYPE_CHECKING:
    from oneseed.model.multimodal import MultimodalModel

# AUC of the two-sample test above which the check fails
GATE = 0.65
# held-out pictures below which the test is too weak for a verdict
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
        LogisticRegression(C=0.01, solver="newton-cholesky"),
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
    """z (B, D) -> the drafts of pictures that the model draws, small, (B, M)."""

    def outputs(z: torch.Tensor) -> torch.Tensor:
        images = model.draw(model.sampler.to_code(z), 1)
        return F.adaptive_avg_pool2d(images, CHECKED_SIDE).flatten(1).to(z.device)

    return outputs


def caption_outputs(model: "MultimodalModel", tokens: torch.Tensor) -> Outputs:
    """z (B, D) -> probabilities of the words that continue tokens (B, T), (B, M)."""
    decoder = model.text_decoder
    tokens = tokens.to(model.device)

    def outputs(z: torch.Tensor) -> torch.Tensor:
        logits = decoder(model.sampler.to_code(z), tokens)[..., ~decoder.unused]
        return logits.log_softmax(-1).exp().flatten(1).to(z.device)

    return outputs


def read_directions(
    model: "MultimodalModel", outputs: Sequence[Outputs], generator: torch.Generator
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

    z (N, D): encoded held-out pictures. tokens (M, T): some of their captions, needed where the
    model writes its own (model/caption_source.py); where it does not, only pictures are looked at,
    and caption_spread is None. groups (N,): which picture a row is a view of, where there are
    several views.
    "passed" is False where the classifier in the sensitive directions exceeds GATE or could not be
    asked, or an output ignores z; `is_failed` says whether that is a verdict.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = picture_outputs(model)
    outputs = [pictures]
    words = None
    if source_of(model.meta) == DECODER:
        words = caption_outputs(model, tokens[:1].expand(CHECKED_SEEDS, -1))
        outputs.append(words)
    directions = read_directions(model, outputs, generator)  # (D, r)
    with torch.no_grad():
        draws = torch.randn(CHECKED_SEEDS, model.config.latent_dim, generator=generator)
        caption_spread = None if words is None else round(float(words(draws).std(0).amax()), 4)
        picture_spread = float(pictures(draws).std(0).mean())
    read = (z @ directions).numpy()  # (N, r)
    auc = two_sample_auc(read, groups, seed=seed)
    auc_all = two_sample_auc(z.numpy(), groups, seed=seed, trees=FEW_TREES)
    rows = len(z) if groups is None else len(set(groups))
    health = {
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
        "caption_spread": caption_spread,
        "picture_spread": round(picture_spread, 4),
    }
    return {**health, "passed": auc is not None and not find_reasons(health)}


def find_reasons(health: dict[str, Any]) -> list[str]:
    """Why drawn seeds may look worse than redrawn pictures, as parts of a sentence.

    health: as check_latent gives it.
    """
    reasons = []
    if health["auc"] is not None and health["auc"] > GATE:
        reasons.append("the numbers behind a seed are unlike those behind a real picture")
    if health["picture_spread"] <= MIN_PICTURE_SPREAD:
        reasons.append("the picture hardly changes from seed to seed")
    if health["caption_spread"] is not None and health["caption_spread"] <= MIN_CAPTION_SPREAD:
        reasons.append("the caption hardly changes from seed to seed")
    return reasons


# ---- what people are told ------------------------------------------------------------------------


def is_failed(health: dict[str, Any]) -> bool:
    """Whether the check is a verdict against the model.

    Fewer than POWER_ROWS held-out pictures allow none, whatever the figures are.
    """
    return not health["passed"] and not health["low_power"]


def latent_notice(health: dict[str, Any] | None) -> str:
    """What people should know before they look at pairs, "" where it is nothing.

    health: None where training has not ended.
    """
    return "" if health is None or health["passed"] else describe_latent(health)


def describe_latent(health: dict[str, Any]) -> str:
    """What check_latent found, for scripts and page: what it means, then the figures."""
    meaning = describe_meaning(health)
    figures = describe_figures(health)
    if health["passed"]:
        return f"{meaning} Latent healthy: {figures}."
    if is_failed(health):
        return f"WARNING: {meaning} LATENT CHECK FAILED: {figures}."
    return f"Warning: {meaning} Latent check: {figures}."


def describe_meaning(health: dict[str, Any]) -> str:
    """What the check means for pairs of seeds: a sentence without figures of the test."""
    rows = health["rows"]
    few = f"{rows} held-out {'picture is' if rows == 1 else 'pictures are'} too few"
    if health["passed"]:
        limits = f", as far as {rows} held-out pictures can tell" if health["low_power"] else ""
        return f"Pairs from seeds should look like redrawn pictures{limits}."
    reasons = find_reasons(health)
    if not reasons:
        question = "whether drawn seeds look like redrawn pictures"
        return f"{few} to tell {question}, so look at some pairs yourself."
    meaning = f"Drawn seeds may look worse than redrawn pictures, because {' and '.join(reasons)}"
    if is_failed(health):
        return f"{meaning}; train longer or with more pictures."
    return f"{meaning}; {few} for a verdict, so look at some pairs yourself."


def describe_figures(health: dict[str, Any]) -> str:
    """The figures of the check, for those who know what they should be."""
    if health["auc"] is None:
        test = f"no two-sample test below {MIN_ROWS} held-out pictures"
    else:
        test = (
            f"two-sample AUC {health['auc']:.2f} in the {health['directions']} directions that "
            f"the decoders read (at most {GATE}; .50 is ideal)"
        )
    power = f", {health['rows']} held-out pictures of {POWER_ROWS} for a verdict"
    return f"{test}, norm {health['norm']:.1f}{power if health['low_power'] else ''}"
