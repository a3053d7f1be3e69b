"""Pictures and texts brought together: a checkpoint of two towers, taught on a collection.

    python caption_finetuning.py --objective contrastive --model openai/clip-vit-base-patch32

CLIP learns which caption of a batch belongs to which picture, and the other way round (Radford et
al. 2021, arXiv:2103.00020); SigLIP judges every pair of the batch by itself (Zhai et al. 2023,
arXiv:2303.15343). Retrieval on the held-out split says what it was worth: before, and after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.files import expanded
from oneseed.finetuning.examples import taught_picture
from oneseed.workers import chunks

# families of two towers: where the text is padded, for the network has learnt it so
TEXT_PADDING = {"clip": "longest", "siglip": "max_length", "siglip2": "max_length"}
# names of modules of a tower, with its projection into the common space
TOWER_NAMES = {
    "vision": ("vision_model", "visual_projection"),
    "language": ("text_model", "text_projection"),
}
# held-out pairs that are searched, at most: the table of similarities is square
MAX_SEARCHED = 2_000
# how many answers of a search count
DEPTHS = (1, 5)


class SearchPair(NamedTuple):
    """A picture and its caption."""

    # PNG file
    picture: Path
    caption: str

    @property
    def taught(self) -> tuple[str, ...]:
        """What makes it another pair when it changes."""
        return (self.picture.name, self.caption)


@dataclass(frozen=True)
class TwoTowers:
    """A checkpoint that puts pictures and texts into one space."""

    # a transformers processor with its tokenizer
    processor: Any
    # on its device; within peft's wrapper once something of it is taught
    model: Any

    @property
    def within(self) -> Any:
        """The checkpoint itself, inside peft's wrapper."""
        model = self.model
        return model.get_base_model() if hasattr(model, "get_base_model") else model

    @property
    def family(self) -> str:
        """The model type of its config."""
        return self.within.config.model_type

    def image_features(self, pairs: Sequence[SearchPair]) -> Tensor:
        """(B, D), length 1: the pictures of pairs."""
        pictures = [taught_picture(pair.picture) for pair in pairs]
        inputs = self.processor(images=pictures, return_tensors="pt").to(self.within.device)
        return F.normalize(pooled(self.within.get_image_features(**inputs)), dim=-1)

    def text_features(self, pairs: Sequence[SearchPair]) -> Tensor:
        """(B, D), length 1: the captions of pairs, as far as the checkpoint reads them."""
        inputs = self.tokens([pair.caption for pair in pairs]).to(self.within.device)
        return F.normalize(pooled(self.within.get_text_features(**inputs)), dim=-1)

    def tokens(self, texts: Sequence[str]) -> Any:
        """Texts -> token ids, with a mask where the family has one."""
        return self.processor(
            text=list(texts),
            padding=TEXT_PADDING[self.family],
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="pt",
        )

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text the checkpoint reads."""
        return self.within.config.text_config.max_position_embeddings

    def count_cut(self, pairs: Sequence[SearchPair]) -> int:
        """How many captions are longer than that."""
        texts = [pair.caption for pair in pairs]
        return sum(len(ids) > self.max_tokens for ids in self.processor(text=texts)["input_ids"])


def pooled(found: Any) -> Tensor:
    """A tower's output -> (B, D) in the common space."""
    return found if isinstance(found, Tensor) else found.pooler_output


def load_towers(config: FinetuningConfig, device: torch.device) -> TwoTowers:
    """The checkpoint of --model in float32. UserError where it is none of two towers."""
    from transformers import AutoConfig, AutoModel, AutoProcessor

    folder = expanded(config.model)
    name = str(folder) if folder.is_dir() else config.model
    found: dict[str, Any] = {"local_files_only": folder.is_dir(), "trust_remote_code": False}
    try:
        family = AutoConfig.from_pretrained(name, **found).model_type
        if family not in TEXT_PADDING:
            raise UserError(
                f"{config.model} is of the family {family}, which has no two towers to bring "
                f"together; --objective contrastive teaches {', '.join(TEXT_PADDING)}"
            )
        processor = AutoProcessor.from_pretrained(name, **found)
        model = AutoModel.from_pretrained(name, dtype=torch.float32, **found)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"{config.model} cannot be loaded ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}): name the folder or hub name of a checkpoint "
            "of the CLIP or SigLIP family with --model"
        ) from error
    return TwoTowers(processor, model.to(device).eval())


def read_search_pairs(
    collection: Collection, most: int = 0
) -> tuple[list[SearchPair], list[SearchPair]]:
    """The captioned pairs of a collection, to train and to search. most: of training, 0 for all.

    UserError where there are fewer than two of either: nothing could be told apart.
    """
    splits = []
    for rows in collection.read_captions():
        captioned = [row for row in rows if row["caption"]]
        splits.append([SearchPair(collection.picture(row), row["caption"]) for row in captioned])
    train, val = splits[0][: most or None], splits[1][:MAX_SEARCHED]
    if min(len(train), len(val)) < 2:
        raise UserError(
            f"{collection.style} has {len(train)} captioned pictures to train and {len(val)} to "
            "search, and each needs two: caption more: "
            f"{collection.deal_command(collection.read_metadata())}"
        )
    return train, val


def tower_modules(model: nn.Module, parts: Sequence[str]) -> list[str]:
    """Full names of the linear layers of the towers that `parts` name, as peft takes them.

    Not those inside torch's own attention, which calls its weights without calling the layer.
    """
    wanted = tuple(name for part in parts for name in TOWER_NAMES.get(part, ()))
    closed = tuple(
        f"{name}."
        for name, module in model.named_modules()
        if isinstance(module, nn.MultiheadAttention)
    )
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and name.split(".")[0] in wanted
        and not name.startswith(closed or ("\0",))
    ]


def equal_captions(pairs: Sequence[SearchPair]) -> Tensor:
    """(B, B) bool: which pairs have the same caption, each with itself among them."""
    captions = [pair.caption for pair in pairs]
    known = torch.tensor([captions.index(caption) for caption in captions])
    return known[:, None] == known[None]


def contrastive_loss(towers: TwoTowers, pairs: Sequence[SearchPair]) -> Tensor:
    """The family's own loss of a batch of B true pairs, in nats, a scalar.

    Another picture with the same caption is neither a true pair nor a false one: it does not count.
    """
    images = towers.image_features(pairs)  # (B, D)
    texts = towers.text_features(pairs)  # (B, D)
    model = towers.within
    logits = images @ texts.T * model.logit_scale.exp()  # (B, B)
    same = equal_captions(pairs).to(logits.device)
    own = torch.eye(len(pairs), dtype=torch.bool, device=logits.device)
    twin = same & ~own
    if hasattr(model, "logit_bias"):
        signs = own.float() * 2 - 1
        losses = -F.logsigmoid(signs * (logits + model.logit_bias))
        return losses.masked_fill(twin, 0).sum() / len(pairs)
    logits = logits.masked_fill(twin, float("-inf"))
    partner = torch.arange(len(pairs), device=logits.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


@dataclass(frozen=True)
class Retrieval:
    """How well captions are found by their pictures, and pictures by their captions."""

    # {"image to text, 1": share of searches whose first answer is right, …}
    shares: dict[str, float]
    # the same of a blind guess
    chance: dict[str, float]
    searched: int

    @property
    def mean(self) -> float:
        """Of both directions at depth 1: what decides which adapter is kept."""
        return (self.shares["image to text, 1"] + self.shares["text to image, 1"]) / 2

    def line(self) -> str:
        """All figures, for the screen."""
        return "; ".join(f"{name}: {share:.3f}" for name, share in self.shares.items())


@torch.no_grad()
def measure_retrieval(
    towers: TwoTowers, pairs: Sequence[SearchPair], *, batch_size: int
) -> Retrieval:
    """Searches all pairs. An answer is right where its caption is the wanted one."""
    towers.model.eval()
    batches = list(chunks(list(pairs), batch_size))
    images = torch.cat([towers.image_features(batch) for batch in batches])  # (N, D)
    texts = torch.cat([towers.text_features(batch) for batch in batches])  # (N, D)
    similarity = (images @ texts.T).cpu()  # (N, N)
    right = equal_captions(pairs)
    shares = {}
    for name, scores in (("image to text", similarity), ("text to image", similarity.T)):
        for depth in DEPTHS:
            found = right.gather(1, scores.topk(min(depth, len(pairs))).indices)
            shares[f"{name}, {depth}"] = float(found.any(dim=1).float().mean())
    guesses = {depth: chance_of(right, depth) for depth in DEPTHS}
    chance = {name: guesses[int(name.rpartition(" ")[2])] for name in shares}
    return Retrieval(shares, chance, len(pairs))


def chance_of(right: Tensor, depth: int) -> float:
    """The share of searches that a blind guess of `depth` different answers gets right.

    right: (N, N) bool, which answers are right.
    """
    count = right.shape[0]
    wrong = count - right.sum(dim=1).double()  # (N,)
    missed = torch.ones(count, dtype=torch.float64)
    for number in range(min(depth, count)):
        missed *= (wrong - number).clamp(min=0) / (count - number)
    return float((1 - missed).mean())
