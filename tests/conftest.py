"""What several test files need: the project on the import path, and small fakes."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session")
def tiny_blip2():
    """tiny_blip2(path): saves an untrained BLIP-2 of 82 thousand parameters and its processor there, without network -> path."""

    def build(path):
        import torch
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor, PreTrainedTokenizerFast
        words = Tokenizer(models.BPE(unk_token=None))
        words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        words.train_from_iterator(["an engraving of a castle on a hill", "a drawing of two ships"] * 4,
                                  trainers.BpeTrainer(vocab_size=400, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
                                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
        processor = Blip2Processor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer, num_query_tokens=4)
        size, shape = len(processor.tokenizer), dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
        config = Blip2Config(vision_config=dict(**shape, intermediate_size=64, image_size=32, patch_size=8),
                             qformer_config=dict(**shape, intermediate_size=64, encoder_hidden_size=32, vocab_size=size),
                             text_config=dict(**shape, model_type="opt", vocab_size=size, ffn_dim=64, word_embed_proj_dim=32,
                                              max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2),
                             num_query_tokens=4, image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = Blip2ForConditionalGeneration(config)
        model.generation_config.pad_token_id, model.generation_config.eos_token_id = 0, 2
        model.save_pretrained(path)
        processor.save_pretrained(path)
        return path

    return build


def tiny_config(**changes):
    """A real model that trains in seconds: 32 px grey, latent 32."""
    from settings import ModelConfig
    return ModelConfig(**{**dict(preset="small", image_size=32, channels=1, latent_dim=32, patch=2, width=16, max_width=32, neck=8, vocab_size=320,
                                 max_caption_length=48, text_width=32, text_layers=2, text_heads=2, flow_dims=8, flow_width=32), **changes})


CAPTIONS = ["An engraving of a ship.", "An engraving of two ships by the sea.", "An engraving showing a castle.", "An engraving depicting an elephant.",
            "An engraving of a tent, in stipple.", "An engraving of three trees.", "An engraving showing a large bridge.", "An engraving of a windmill at night."]


@pytest.fixture
def tiny_model():
    """An untrained tiny model whose last layers are not zero, so that outputs depend on what they should."""
    import torch
    from model_architecture import MultimodalModel
    from tokenizer import Tokenizer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MultimodalModel(tiny_config(), Tokenizer.train(CAPTIONS, 320)).eval()
        torch.nn.init.normal_(model.image_decoder.layers[-1].weight, std=0.2)
        for last in (model.sampler.flow.outward, model.sampler.regression[-1]):
            torch.nn.init.normal_(last.weight, std=0.02)
    return model


@pytest.fixture(scope="session")
def builtin_data(tmp_path_factory):
    """A data folder with forty prepared and captioned built-in pictures of 32 px -> its path."""
    import caption_generation
    import dataset_preparation
    from settings import CaptionConfig, PrepareConfig
    data = tmp_path_factory.mktemp("builtin") / "data"
    dataset_preparation.main(PrepareConfig(source="builtin", preset="small", image_size=32, max_samples=40, smallest=16, workers=1, data=str(data)))
    caption_generation.main(CaptionConfig(style="builtin", data=str(data)))
    return data


@pytest.fixture(scope="session")
def tiny_run(builtin_data, tmp_path_factory):
    """A finished training run of the tiny model on builtin_data -> its checkpoint folder."""
    import training_loop
    from settings import TrainConfig
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    training_loop.main(tiny_config(vocab_size=0), TrainConfig(style="builtin", preset="small", num_epochs=2, batch_size=8, sampler_steps=40, checkpoint_every=1,
                                                              data=str(builtin_data), checkpoints=str(folder), device="cpu"))
    return folder
