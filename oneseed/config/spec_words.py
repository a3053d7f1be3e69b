"""The words of a spec in one file, and what they mean here."""

# keys that tell of a spec and set nothing
DESCRIBING_KEYS = (
    *("metagen_version", "spec_version", "version", "name", "description", "task", "author"),
    *("authors", "license", "licence", "tags", "metadata", "notes"),
)
# what outputs and inputs may be -> what is made here; None: the caption, which always comes
KNOWN_MODALITIES = {
    **dict.fromkeys(("image", "images", "picture", "vision"), "picture"),
    **dict.fromkeys(("audio", "sound", "speech", "music"), "sound"),
    **dict.fromkeys(("video", "videos", "clip", "animation"), "clip"),
    **dict.fromkeys(("text", "caption", "language"), None),
}
# presets by what they are for
PRESET_OF_INTENT = {"fast": "small", "balanced": "medium", "quality": "full"}
ENCODER_OF_FAMILY = {"cnn": "cnn", "transformer": "vit", "hybrid": "vit", "vit": "vit"}
OTHER_FAMILIES = {
    "transformer": "the networks that draw are convolutional in every family; hybrid is the word "
    "for a transformer that looks and convolutions that draw",
    "diffusion": "pictures are drawn by a flow in passes, and seeds become codes by another: that "
    "is the nearest of kin here",
    "flow": "pictures are drawn by a flow in passes, which every family does",
    **dict.fromkeys(
        ("gan", "rnn", "mamba", "moe", "gnn"), "there is no such family here; hybrid is taken"
    ),
}
TRAINED_OBJECTIVES = {
    **dict.fromkeys(("reconstruction", "denoising", "flow_matching"), "reconstruction"),
    **dict.fromkeys(
        ("autoregressive", "captioning", "language_modeling", "next_token"), "captions"
    ),
    **dict.fromkeys(("contrastive", "infonce", "clip"), "contrast"),
}
# settings of sounds and clips that are fixed -> their value
FIXED = {
    "sample_rate": 16_000,
    "hop_length": 256,
    "win_length": 1024,
    "n_fft": 1024,
    "num_frames": 16,
    "frame_rate": 8,
    "fps": 8,
}
