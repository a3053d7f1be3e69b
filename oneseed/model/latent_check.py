"""Do seeds and encoded pictures fill the same space?

Is the latent what seeds assume? Encoded pictures must look like N(0, I) where the decoders look, and both outputs must read z.

A check of all 1,024 directions has no power where only some dozens matter, and padding the rest with noise would pass it;
so the test is made in the directions to which the decoders are sensitive, and in all of them beside it.
"""

import numpy as np
import torch

# AUC of the two-sample test above which the check fails
GATE = 0.65
# held-out pictures below which the test is said to be weak
POWER_ROWS = 400
# … and below which there is none
MIN_ROWS = 10


def sensitive_directions(outputs, latent_dim, generator, points=8, batch=32, share=0.99):
    """The leading directions in which outputs move. outputs: z (B, D) -> (B, M), differentiable.

    Gradients of random projections of the outputs at random z; their principal directions that hold `share` of the squared
    sensitivity -> (D, r), orthonormal columns.
    """
    gradients = []
    for _ in range(points):
        z = torch.randn(batch, latent_dim, generator=generator).requires_grad_()
        out = outputs(z)  # (B, M)
        probe = torch.randn(out.shape, generator=generator)
        gradients.append(torch.autograd.grad((out * probe).sum(), z)[0])  # (B, D)
    _, strength, directions = torch.linalg.svd(torch.cat(gradients).double(), full_matrices=False)
    held = strength.square().cumsum(0) / strength.square().sum()
    return directions[: int((held < share).sum()) + 1].T.float()  # (D, r)


def two_sample_auc(encoded, groups=None, seed=0, trees=200):
    """Area under the ROC curve of a classifier that tells `encoded` (N, r) from as many draws of N(0, I), by five-fold
    cross-validation: .5 when they cannot be told apart; None where there are fewer than LEAST_ROWS groups to learn from.
    groups: (N,), rows of one group stay in one fold; None: every row is one. Two classifiers, a
    logistic regression on the values and their squares and a random forest; the better one counts.
    Source: Lopez-Paz and Oquab 2017 (arXiv:1610.06545)."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    random = np.random.default_rng(seed)
    n = len(encoded)
    if len(set(range(n) if groups is None else groups)) < MIN_ROWS:
        return None
    x = np.concatenate(
        [np.asarray(encoded, dtype=np.float64), random.standard_normal(encoded.shape)]
    )
    y = np.repeat([1, 0], n)
    folds = np.concatenate(
        [
            np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1],
            np.arange(n) + n,
        ]
    )
    split = list(GroupKFold(5, shuffle=True, random_state=seed).split(x, y, folds))
    # squares: a wrong spread is linear in them
    features = np.concatenate([x, x**2], 1)
    judges = (
        LogisticRegression(C=0.01, max_iter=100),
        RandomForestClassifier(trees, min_samples_leaf=3, random_state=seed, n_jobs=2),
    )
    return max(
        roc_auc_score(
            y, cross_val_predict(judge, features, y, cv=split, method="predict_proba")[:, 1]
        )
        for judge in judges
    )


def check_latent(model, z, tokens, groups=None, seed=0):
    """-> dict: is the model's latent healthy? z (N, D): encoded held-out pictures; tokens (M, T): some of their captions;
    groups (N,): which picture a row is a view of, where there are several views.
    "passed" is False where the classifier in the sensitive directions exceeds GATE, or an output ignores z."""
    generator = torch.Generator().manual_seed(seed)
    tokens = tokens[:1].expand(32, -1)
    latent_dim = model.config.latent_dim

    def pictures(z):
        return torch.nn.functional.adaptive_avg_pool2d(
            model.image_decoder(model.sampler.to_code(z)), 32
        ).flatten(1)

    def words(z):
        return (
            model.text_decoder(model.sampler.to_code(z), tokens)[..., ~model.text_decoder.unused]
            .log_softmax(-1)
            .exp()
            .flatten(1)
        )

    with torch.enable_grad():
        directions = [
            sensitive_directions(outputs, latent_dim, generator) for outputs in (pictures, words)
        ]
    # it chooses the cluster, by jumps that no gradient shows
    directions.append(torch.eye(latent_dim)[:, -1:])
    directions = torch.linalg.qr(torch.cat(directions, 1))[0]  # (D, r)
    read = (z @ directions).numpy()  # (N, r)
    with torch.no_grad():
        draws = torch.randn(32, latent_dim, generator=generator)
        caption_spread = float(words(draws).std(0).amax())
        picture_spread = float(pictures(draws).std(0).mean())
    auc = two_sample_auc(read, groups, seed)
    auc_all = two_sample_auc(z.numpy(), groups, seed, trees=30)
    return {
        "rows": len(z) if groups is None else len(set(groups)),
        "low_power": (len(z) if groups is None else len(set(groups))) < POWER_ROWS,
        "directions": directions.shape[1],
        "auc": auc and round(float(auc), 3),
        "auc_all": auc_all and round(float(auc_all), 3),
        "mean": round(float(z.mean()), 4),
        "std": round(float(z.std()), 4),
        "norm": round(float(z.norm(dim=1).mean()), 2),
        "read_mean": round(float(np.abs(read.mean(0)).max()), 3),
        "read_std_min": round(float(read.std(0).min()), 3),
        "read_std_max": round(float(read.std(0).max()), 3),
        "caption_spread": round(caption_spread, 4),
        "picture_spread": round(picture_spread, 4),
        "passed": auc is not None
        and auc <= GATE
        and caption_spread > 0.05
        and picture_spread > 0.02,
    }


def describe_latent(health):
    """The check in words, for scripts and page."""
    if health["auc"] is None:
        return f"WARNING: LATENT NOT CHECKED: {health['rows']} held-out pictures are too few; train on more. Pairs drawn from seeds may be worse than reconstructions."
    numbers = (
        f"two-sample AUC {health['auc']:.2f} in the {health['directions']} directions that the decoders read "
        f"(gate {GATE}; .50 is ideal), norm {health['norm']:.1f}"
    )
    power = (
        f"; only {health['rows']} held-out pictures, so the test is weak"
        if health["low_power"]
        else ""
    )
    if health["passed"]:
        return f"latent healthy: {numbers}{power}"
    blind = "the caption ignores z; " * (
        health["caption_spread"] <= 0.05
    ) + "the picture ignores z; " * (health["picture_spread"] <= 0.02)
    return f"WARNING: LATENT CHECK FAILED: {blind}{numbers}{power}. Pairs drawn from seeds may be worse than reconstructions; train longer or with more pictures."
