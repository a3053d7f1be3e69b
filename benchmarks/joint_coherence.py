"""Do picture and caption of a seed agree more often than those of a multimodal VAE?

Reads   checkpoints/best_model.pt, checkpoints/judge.pt, data/    as evaluation.py does
Writes  outputs/joint_coherence.json

    pip install -r benchmarks/requirements.txt          # the library multivae, needed here alone
    python -m benchmarks.joint_coherence                # trains the VAE for six minutes
    python -m benchmarks.joint_coherence --model cmvae --minutes 12

Both train for the same minutes, and 500 pairs of each are judged. Pictures, captions, tokenizer,
networks, weights of the reconstruction terms, optimiser and judges are the same on both sides. What
differs is the method: how a pair becomes a latent, what the loss asks of it, and where a new one is
drawn from. The VAE draws from its prior and from a Gaussian mixture fitted to its codes; "encoded"
are held-out pairs sent through its codes, what it draws at best.
"""

# --help answers before torch loads
if __name__ == "__main__":
    from benchmarks.settings import JointConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(JointConfig, description=__doc__)

import json
from dataclasses import asdict, dataclass
from importlib import metadata

import numpy as np
import torch

from benchmarks.vae import MODELS, Pairs, Training, build, draw, latent_sources, library, train
from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.model import PRESETS
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError, run
from oneseed.device import pick_device
from oneseed.evaluation.attribute_judge_training import load_judge
from oneseed.evaluation.exact import level_of, tells_all
from oneseed.evaluation.metrics import agreement, distinct, shuffled
from oneseed.evaluation.samples import grey_pixels, timed_pairs
from oneseed.files import write_text
from oneseed.generation.generator import MultimodalGenerator
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.training.loaders import create_data_loaders

# characters of a column of the table
COLUMN_WIDTH = 17


def score(pictures, captions, judge, names):
    """uint8 (N, S, S) and their N captions -> {title: number}."""
    seen = judge.see(pictures)
    said = [ENGRAVINGS.parse(caption) for caption in captions]
    joint = agreement(seen, said, names)
    floor = shuffled(seen, said, names)
    return {
        "strict: all attributes agree": joint["strict"],
        "single attributes": joint["mean"],
        **{name: joint[name] for name in names},
        "strict, captions shuffled": floor["strict"],
        "single attributes, captions shuffled": floor["mean"],
        "captions that tell every attribute": float(
            np.mean([tells_all(facts, names) for facts in said])
        ),
        "distinct combinations in pictures": distinct(seen, names),
        "distinct combinations in captions": distinct(said, names),
    }


def score_of_ours(generator, seeds, judge, names):
    """score() of our model's pairs."""
    pairs, _ = timed_pairs(generator, seeds)
    pictures = grey_pixels([image for image, _ in pairs])
    return score(pictures, [caption for _, caption in pairs], judge, names)


def table(columns):
    """{heading: {title: number}} -> lines of text."""
    titles = list(next(iter(columns.values())))
    width = max(map(len, titles))
    lines = [" " * width + "".join(heading.rjust(COLUMN_WIDTH) for heading in columns)]
    for title in titles:
        cells = [format_number(column[title]).rjust(COLUMN_WIDTH) for column in columns.values()]
        lines.append(title.ljust(width) + "".join(cells))
    return "\n".join(lines)


def format_number(value):
    """Counts with commas, shares with three digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def open_generator(options):
    """Our model. UserError where there is none of the built-in collection."""
    generator = MultimodalGenerator(options.checkpoint, options.device)
    if generator.style != ENGRAVINGS.style:
        raise UserError(
            f"{options.checkpoint} was trained on {generator.style}, and the judges know the "
            "built-in collection alone: python training_loop.py --style builtin --preset small"
        )
    return generator


@dataclass(frozen=True)
class Comparison:
    """The VAE's training, and the scores of both."""

    training: Training
    # of the VAE, how many
    weights: int
    # heading -> score()
    columns: dict[str, dict[str, float]]


def compare(options, generator):
    """Trains the VAE and judges both -> Comparison."""
    config = generator.model.config
    tokenizer = generator.model.tokenizer
    settings = TrainConfig(
        style="builtin",
        data=options.data,
        batch_size=PRESETS["small"]["batch_size"],
        learning_rate=PRESETS["small"]["learning_rate"],
    )
    loader, held_out = create_data_loaders(config, settings, tokenizer)
    judge = load_judge(options.judge, ENGRAVINGS)
    told = [tokenizer.decode(tokens) for tokens in loader.tokens]
    names = ENGRAVINGS.levels[level_of(ENGRAVINGS, told)]

    torch.manual_seed(settings.seed)
    # the mixture knows no other random numbers
    np.random.seed(settings.seed)
    longest = max(map(len, [*loader.tokens, *held_out.tokens]))
    pairs = Pairs(loader, config, settings, longest)
    vae = build(options, config, settings, pairs)
    training = train(vae, pairs, settings, options.minutes, pick_device(options.device))
    seeds = range(EvaluateConfig.first_seed, EvaluateConfig.first_seed + options.seeds)
    columns = {"ours": score_of_ours(generator, seeds, judge, names)}
    for name, source in latent_sources(vae, pairs, held_out, options.components).items():
        pictures, captions = draw(vae, source, options.seeds, pairs, tokenizer)
        columns[f"{vae.model_name} {name}"] = score(pictures, captions, judge, names)
    weights = sum(weight.numel() for weight in vae.parameters())
    return Comparison(training, weights, columns)


def main(options):
    generator = open_generator(options)
    library()
    found = compare(options, generator)
    version = metadata.version("multivae")
    written = {
        "settings": asdict(options),
        "multivae": version,
        "training": asdict(found.training),
        "columns": found.columns,
    }
    write_text(options.out, json.dumps(written, indent=1) + "\n")
    print(
        f"{options.seeds} pairs each. {MODELS[options.model]} of multivae {version}: "
        f"{options.minutes:g} minutes, {found.training.pictures:,} pictures shown, "
        f"{found.weights / 1e6:.1f} M parameters"
    )
    print(table(found.columns))
    print(f"A constant pair would agree always and be 1 distinct combination. {options.out}")


if __name__ == "__main__":
    run(main, *CONFIGS)
