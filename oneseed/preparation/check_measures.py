"""What a check measures of one picture, and of many values."""

import io
import itertools
import math

import numpy as np
from PIL import Image

from oneseed.dataset.jsonl import Row

QUANTILES = {
    "least": 0,
    "5 %": 0.05,
    "25 %": 0.25,
    "median": 0.5,
    "75 %": 0.75,
    "95 %": 0.95,
    "most": 1,
}
# what measure_picture gives
MEASURES = ("light", "low", "high", "sharp")
# edges of histograms, {label: value}: sides in pixels, ...
SIDES: dict[str, float] = {str(side): side for side in (64, 128, 256, 512, 1024, 2048, 4096)}
# ... width by height, ...
ASPECTS = {
    "1:3": 1 / 3,
    "1:2": 1 / 2,
    "2:3": 2 / 3,
    "9:10": 0.9,
    "10:9": 10 / 9,
    "3:2": 1.5,
    "2:1": 2,
    "3:1": 3,
}
# ... mean luminance, ...
TENTHS = {f".{tenth}": tenth / 10 for tenth in range(1, 10)}
# ... and variance of the Laplacian
SHARPNESS: dict[str, float] = {str(value): value for value in (10, 30, 100, 300, 1000, 3000, 10000)}


def is_measured(line: Row) -> bool:
    """Whether a row has what measure_picture finds, as numbers; a picture left out has none."""
    if "reason" in line:
        return True
    return all(
        isinstance(number := line.get(key), (int, float)) and math.isfinite(number)
        for key in MEASURES
    )


def measure_picture(image: Image.Image) -> Row:
    """Prepared picture without its margins -> light, low, high and sharp.

    light: mean luminance, 0 to 1. low, high: 1st and 99th percentile of the grey values, 0 to 255.
    sharp: variance of the Laplacian (four neighbours, grey values to 255), which is low where a
    picture is blurred, enlarged or empty.
    """
    values = np.asarray(image.convert("L"), np.float32)  # (H, W)
    edged = np.pad(values, 1, "edge")  # (H + 2, W + 2)
    above = edged[:-2, 1:-1]
    below = edged[2:, 1:-1]
    left = edged[1:-1, :-2]
    right = edged[1:-1, 2:]
    laplacian = above + below + left + right - 4 * values  # (H, W)
    low, high = np.percentile(values, (1, 99))
    return {
        "light": round(float(values.mean()) / 255, 4),
        "low": int(low),
        "high": int(high),
        "sharp": round(float(laplacian.var()), 1),
    }


def encode_plate(image: Image.Image) -> bytes:
    """Picture -> a small JPEG for the page."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return file.getvalue()


def quantiles(values: list[float]) -> dict[str, float]:
    """{name of a quantile: value} to four digits; {} of no values."""
    if not values:
        return {}
    found = np.quantile(values, list(QUANTILES.values()))
    return {name: float(f"{value:.4g}") for name, value in zip(QUANTILES, found)}


def histogram(values: list[float], edges: dict[str, float]) -> list[list]:
    """[[label of a range, count]] from the first to the last range that holds something.

    edges: {label: value} where one range ends and the next begins, in order.
    """
    if not values:
        return []
    labels = list(edges)
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(labels)]
    names = [f"below {labels[0]}", *inner, f"{labels[-1]} and more"]
    counts = np.bincount(np.digitize(values, list(edges.values())), minlength=len(names))
    filled = np.flatnonzero(counts)
    return [[names[place], int(counts[place])] for place in range(filled[0], filled[-1] + 1)]
