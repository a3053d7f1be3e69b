"""How an exported file's pairs compare with those of PyTorch, of the same seeds."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oneseed.config.inference import GUIDANCE
from oneseed.config.options import PLAIN
from oneseed.console.output import progress
from oneseed.generation.generator import conditioned_codes
from oneseed.generation.prompts import PromptReader, ReadPrompt
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pixels
from oneseed.model.tokenizer import PAD
from oneseed.seeds import latents
from oneseed.workers import chunks

# pairs that are computed together
PAIRS_AT_ONCE = 20
# steps of 255 by which a pixel of an exact file may differ
MAX_PIXEL_DIFFERENCE = 1

# pixels uint8 (B, S, S, C) and captions
Pairs = tuple[np.ndarray, list[str]]


@dataclass(frozen=True)
class Request:
    """Some seeds and, of each, the prompt that goes with it."""

    z: torch.Tensor  # (B, D)
    passes: int
    # [] for none
    prompts: list[ReadPrompt]

    def parts(self, size: int, count: int | None = None) -> "Iterator[Request]":
        """The first `count` seeds, or all, in parts of so many."""
        for part in chunks(range(count or len(self.z)), size):
            rows = slice(part.start, part.stop)
            yield Request(self.z[rows], self.passes, self.prompts[rows])


@dataclass(frozen=True)
class Speed:
    """Milliseconds of processor time a pair, all threads together."""

    alone: float
    together: float


@dataclass(frozen=True)
class Comparison:
    """An exported file beside PyTorch."""

    seeds: int
    equal_captions: int
    # of pixels, 0 to 255
    worst: int
    mean: float
    speed: Speed

    @property
    def is_same(self) -> bool:
        """Whether the file gives the same pairs."""
        return self.equal_captions == self.seeds and self.worst <= MAX_PIXEL_DIFFERENCE


def pair_request(model: MultimodalModel, count: int, passes: int) -> Request:
    """The seeds from 0 on, without prompts."""
    return Request(latents(range(count), model.config.latent_dim), passes, [])


def prompt_request(model: MultimodalModel, request: Request, captions: Sequence[str]) -> Request:
    """The same seeds, each with the caption of the next one as its prompt."""
    reader = PromptReader.of_model(model)
    prompts = [reader.read(caption) for caption in [*captions[1:], captions[0]]]
    return Request(request.z, request.passes, prompts)


@torch.no_grad()
def torch_pairs(model: MultimodalModel, request: Request) -> Pairs:
    """What PyTorch gives: pictures as the decoder draws them, without a picture book."""
    codes = conditioned_codes(model, request.z, request.prompts, None, guidance=GUIDANCE)
    images, captions = model.decode_code(codes, passes=request.passes, finish=PLAIN, seed_share=1.0)
    return to_pixels(images[:, : model.config.channels]), captions


def prompt_tokens(model: MultimodalModel, prompts: Sequence[ReadPrompt]) -> np.ndarray:
    """Prompts -> ids, int64 (B, P)."""
    length = model.config.max_caption_length
    ids = [model.tokenizer.encode(prompt.text, length) for prompt in prompts]
    longest = max(map(len, ids))
    return np.array([row + [PAD] * (longest - len(row)) for row in ids])


class ExportedFile:
    """An ONNX file that answers requests as torch_pairs does."""

    def __init__(self, path: Path, model: MultimodalModel) -> None:
        import onnxruntime  # ty: ignore[import-not-found]  # an extra

        options = onnxruntime.SessionOptions()
        # as many as PyTorch has, for a fair race
        options.intra_op_num_threads = torch.get_num_threads()
        self.session: Any = onnxruntime.InferenceSession(path, options)
        self.model = model

    def __call__(self, request: Request) -> Pairs:
        """Seeds, with or without prompts -> their pairs."""
        inputs: dict[str, Any] = {"z": request.z.numpy(), "passes": np.array(request.passes)}
        if request.prompts:
            inputs["prompt"] = prompt_tokens(self.model, request.prompts)
            inputs["guidance"] = np.array(GUIDANCE, dtype=np.float32)
        pixels, tokens = self.session.run(None, inputs)
        return pixels, [self.model.tokenizer.decode(row) for row in tokens]


def all_pairs(answer: Callable[[Request], Pairs], request: Request, label: str) -> Pairs:
    """The pairs of a request, computed in parts."""
    pixels = []
    captions = []
    with progress(label=label, total=len(request.z), unit="pair") as bar:
        for part in request.parts(PAIRS_AT_ONCE):
            some_pixels, some_captions = answer(part)
            pixels.append(some_pixels)
            captions += some_captions
            bar.update(len(some_captions))
    return np.concatenate(pixels), captions


def speed_of(answer: Callable[[Request], Pairs], request: Request) -> Speed:
    """Time of the first pairs, each alone and all together; the median of three."""
    count = min(PAIRS_AT_ONCE, len(request.z))
    alone = []
    together = []
    for _ in range(3):
        for size, times in ((1, alone), (count, together)):
            before = time.process_time()
            for part in request.parts(size, count):
                answer(part)
            times.append((time.process_time() - before) / count * 1000)
    return Speed(float(np.median(alone)), float(np.median(together)))


def compare(file: ExportedFile, request: Request, expected: Pairs, label: str) -> Comparison:
    """A file's pairs beside the expected ones."""
    pixels, captions = all_pairs(file, request, label)
    expected_pixels, expected_captions = expected
    difference = np.abs(pixels.astype(np.int16) - expected_pixels)
    return Comparison(
        seeds=len(captions),
        equal_captions=sum(one == other for one, other in zip(captions, expected_captions)),
        worst=int(difference.max()),
        mean=float(difference.mean()),
        speed=speed_of(file, request),
    )
