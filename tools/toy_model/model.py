"""The network: a llama of a few layers in JAX, with its weights named and shaped as in the GGUF file."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Weights = dict[str, Array]


@dataclass(frozen=True)
class Shape:
    """The size of the network."""

    vocabulary: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    key_heads: int = 2
    inner: int = 384
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Channels per head; a multiple of 32, or llama.cpp cannot quantise its cache."""
        return self.width // self.heads


def begin(shape: Shape, seed: int) -> dict[str, np.ndarray]:
    """Random weights to start from. Matrices are (out, in), as in the file."""
    rng = np.random.default_rng(seed)
    keys = shape.head_width * shape.key_heads
    matrices = {"token_embd.weight": (shape.vocabulary, shape.width)}
    for layer in range(shape.layers):
        matrices |= {
            f"blk.{layer}.attn_q.weight": (shape.width, shape.width),
            f"blk.{layer}.attn_k.weight": (keys, shape.width),
            f"blk.{layer}.attn_v.weight": (keys, shape.width),
            f"blk.{layer}.attn_output.weight": (shape.width, shape.width),
            f"blk.{layer}.ffn_gate.weight": (shape.inner, shape.width),
            f"blk.{layer}.ffn_up.weight": (shape.inner, shape.width),
            f"blk.{layer}.ffn_down.weight": (shape.width, shape.inner),
        }
    weights: dict[str, np.ndarray] = {}
    for name, size in matrices.items():
        scale = 0.05 if name == "token_embd.weight" else size[1] ** -0.5
        if "attn_output" in name or "ffn_down" in name:
            scale /= (2 * shape.layers) ** 0.5
        weights[name] = (rng.standard_normal(size) * scale).astype(np.float32)
    for name in [
        "output_norm",
        *(f"blk.{layer}.{norm}" for layer in range(shape.layers) for norm in ("attn_norm", "ffn_norm")),
    ]:
        weights[f"{name}.weight"] = np.ones(shape.width, np.float32)
    return weights


def _normalise(values: Array, scale: Array, epsilon: float) -> Array:
    return values * jax.lax.rsqrt(jnp.mean(values * values, axis=-1, keepdims=True) + epsilon) * scale


def _rotate(values: Array, cosine: Array, sine: Array) -> Array:
    """Rotary position, on the pairs (0, 1), (2, 3), …: the order that llama.cpp uses for this architecture."""
    first, second = values[..., 0::2], values[..., 1::2]
    turned = jnp.stack([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
    return turned.reshape(values.shape)


def states(weights: Mapping[str, Array], shape: Shape, tokens: Array, segments: Array, positions: Array) -> Array:
    """The last hidden state at every place. A place sees earlier places of its own segment only."""
    batch, length = tokens.shape
    frequencies = shape.rope_base ** (-jnp.arange(0, shape.head_width, 2) / shape.head_width)
    angles = positions[:, None, :, None] * frequencies
    cosine, sine = jnp.cos(angles), jnp.sin(angles)
    causal = jnp.tril(jnp.ones((length, length), bool))
    visible = causal & (segments[:, :, None] == segments[:, None, :])
    barrier = jnp.where(visible, 0.0, -1e9)[:, None]
    group = shape.heads // shape.key_heads

    def split(values: Array, heads: int) -> Array:
        """(batch, place, heads x channels) as (batch, heads, place, channels), for plain batched products."""
        return values.reshape(batch, length, heads, shape.head_width).transpose(0, 2, 1, 3)

    state = weights["token_embd.weight"][tokens]
    for layer in range(shape.layers):
        of = {name.split(".")[2]: value for name, value in weights.items() if name.startswith(f"blk.{layer}.")}
        seen = _normalise(state, of["attn_norm"], shape.epsilon)
        query = _rotate(split(seen @ of["attn_q"].T, shape.heads), cosine, sine) * shape.head_width**-0.5
        key = _rotate(split(seen @ of["attn_k"].T, shape.key_heads), cosine, sine).repeat(group, axis=1)
        value = split(seen @ of["attn_v"].T, shape.key_heads).repeat(group, axis=1)
        attention = jax.nn.softmax(query @ key.swapaxes(2, 3) + barrier, axis=-1)
        mixed = (attention @ value).transpose(0, 2, 1, 3).reshape(batch, length, shape.width)
        state = state + mixed @ of["attn_output"].T
        seen = _normalise(state, of["ffn_norm"], shape.epsilon)
        state = state + (jax.nn.silu(seen @ of["ffn_gate"].T) * (seen @ of["ffn_up"].T)) @ of["ffn_down"].T
    return _normalise(state, weights["output_norm.weight"], shape.epsilon)


def logits(weights: Mapping[str, Array], state: Array) -> Array:
    """Scores of the next token; the embedding is read backwards, so there is no output matrix."""
    return state @ weights["token_embd.weight"].T
