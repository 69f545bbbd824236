"""The text towers of multilingual-clip: XLM-RoBERTa or BERT, mean pooling, a linear map."""

from collections.abc import Mapping
from typing import Any, Final

import torch
import transformers

from twinlens.errors import quoted
from twinlens_export.checkpoints.hub_files import CONFIG, json_of, path_of, read_part
from twinlens_export.checkpoints.kinds.text_encoder import EncoderParts, loaded_encoder
from twinlens_export.checkpoints.loaded import LoadedCheckpoint
from twinlens_export.checkpoints.weights.pretrained import load_part
from twinlens_export.checkpoints.weights.tensors import read_tensors
from twinlens_export.errors import CheckpointError

MODEL_TYPE: Final = "M-CLIP"
"""`model_type` of its config.json."""
ENCODER: Final = "transformer."
PROJECTION: Final = "LinearTransformation."
"""Prefixes of its weights."""
HEAD_WIDTH: Final = 64
"""Of the encoders that it was trained from: XLM-RoBERTa, LaBSE, and multilingual BERT."""
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
CURE: Final = "give a whole folder of multilingual-clip, with its tokenizer"


def load_multilingual_clip(checkpoint: str) -> LoadedCheckpoint:
    """Load a text tower of multilingual-clip.

    Its config.json names the encoder that it was trained from; sizes are those of the weights.

    Raises:
        CheckpointError: it cannot be read or fetched, or is of another encoder.
    """
    document = json_of(checkpoint, CONFIG) or {}
    path = next((found for name in WEIGHTS if (found := path_of(checkpoint, name))), None)
    if path is None:
        raise CheckpointError(f"{quoted(checkpoint)} has none of {', '.join(WEIGHTS)}; {CURE}")
    state = read_part(checkpoint, "weights", CURE, lambda: read_tensors(path))
    encoder = _beneath(state, ENCODER)
    tokenizer = load_part(checkpoint, "tokenizer", "AutoTokenizer")
    config = _config(str(document.get("modelBase", "")), encoder, tokenizer)
    model = read_part(checkpoint, "weights", CURE, lambda: _model(config, encoder))
    return loaded_encoder(
        EncoderParts(
            place=checkpoint,
            config=config,
            model=model,
            tokenizer=tokenizer,
            pooling="mean",
            projection=_beneath(state, PROJECTION),
        )
    )


def _beneath(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in state.items()
        if name.startswith(prefix) and tensor.is_floating_point()
    }


def _config(base: str, encoder: Mapping[str, torch.Tensor], tokenizer: Any) -> Any:  # noqa: ANN401
    """Return the configuration of the encoder: its kind by its base's name, else by its weights."""
    words = encoder.get("embeddings.word_embeddings.weight")
    if words is None:
        raise CheckpointError(
            f"the checkpoint has no weight {ENCODER}embeddings.word_embeddings.weight; {CURE}"
        )
    types = len(encoder["embeddings.token_type_embeddings.weight"])
    is_roberta = "xlm-r" in base.lower() or (not base and types == 1)
    if not (is_roberta or "bert" in base.lower() or "labse" in base.lower()):
        raise CheckpointError(
            f"the text tower is trained from {quoted(base)}; XLM-RoBERTa, LaBSE and BERT are "
            "supported"
        )
    kind = transformers.XLMRobertaConfig if is_roberta else transformers.BertConfig
    return kind(
        vocab_size=len(words),
        hidden_size=words.shape[1],
        num_hidden_layers=sum(name.endswith("attention.self.query.weight") for name in encoder),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=len(encoder["encoder.layer.0.intermediate.dense.weight"]),
        max_position_embeddings=len(encoder["embeddings.position_embeddings.weight"]),
        type_vocab_size=types,
        layer_norm_eps=1e-5 if is_roberta else 1e-12,
        pad_token_id=tokenizer.pad_token_id,
    )


def _model(config: Any, encoder: Mapping[str, torch.Tensor]) -> Any:  # noqa: ANN401
    kind = transformers.AutoModel.from_config(
        config, add_pooling_layer="pooler.dense.weight" in encoder
    )
    kind.load_state_dict(dict(encoder), strict=True)
    return kind.eval()
