"""What is amiss in a run, in a sentence.

What an epoch's figures mean, in sentences, each with a way on.

A figure in a log is read by those who know what it should be. These are the ways in which training has gone wrong unnoticed: a loss that drowns the
others, a network that learns by heart, weights that nothing moves, codes that are all the same, captions that are told without looking.
"""

# share of the weighted loss above which one part drowns the others
DOMINANT = 0.7
# epochs without a better validation loss, the training loss falling, that are called over-fitting
SINCE_BEST = 2
# share of the codes' power that differs between pictures, below which they are one code
COLLAPSED = 0.05
# nats per token that another picture's code costs, below which captions do not read it
UNREAD = 0.02


def code_variation(codes):
    """Codes (N, D) -> share of their power that differs from one to another: 0 where all are the same, near 1 where nothing is common to all."""
    power = codes.double().square().sum(1).mean()
    return float(1 - codes.double().mean(0).square().sum() / power) if power else 0.0


def dominant(losses, weights):
    """{part: mean loss}, {part: weight} -> (the part with most of the weighted sum, its share)."""
    parts = {part: weight * losses[part] for part, weight in weights.items()}
    part = max(parts, key=parts.get)
    return part, parts[part] / max(sum(parts.values()), 1e-12)


def findings(metrics, weights, dead=()):
    """metrics: an epoch a row, as in metrics.json; weights: {part: weight} of the loss; dead: names of the parameters without a gradient -> sentences about
    the last epoch, none where nothing is amiss."""
    row = metrics[-1]
    found = []
    part, share = dominant({part: row[f"train_{part}"] for part in weights}, weights)
    if len(weights) > 1 and share > DOMINANT:
        found.append(
            f"{part} is {share:.0%} of the loss: should the other parts stop falling, lower --{part}-weight {weights[part]:g}"
        )
    best = min(metrics, key=lambda row: row["val_loss"])
    if row["epoch"] - best["epoch"] >= SINCE_BEST and row["train_loss"] < best["train_loss"]:
        found.append(
            f"over-fitting: since epoch {best['epoch']} the training loss fell from {best['train_loss']:.3f} to {row['train_loss']:.3f} and the validation loss rose "
            f"from {best['val_loss']:.3f} to {row['val_loss']:.3f}; best_model.pt stays that of epoch {best['epoch']}, more pictures would help"
        )
    if dead:
        found.append(
            f"{len(dead)} parameters receive no gradient, first {dead[0]}: nothing that they do reaches the loss"
        )
    if row["code_spread"] < COLLAPSED:
        found.append(
            f"the latent has collapsed: only {row['code_spread']:.1%} of the codes differs from picture to picture; lower --learning-rate, or raise --contrastive-weight"
        )
    if row["caption_reading"] is not None and row["caption_reading"] < UNREAD:
        found.append(
            f"captions ignore the picture so far: told another picture's code they lose {max(0.0, row['caption_reading']):.3f} nats per token; "
            "if that stays so, raise --caption-weight or look whether captions and pictures belong together"
        )
    return found
