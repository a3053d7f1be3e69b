"""Strict coherence on drawn sprites, level by level, beside the published figures of CdSprites+.

    python -m benchmarks.sprites                            # five levels, three trainings of each
    python -m benchmarks.sprites --levels 1,2 --trainings 1

Prepares, trains and evaluates by the scripts themselves with their defaults, as a user would, and
appends to outputs/sprites/results.jsonl. Interrupted, it goes on where it stood.

Strict: every attribute that the level tells is right. Published are the best of MVAE, MMVAE, MoPoE
and DMVAE in each place, means of five trainings (the leaderboard of Sejnova et al.,
github.com/gabinsane/multimodal-vae-comparison). The pictures are our own drawings of the same kind,
see oneseed/synthetic/sprites; their judges are networks that read pictures, as ours is, but their
captions must be right in every letter, ours in every attribute.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import SpritesConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(SpritesConfig, description=__doc__)

from pathlib import Path
from statistics import mean, stdev

from benchmarks.coherence import Benchmark, PlannedRun, measure_missing, stored_results
from oneseed.console.command import run

SPRITES = Benchmark(Path("outputs/sprites"), "sprites", "--preset small --image-size 64")
# number of report.json -> (its heading, percent published at levels 1 to 5)
PUBLISHED = {
    "joint_strict": ("joint", (17, 3, 1, 0, 0)),
    "caption_to_picture_seen": ("text to image", (52, 18, 8, 3, 0)),
    "picture_to_caption_seen": ("image to text", (64, 55, 59, 1, 0)),
}


def percent(values):
    """Shares -> "93 (2)": their mean and the standard deviation between trainings, in percent."""
    if not values:
        return "-"
    spread = f" ({100 * stdev(values):.0f})" if len(values) > 1 else ""
    return f"{100 * mean(values):.0f}{spread}"


def comparison(results):
    """Results -> a table in Markdown, a line a level, in percent."""
    head = ["level", "trainings", "minutes"]
    for heading, _ in PUBLISHED.values():
        head += [heading, "published"]
    lines = [head, ["---:"] * len(head)]
    for level in sorted({result["level"] for result in results}):
        of_level = [result for result in results if result["level"] == level]
        minutes = mean(result["minutes"] for result in of_level)
        cells = [str(level), str(len(of_level)), f"{minutes:.1f}"]
        for name, (_, published) in PUBLISHED.items():
            values = [result[name] for result in of_level if result.get(name) is not None]
            cells += [percent(values), str(published[level - 1])]
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(config):
    levels = [int(level) for level in config.levels.split(",")]
    rows = [
        PlannedRun("sprites", level, seed) for seed in range(config.trainings) for level in levels
    ]
    measure_missing(rows, SPRITES, config.judge)
    print(comparison(stored_results(SPRITES)))


if __name__ == "__main__":
    run(main, *CONFIGS)
