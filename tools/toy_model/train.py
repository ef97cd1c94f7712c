"""Training: batches of packed conversations, Muon and Adam, and a rate that rises, then falls to nothing.

Matrices are moved by Muon, which makes every direction of a step equally long; in so few steps it learns more than
Adam does, for a fifth more work. The embedding and the norms, for which that makes no sense, are moved by Adam.
"""

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from toy_model import chat, corpus
from toy_model.chat import Dialogue
from toy_model.model import Shape, Weights, logits, states
from toy_model.tokenizer import BEGIN, Tokenizer

LEARNED_SHARE = 0.5


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train in one round."""

    steps: int = 2300
    seed: int = 20261123
    tokens_per_step: int = 2048
    # Nearly every conversation fits the short rows, where attention is cheap; the others go to the long rows.
    row_lengths: tuple[int, ...] = (96, 320)
    matrix_rate: float = 0.02
    other_rate: float = 4e-3
    warmup: int = 60
    matrix_decay: float = 0.02
    matrix_momentum: float = 0.95
    first_momentum: float = 0.9
    second_momentum: float = 0.98


class Batch(NamedTuple):
    """Rows of tokens, and the places whose next token the model shall learn to say.

    Only about a third of the places are learned, so the costly product with the vocabulary is made for those alone.
    """

    tokens: Array | np.ndarray
    segments: Array | np.ndarray
    positions: Array | np.ndarray
    places: Array | np.ndarray  # flat indices; as many as LEARNED_SHARE allows, so that the shape is always the same
    wanted: Array | np.ndarray
    counts: Array | np.ndarray  # 1, or 0 where there were fewer places


def tokenise(tokenizer: Tokenizer, dialogue: Dialogue) -> tuple[list[int], list[bool]]:
    """The tokens of a conversation, and which of them the model shall learn to say."""
    numbers, learned = [tokenizer.ids[BEGIN]], [False]
    for span in chat.render(dialogue.turns, dialogue.tools):
        found = tokenizer.encode(span.text)
        numbers += found
        learned += [span.learned] * len(found)
    return numbers, learned


def batches(tokenizer: Tokenizer, plan: Plan) -> Iterator[Batch]:
    """Batches without end: conversations packed into rows, rows of one length gathered into a batch."""
    open_rows: dict[int, list[list[tuple[list[int], list[bool]]]]] = {length: [[]] for length in plan.row_lengths}
    for dialogue in corpus.dialogues(random.Random(plan.seed)):
        numbers, learned = tokenise(tokenizer, dialogue)
        length = next((length for length in plan.row_lengths if len(numbers) <= length), None)
        if length is None:
            continue
        rows = open_rows[length]
        place = next((row for row in rows[-8:] if sum(len(item[0]) for item in row) + len(numbers) <= length), None)
        if place is None:
            if len(rows) == plan.tokens_per_step // length:
                yield _batch(rows, length)
                rows = open_rows[length] = []
            place = []
            rows.append(place)
        place.append((numbers, learned))


def _batch(rows: list[list[tuple[list[int], list[bool]]]], length: int) -> Batch:
    tokens, segments, positions, learned = (np.zeros((len(rows), length + 1), np.int32) for _ in range(4))
    for row, items in enumerate(rows):
        end = 0
        for segment, (item_numbers, item_learned) in enumerate(items, start=1):
            start, end = end, end + len(item_numbers)
            tokens[row, start:end] = item_numbers
            segments[row, start:end] = segment
            positions[row, start:end] = np.arange(len(item_numbers))
            learned[row, start:end] = item_learned
    size = int(len(rows) * length * LEARNED_SHARE)
    found = np.flatnonzero(learned[:, 1:])[:size].astype(np.int32)
    places = np.zeros(size, np.int32)
    places[: len(found)] = found
    counts = (np.arange(size) < len(found)).astype(np.float32)
    return Batch(tokens[:, :-1], segments[:, :-1], positions[:, :-1], places, tokens[:, 1:].ravel()[places], counts)


def _loss(weights: Weights, shape: Shape, batch: Batch) -> Array:
    tokens, segments, positions, places, wanted, counts = (jnp.asarray(part) for part in batch)
    state = states(weights, shape, tokens, segments, positions)
    scores = logits(weights, state.reshape(-1, shape.width)[places])
    said = jnp.take_along_axis(scores, wanted[:, None], axis=-1)[:, 0]
    surprise = jax.nn.logsumexp(scores, axis=-1) - said
    return jnp.sum(surprise * counts) / jnp.sum(counts)


def _orthogonal(matrices: Array) -> Array:
    """Matrices with the same directions as the given ones and all singular values near 1 (Newton-Schulz)."""
    tall = matrices.shape[1] > matrices.shape[2]
    values = matrices.swapaxes(1, 2) if tall else matrices
    values = values / (jnp.linalg.norm(values, axis=(1, 2), keepdims=True) + 1e-9)
    for _ in range(5):
        square = values @ values.swapaxes(1, 2)
        values = 3.4445 * values + (-4.7750 * square + 2.0315 * square @ square) @ values
    return jnp.swapaxes(values, 1, 2) if tall else values


@partial(jax.jit, static_argnames=("shape", "plan"), donate_argnums=(0, 1, 2))
def _step(
    weights: Weights, first: Weights, second: Weights, batch: Batch, number: Array, shape: Shape, plan: Plan
) -> tuple[Weights, Weights, Weights, Array]:
    """One step. `first` and `second` are the running means of the slope and of its square."""
    loss, slopes = jax.value_and_grad(_loss)(weights, shape, batch)
    share = jnp.minimum((number + 1) / plan.warmup, (plan.steps - number) / max(1, plan.steps - plan.warmup))
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, slope in slopes.items():
        if name.startswith("blk.") and slope.ndim == 2:
            groups.setdefault(slope.shape, []).append(name)
            continue
        one, two = plan.first_momentum, plan.second_momentum
        first[name] = one * first[name] + (1 - one) * slope
        second[name] = two * second[name] + (1 - two) * slope * slope
        move = first[name] / (1 - one ** (number + 1)) / (jnp.sqrt(second[name] / (1 - two ** (number + 1))) + 1e-8)
        weights[name] = weights[name] - share * plan.other_rate * move
    for (rows, columns), members in groups.items():
        keep = plan.matrix_momentum
        for name in members:
            first[name] = keep * first[name] + (1 - keep) * slopes[name]
        ahead = jnp.stack([keep * first[name] + (1 - keep) * slopes[name] for name in members])
        moves = _orthogonal(ahead) * max(1, rows / columns) ** 0.5
        for name, move in zip(members, moves, strict=True):
            weights[name] = weights[name] - share * plan.matrix_rate * (move + plan.matrix_decay * weights[name])
    return weights, first, second, loss


def train(
    start: Mapping[str, np.ndarray], tokenizer: Tokenizer, shape: Shape, plan: Plan, report_every: int = 100
) -> tuple[dict[str, np.ndarray], float]:
    """Train on from the given weights; returns the new ones and the mean loss of the last hundred steps."""
    weights: Weights = {name: jnp.asarray(value, jnp.float32) for name, value in start.items()}
    first = {name: jnp.zeros_like(value) for name, value in weights.items()}
    second = {name: jnp.zeros_like(value) for name, value in weights.items()}
    losses: list[Array] = []
    started = time.monotonic()
    for number, batch in zip(range(plan.steps), batches(tokenizer, plan), strict=False):
        weights, first, second, loss = _step(weights, first, second, batch, jnp.float32(number), shape, plan)
        losses.append(loss)
        if (number + 1) % report_every == 0:
            recent = float(jnp.stack(losses[-report_every:]).mean())
            print(f"step {number + 1}: loss {recent:.4f}, {time.monotonic() - started:.0f} s", flush=True)
    return {name: np.asarray(value) for name, value in weights.items()}, float(jnp.stack(losses[-100:]).mean())
