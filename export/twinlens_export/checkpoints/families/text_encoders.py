"""The text encoders BERT, XLM-RoBERTa and DistilBERT, under their names in transformers.

They lie beneath a prefix, and what pools and projects their tokens differs by the library.
"""

# ruff: noqa: S106  a token embedding is no password

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from twinlens_export.checkpoints.families.family import LayerNames, TextNames

BERT: Final = TextNames(
    token_embedding="embeddings.word_embeddings.weight",
    position_embedding="embeddings.position_embeddings.weight",
    token_type_embedding="embeddings.token_type_embeddings.weight",
    input_norm="embeddings.LayerNorm",
    layers="encoder.layer",
    layer=LayerNames(
        attention_norm="attention.output.LayerNorm",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        out_proj="attention.output.dense",
        mlp_norm="output.LayerNorm",
        fc1="intermediate.dense",
        fc2="output.dense",
    ),
    output_norm="",
    projection="",
    attention_mask="padding",
    pooling="mean",
    post_norm=True,
)
ROBERTA: Final = replace(BERT, position_offset=2)
"""Its first token has position 2: the padding id, which is 1, and 1 more."""
_DISTILBERT: Final = replace(
    BERT,
    token_type_embedding="",
    layers="transformer.layer",
    layer=LayerNames(
        attention_norm="sa_layer_norm",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        out_proj="attention.out_lin",
        mlp_norm="output_layer_norm",
        fc1="ffn.lin1",
        fc2="ffn.lin2",
    ),
)
TEXT_ENCODERS: Final[Mapping[str, TextNames]] = {
    "bert": BERT,
    "distilbert": _DISTILBERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
}
"""Names of the weights of each encoder, by the `model_type` of its config.json."""


def beneath(names: TextNames, prefix: str) -> TextNames:
    """Return the same names beneath a prefix, such as "text_model."."""

    def below(name: str) -> str:
        return f"{prefix}{name}" if name else ""

    return replace(
        names,
        token_embedding=below(names.token_embedding),
        position_embedding=below(names.position_embedding),
        token_type_embedding=below(names.token_type_embedding),
        input_norm=below(names.input_norm),
        layers=below(names.layers),
    )
