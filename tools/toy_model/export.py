"""Write the trained model as a GGUF file that llama.cpp loads."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

from toy_model.chat import TEMPLATE
from toy_model.model import Shape
from toy_model.tokenizer import BEGIN, CONTROL, END, TOOL_MARKS, UNKNOWN, Tokenizer

CONTEXT = 4096
DESCRIPTION = (
    "A toy: a very small language model for trying and testing airouter. It knows a few dozen kinds of short question."
)


def token_types(tokenizer: Tokenizer) -> list[gguf.TokenType]:
    """What each token is; control tokens that are not marked so would be read as plain characters."""
    special = {UNKNOWN: gguf.TokenType.UNKNOWN, BEGIN: gguf.TokenType.CONTROL, END: gguf.TokenType.CONTROL}
    special |= dict.fromkeys(CONTROL, gguf.TokenType.CONTROL)
    special |= dict.fromkeys(TOOL_MARKS, gguf.TokenType.USER_DEFINED)
    special |= {f"<0x{octet:02X}>": gguf.TokenType.BYTE for octet in range(256)}
    return [special.get(text, gguf.TokenType.NORMAL) for text in tokenizer.vocabulary]


def token_scores(tokenizer: Tokenizer) -> list[float]:
    """Better pieces score higher and are joined first; single characters are never a result of joining."""
    rank = {piece: float(-number - 1) for number, piece in enumerate(tokenizer.pieces)}
    return [rank.get(text, -1e6) for text in tokenizer.vocabulary]


def as_stored(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights as the file holds them: llama.cpp aborts on norms that are not F32, all else is F16."""
    return {name: weight.astype(np.float32 if weight.ndim == 1 else np.float16) for name, weight in weights.items()}


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The weights of a file that `export` wrote."""
    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}


def export(path: Path, weights: Mapping[str, np.ndarray], shape: Shape, tokenizer: Tokenizer) -> None:
    """Write the file; the same input gives the same bytes."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("model")
    writer.add_name("airouter-toy")
    writer.add_description(DESCRIPTION)
    writer.add_license("Apache-2.0")
    writer.add_languages(["en"])
    writer.add_size_label(f"{sum(weight.size for weight in weights.values()) / 1e6:.1f}M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokenizer.vocabulary)
    writer.add_token_scores(token_scores(tokenizer))
    writer.add_token_types(token_types(tokenizer))
    writer.add_unk_token_id(tokenizer.ids[UNKNOWN])
    writer.add_bos_token_id(tokenizer.ids[BEGIN])
    writer.add_eos_token_id(tokenizer.ids[CONTROL[1]])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    # There is no output.weight: llama.cpp then reads the embedding for both ends.
    for name, weight in sorted(as_stored(weights).items()):
        writer.add_tensor(name, weight)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
