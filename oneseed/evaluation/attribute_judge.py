"""The picture judge of the built-in collection: a classifier taught on renders.

The picture judge of the built-in collection: a small classifier that says what a picture shows. It knows nothing of the model.

    judge = load_judge("checkpoints/judge.pt")      # trained where it is missing: some minutes, once
    judge.see(pixels)                               # uint8 (N, S, S) -> [{"subject": "ship", "count": 2, ...}, ...]

It learns from renders of its own (all combinations, seeds from FIRST_SEED on), half of them degraded, and is examined on fresh
renders of held-out combinations: all seven attributes at once right on CLEAN of them, and on DEGRADED of the same blurred,
noisy and of changed contrast. A judge that fails refuses to score. Its examination travels in its file.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.files import whole_file
from oneseed.model.pixels import VIEW_SIZE, resized_views
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.synthetic.engravings.attributes import ATTRIBUTES

# of judge.pt
JUDGE_FORMAT = 1
# side of the pictures that the judge looks at
JUDGE_SIZE = VIEW_SIZE
# what the examination asks, all attributes right at once
CLEAN = 0.99
DEGRADED = 0.97
# of the renders to learn from and to be examined on
FIRST_JUDGE_SEED = 1_000_000
EXAM_SEED = 2_000_000
JUDGE_EPOCHS = 7
JUDGE_BATCH = 64
JUDGE_LEARNING_RATE = 4e-3
JUDGE_WEIGHT_DECAY = 0.05


class Renders(Dataset):
    """Facts and their seeds -> the drawn pictures, uint8 (size, size), drawn when asked for."""

    def __init__(self, facts, first_seed, size):
        self.facts = facts
        self.first_seed = first_seed
        self.size = size

    def __len__(self):
        return len(self.facts)

    def __getitem__(self, i):
        return np.array(drawing.draw(self.facts[i], self.first_seed + i, self.size))


def draw_all(facts, first_seed, label, size=JUDGE_SIZE):
    """List of N facts -> uint8 tensor (N, size, size), drawn with seeds from first_seed on, by as many processes as there are cores."""
    workers = min(16, os.cpu_count() or 1) if len(facts) > 200 else 0
    batches = DataLoader(
        Renders(facts, first_seed, size),
        batch_size=32,
        num_workers=workers,
        generator=judge_generator("workers"),
    )
    drawn = []
    with progress(label=label, total=len(facts)) as bar:
        for batch in batches:
            drawn.append(batch)
            bar.update(len(batch))
    return torch.cat(drawn)


def uniform_facts(count, seed=0):
    """`count` facts, near uniform over all combinations, held out or not."""
    return attributes.even_sample(attributes.combinations(5), count, seed)


def labels(facts):
    """N facts -> (N, 7) int64: which value of each attribute."""
    return torch.tensor(
        [[values.index(one[name]) for name, values in ATTRIBUTES.items()] for one in facts]
    )


def judge_generator(purpose):
    """Random numbers for one purpose, the same each time."""
    return torch.Generator().manual_seed(
        int.from_bytes(hashlib.sha256(f"judge {purpose}".encode()).digest()[:8], "big") >> 1
    )


def degrade(images, generator):
    """Pictures (B, 1, S, S) in [-1, 1] -> the same blurred (by .3 to 1 pixel), of other contrast (.5 to 1.2) and brightness
    (up to .3 of 2), and noisy (standard deviation up to .2), each picture by amounts of its own."""

    def amount(low, high):
        return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=generator)

    sigma = amount(0.3, 1)
    contrast = amount(0.5, 1.2)
    brightness = amount(-0.3, 0.3)
    noise = amount(0, 0.2)
    kernel = torch.exp(-(torch.arange(-3, 4) ** 2) / (2 * sigma**2))  # (B, 1, 1, 7)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    stacked = F.pad(images, (3, 3, 3, 3), mode="replicate").transpose(0, 1)  # (1, B, S + 6, S + 6)
    blurred = F.conv2d(
        F.conv2d(stacked, kernel, groups=len(images)), kernel.transpose(2, 3), groups=len(images)
    ).transpose(0, 1)
    return (
        blurred * contrast + brightness + noise * torch.randn(images.shape, generator=generator)
    ).clamp(-1, 1)


class AttributeJudge(nn.Module):
    """Grey pictures (B, 1, SIZE, SIZE) in [-1, 1] -> features (B, FEATURES); one linear head per attribute reads them.

    about: plain JSON: the collection's version and the examination, {"clean": {"all": .99, "subject": 1., ...}, "degraded": ...}.
    """

    FEATURES = 256

    def __init__(self, width=32):
        super().__init__()

        # batch norm: its statistics are frozen when the judge judges
        def stage(narrow, wide, stride=1):
            return nn.Sequential(
                nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
            )

        self.layers = nn.Sequential(
            nn.PixelUnshuffle(4),  # (B, 16, 32, 32)
            stage(16, width),
            stage(width, 2 * width, 2),
            stage(2 * width, 2 * width),  # (B, 2W, 16, 16)
            stage(2 * width, 3 * width, 2),
            stage(3 * width, 3 * width),  # (B, 3W, 8, 8)
            stage(3 * width, 4 * width, 2),  # (B, 4W, 4, 4)
            nn.Flatten(),
            nn.Linear(64 * width, self.FEATURES),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.heads = nn.Linear(self.FEATURES, sum(map(len, ATTRIBUTES.values())))
        self.width = width
        self.about = {}
        # a tenth faster on CPUs
        self.to(memory_format=torch.channels_last)

    def forward(self, images):
        return self.layers(images.contiguous(memory_format=torch.channels_last))

    def logits(self, features):
        """(B, FEATURES) -> one (B, values) for each attribute."""
        return self.heads(features).split([len(values) for values in ATTRIBUTES.values()], 1)

    def loss(self, images, truth):
        """images (B, 1, SIZE, SIZE), truth (B, 7) -> sum over the attributes of the cross-entropy, in nats."""
        return sum(
            F.cross_entropy(logits, values)
            for logits, values in zip(self.logits(self(images)), truth.T)
        )

    @torch.no_grad()
    def features(self, pixels):
        """uint8 (N, S, S) grey or (N, S, S, 3), array or tensor -> float32 array (N, FEATURES), for distances between collections."""
        self.eval()
        return torch.cat([self(batch) for batch in resized_views(pixels).split(128)]).numpy()

    @torch.no_grad()
    def see(self, pixels):
        """uint8 (N, S, S) grey or (N, S, S, 3) -> N facts, each with the likeliest value of all seven attributes."""
        chosen = [
            logits.argmax(1).tolist()
            for logits in self.logits(torch.as_tensor(self.features(pixels)))
        ]
        return [
            {name: values[i] for (name, values), i in zip(ATTRIBUTES.items(), row)}
            for row in zip(*chosen)
        ]


def teach_attribute_judge(judge, pixels, truth, epochs=JUDGE_EPOCHS):
    """Fit a judge to renders (N, SIZE, SIZE) uint8 and their labels (N, 7), half of each batch degraded. Repeatable."""
    order = judge_generator("order")
    steps = len(pixels) // JUDGE_BATCH
    optimizer = torch.optim.AdamW(
        judge.parameters(), lr=JUDGE_LEARNING_RATE, weight_decay=JUDGE_WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, JUDGE_LEARNING_RATE, total_steps=epochs * steps, pct_start=0.2
    )
    judge.train()
    with progress(label="teaching the picture judge", total=epochs * steps, unit="step") as bar:
        for epoch in range(epochs):
            for rows in torch.randperm(len(pixels), generator=order)[: steps * JUDGE_BATCH].view(
                steps, JUDGE_BATCH
            ):
                images = resized_views(pixels[rows])
                images = torch.cat(
                    [images[: JUDGE_BATCH // 2], degrade(images[JUDGE_BATCH // 2 :], order)]
                )
                loss = judge.loss(images, truth[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
    return judge.eval()


def examine_attribute_judge(judge, pixels, facts):
    """Renders and their facts -> {"clean": share right, "degraded": the same}, each {"all": at once, "subject": ..., "count": ...}."""
    degraded = torch.cat(
        [
            degrade(batch, judge_generator(f"exam {i}"))
            for i, batch in enumerate(resized_views(pixels).split(100))
        ]
    )
    degraded = ((degraded[:, 0] + 1) * 127.5).round().to(torch.uint8)
    return {
        kind: share_right(judge.see(seen), facts)
        for kind, seen in (("clean", pixels), ("degraded", degraded))
    }


def share_right(seen, facts):
    """N answers and N truths -> {"all": share with all seven right, "subject": share with the subject right, ...}."""
    return {
        "all": sum(a == b for a, b in zip(seen, facts)) / len(facts),
        **{
            name: sum(a[name] == b[name] for a, b in zip(seen, facts)) / len(facts)
            for name in ATTRIBUTES
        },
    }


def train_judge(path, renders=8000, exam=500, epochs=JUDGE_EPOCHS, width=32):
    """Draw, teach, examine; a judge that passes is written to `path` and returned. UserError (code 1) for one that fails."""
    start = time.time()
    # initial values and dropout repeat, and leave no trace
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        facts = uniform_facts(renders)
        judge = teach_attribute_judge(
            AttributeJudge(width),
            draw_all(facts, FIRST_JUDGE_SEED, "drawing for the picture judge"),
            labels(facts),
            epochs,
        )
    held_out = attributes.held_out_facts(exam, seed=EXAM_SEED)
    judge.about = {
        "format": JUDGE_FORMAT,
        "collection": attributes.COLLECTION,
        "width": width,
        "renders": renders,
        **examine_attribute_judge(
            judge, draw_all(held_out, EXAM_SEED, "examining the picture judge"), held_out
        ),
        "seconds": round(time.time() - start),
    }
    require_pass(judge)
    save_judge(judge, path)
    return judge


def require_pass(judge):
    for kind, limit in (("clean", CLEAN), ("degraded", DEGRADED)):
        right = judge.about[kind]
        if right["all"] < limit:
            worst = min(ATTRIBUTES, key=right.get)
            raise UserError(
                f"the picture judge reads all attributes of only {right['all']:.3f} of {kind} renders, {limit} are needed; the weakest "
                f"is {worst} with {right[worst]:.3f}; it refuses to score",
                code=1,
            )


def save_judge(judge, path):
    """Tensors and one JSON string, so that torch.load reads it under its safe default."""
    with whole_file(path) as partial:
        torch.save({"about": json.dumps(judge.about), "weights": judge.state_dict()}, partial)


def read_judge(path):
    """-> Judge, or None where the file is missing or belongs to another collection or format. UserError where it is no judge."""
    if not Path(path).exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        about = json.loads(state["about"])
        if (about["format"], about["collection"]) != (JUDGE_FORMAT, attributes.COLLECTION):
            return None
        judge = AttributeJudge(about["width"])
        judge.load_state_dict(state["weights"])
    except (
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        KeyError,
        TypeError,
        UnicodeDecodeError,
        UnpicklingError,
    ) as error:
        raise UserError(
            f"{path} is damaged or no picture judge ({type(error).__name__}); remove it and run the same command again"
        ) from error
    judge.about = about
    return judge.eval()


def load_judge(path):
    """The judge in `path`, trained first where there is none for this collection. UserError (code 1) for one that failed its examination."""
    judge = read_judge(path)
    if judge is None:
        print(
            f"no picture judge for {attributes.COLLECTION} in {path}: teaching one, once",
            flush=True,
        )
        return train_judge(path)
    require_pass(judge)
    return judge
