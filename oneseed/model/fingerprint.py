"""The fingerprint of a model: one hash of all that decides what it gives.

Cards and indexes carry it, so that a pair is only checked against the model that made it.
"""

import hashlib
import json
from dataclasses import asdict

import torch

from oneseed.config.model import FROZEN, LANGUAGE_SETTINGS, OWN_TEXT_DECODER
from oneseed.config.options import PLAIN
from oneseed.model import caption_source
from oneseed.model.autoencoder import Autoencoder

# settings that models before version 0.4 do not have
FLOW_SETTINGS = ("blocks", "image_networks")
# … and those that only models with a frozen picture encoder have
FROZEN_SETTINGS = ("encoder_sha256", "encoder_width")


def fingerprint_of(model: Autoencoder) -> str:
    """SHA-256, in hex, of all that decides what a seed, a prompt or a picture gives.

    That is the weights, the configuration, the vocabulary, the names of the styles, where captions
    come from, and how seeds are finished. What is only said about the model, such as its health,
    does not count.
    """
    settings = asdict(model.config)
    if model.config.encoder != FROZEN:
        settings = {name: settings[name] for name in settings if name not in FROZEN_SETTINGS}
    if model.config.text_decoder == OWN_TEXT_DECODER:
        settings = {name: settings[name] for name in settings if name not in LANGUAGE_SETTINGS}
    if model.config.image_networks == "regression":
        # the cards of before 0.4 stay true
        settings = {name: settings[name] for name in settings if name not in FLOW_SETTINGS}
    facts = [settings, model.tokenizer.json, model.meta.get("styles")]
    source = caption_source.source_of(model.meta)
    if source != caption_source.DECODER:
        facts.append([source, model.caption_book and model.caption_book.captions])
    if model.finish != PLAIN:
        facts.append(model.finish)
    if "truncation" in model.meta:
        facts.append(["truncation", model.meta["truncation"]])
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if name != "_extra_state":
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
