"""Fragments of captions, as people type prompts, and how the text encoder learns to read them.

In training the text encoder meets whole captions alone. A fragment it then takes for something
else: "a tiny tent" for a large one, in 88 of 100 seeds. So at the end of a run, when pictures have
their codes, it goes on with fragments among its captions, by the same contrast.
"""

import re

import torch
from torch import Tensor, nn

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import PAD
from oneseed.seeds import torch_generator
from oneseed.training.losses import info_nce

# how captions begin; see dataset/wording.py
OPENING = re.compile(r"An? \w+ (?:of|depicting|showing) ")
# a word, and what stands before it
WORD_WITH_GAP = re.compile(r"(?P<gap>\s*)(?P<word>\S+)")
# runs of words that a fragment keeps, at most
MAX_RUNS = 4
# words of a run, on average
MEAN_RUN = 3.3
# share of the fragments that begin as captions do; prompts are worded so
OPENED_SHARE = 0.8
# share of the fragments whose runs stand in another order
REORDERED_SHARE = 0.3
# pairs per step, every other with its whole caption
FRAGMENT_BATCH = 64
# times that the text encoder sees each caption
FRAGMENT_PASSES = 12
# most steps, where captions are many
MAX_STEPS = 1_000
# peak of the learning rate, after so many steps
LEARNING_RATE = 1e-3
RISING_STEPS = 50


def fragment(caption: str, generator: torch.Generator) -> str:
    """One to MAX_RUNS runs of a caption's words, most often below its opening. Never empty.

    Words are joined by what stands between them and the word before: a blank, and in code a line
    end with its indentation. Without its opening it begins with a blank: within a caption words
    have other tokens than at its beginning.
    """
    found = OPENING.match(caption)
    opening = found.group() if found else ""
    words = list(WORD_WITH_GAP.finditer(caption, len(opening)))
    if not words:
        return caption
    is_opened, is_reordered = torch.rand(2, generator=generator)
    count = int(torch.randint(1, MAX_RUNS + 1, (1,), generator=generator))
    starts = torch.randint(len(words), (count,), generator=generator).tolist()
    lengths = torch.empty(count).geometric_(1 / MEAN_RUN, generator=generator).int().tolist()
    if is_reordered > REORDERED_SHARE:
        starts.sort()
    # each word once
    kept = dict.fromkeys(
        place
        for start, length in zip(starts, lengths)
        for place in range(start, min(start + length, len(words)))
    )
    joined = "".join((words[i]["gap"] or " ") + words[i]["word"] for i in kept).lstrip()
    return (opening if is_opened < OPENED_SHARE else " ") + joined


def teach_fragments(
    model: MultimodalModel, captions: list[str], codes: Tensor, *, temperature: float, seed: int
) -> None:
    """Train the text encoder further, on whole captions and fragments of them; repeatable.

    captions: N texts; codes: (V N, D), of V views of their pictures, without noise.
    temperature: of the contrast. UserError where the loss is not finite.
    """
    encoder = model.text_encoder
    generator = torch_generator(seed, "fragments")
    batch = min(FRAGMENT_BATCH, len(captions))
    steps = min(MAX_STEPS, -(-FRAGMENT_PASSES * len(captions) // batch))
    weights = encoder.parameters()
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.02, fused=True)
    encoder.train()
    for step in progress(range(steps), label="reading fragments", unit="step"):
        scale = min(1, (step + 1) / RISING_STEPS, 2 * (1 - step / steps))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * scale
        rows = torch.randint(len(captions), (batch,), generator=generator)
        texts = [captions[row] for row in rows.tolist()]
        texts[::2] = [fragment(text, generator) for text in texts[::2]]
        views = torch.randint(len(codes) // len(captions), (batch,), generator=generator)
        noise = torch.randn(batch, codes.shape[1], generator=generator)
        viewed = codes[views * len(captions) + rows]
        noised = (viewed + model.config.code_noise * noise).to(model.device)
        loss = info_nce(noised, encoder(padded_tokens(model, texts)), temperature)
        if not loss.isfinite():
            raise UserError(
                f"the loss of fragments is no longer a number at step {step} of {steps}; "
                "train anew with another --seed and --fresh",
                code=1,
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    encoder.eval()


def padded_tokens(model: MultimodalModel, texts: list[str]) -> Tensor:
    """B texts -> their tokens (B, T) on the model's device, padded."""
    max_length = model.config.max_caption_length
    ids = [torch.tensor(model.tokenizer.encode(text, max_length)) for text in texts]
    tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
    return tokens.to(model.device)
