"""Shares of the pictures, for captioners on several machines or processes side by side."""

import os
import shlex

from oneseed.config.captioning import WITHOUT_MODEL, CaptionConfig
from oneseed.config.shards import Shard, parse_shard
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.commands import script_command
from oneseed.dataset.shard_notes import ShardNotes, order_of
from oneseed.file_names import safe_name


def share_of(config: CaptionConfig) -> Shard | None:
    """The share that this run captions alone, by --shard or as one of torchrun's ranks.

    None where it captions all pictures and gathers what the shares wrote, as 1/1 does, too.
    UserError where there is nothing for a model to write.
    """
    ranks = int(os.environ.get("WORLD_SIZE") or 1)
    if config.shard and ranks > 1:
        raise UserError("torchrun shares the pictures out itself: leave --shard out")
    share = parse_shard(config.shard)
    if ranks > 1:
        share = Shard(int(os.environ["RANK"]) + 1, ranks)
    if share.is_whole:
        return None
    if not config.has_model or config.review:
        raise UserError(
            "a share of the pictures is work for a captioner alone: leave --captioner "
            f"{', '.join(WITHOUT_MODEL)} and --review to a run without --shard and torchrun"
        )
    return share


def caption_notes(collection: Collection, config: CaptionConfig) -> ShardNotes:
    """Which shares of the captions have begun, and which are done."""
    return ShardNotes(
        collection.train.parent,
        f"{safe_name(collection.style)}_captions",
        order_of(config, "review", "captioner_model"),
        gathering_command(config),
        config.shard,
    )


def gathering_command(config: CaptionConfig, server_model: str = "") -> str:
    """The command that makes pairs of what all shares wrote.

    server_model: the model that the server named, so that the command need not ask it.
    """
    values = {
        "style": config.style,
        "captioner": config.captioner,
        "captioner-model": server_model or config.captioner_model,
        "captions": config.captions,
        "caption-kind": config.caption_kind,
        "max-new-tokens": config.max_new_tokens,
        "max-samples": config.max_samples,
        "data": config.data,
    }
    defaults = {
        "captioner": CaptionConfig.captioner,
        "captioner-model": CaptionConfig.captioner_model,
        "captions": CaptionConfig.captions,
        "caption-kind": CaptionConfig.caption_kind,
        "max-new-tokens": CaptionConfig.max_new_tokens,
        "max-samples": CaptionConfig.max_samples,
        "data": CaptionConfig.data,
    }
    words = [script_command("caption_generation.py")]
    for name, value in values.items():
        if value != defaults.get(name):
            words.append(f"--{name} {shlex.quote(str(value))}")
    if config.recaption:
        words.append("--recaption")
    return " ".join(words)
