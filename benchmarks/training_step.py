"""What one training step costs here: pictures per second, peak memory, and the share of each part.

    python -m benchmarks.training_step                             # small preset, its own batch
    python -m benchmarks.training_step --preset full --batch-size 2
"""
if __name__ == "__main__":                                              # --help answers before torch loads
    from dataclasses import dataclass

    from cli import option, parse
    from settings import PRESETS, ModelConfig, TrainConfig

    @dataclass(frozen=True)
    class StepConfig:
        steps: int = option(8, "steps that are timed, after two that are not")

    CONFIGS = parse(ModelConfig, TrainConfig, StepConfig, description=__doc__, presets=PRESETS)

import time

import numpy as np
import torch

from batches import PairLoader
from cli import run
from model_architecture import MultimodalModel, pick_device
from optimizers import trained
from training_loop import MultimodalTrainer, resolved


def peak_memory(device):
    """Bytes: of this process since it began, or of the GPU's allocator."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    import resource                                                     # not on Windows
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(model_config, config, options):
    device = pick_device(config.device)
    model_config = resolved(model_config, config.style, 600, config.parameters)
    random, size, batch = np.random.default_rng(0), model_config.image_size, config.batch_size
    pixels = random.integers(0, 256, (batch, size, size) + (3,) * (model_config.channels == 3), dtype=np.uint8)
    tokens = [[1, *random.integers(4, 260, 28).tolist(), 2] for _ in range(batch)]
    loader = PairLoader(pixels, range(batch), tokens, batch, model_config.channels)
    trainer = MultimodalTrainer(MultimodalModel(model_config), loader, loader, config, device)
    images, tokens, _ = loader.batch(np.arange(batch))
    images, tokens = images.to(device), tokens.to(device)

    def seconds(work):
        for _ in range(2):
            work()
        begin = time.perf_counter()
        for _ in range(options.steps):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / options.steps

    whole = seconds(lambda: trainer.step(images, tokens, 0, 1000))
    code = torch.randn(batch, model_config.latent_dim, device=device)
    parts = {
        "image encoder": lambda: trainer.model.image_encoder(images).sum().backward(),
        "image decoder": lambda: (trainer.model.image_decoder(code) - images).abs().mean().backward(),
        "text decoder": lambda: trainer.model.text_decoder(code, tokens)[..., 4:260].logsumexp(-1).mean().backward(),
        "text encoder": lambda: trainer.model.text_encoder(tokens).sum().backward(),
        "optimisers": lambda: [optimizer.step() for optimizer in trainer.optimizers],
    }
    print(f"{model_config.preset} preset, {size} px, batch {batch}, {sum(weight.numel() for weight in trained(trainer.model)) / 1e6:.1f} M trained parameters, {device}")
    print(f"  whole step      {whole * 1e3:8.1f} ms   {batch / whole:7.1f} pictures/s   peak memory {peak_memory(device) / 2**30:.2f} GiB")
    for name, work in parts.items():
        share = seconds(work)
        print(f"  {name:<15} {share * 1e3:8.1f} ms   {share / whole:6.0%}")


if __name__ == "__main__":
    run(main, *CONFIGS)
