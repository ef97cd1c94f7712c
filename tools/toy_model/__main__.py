"""Make the model: ``PYTHONPATH=tools python -m toy_model --out models/airouter-toy/airouter-toy.gguf``."""

import argparse
import itertools
import random
import time
from pathlib import Path

from toy_model import corpus
from toy_model.export import as_stored, export, read_weights
from toy_model.model import Shape, begin
from toy_model.tokenizer import Tokenizer, learn_pieces
from toy_model.train import Plan, train

STEPS = (2300, 1300)
PIECES = 1100
DIALOGUES_FOR_PIECES = 8000


def make_tokenizer(seed: int) -> Tokenizer:
    """Learn the word pieces from a sample of the corpus."""
    sample = itertools.islice(corpus.dialogues(random.Random(seed)), DIALOGUES_FOR_PIECES)
    return Tokenizer(tuple(learn_pieces((dialogue.written() for dialogue in sample), PIECES)))


def main() -> None:
    """Corpus, tokenizer, training, file."""
    parser = argparse.ArgumentParser(prog="toy_model", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    parser.add_argument(
        "--steps",
        type=int,
        nargs=2,
        default=STEPS,
        metavar=("FIRST", "SECOND"),
        help="training steps (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=Plan.seed, help="seed of everything (default: %(default)s)")
    parser.add_argument("--first-round", type=Path, help="a file that ended the first round; only the second is run")
    arguments = parser.parse_args()
    first, second = arguments.steps
    started = time.monotonic()
    tokenizer = make_tokenizer(arguments.seed)
    shape = Shape(vocabulary=len(tokenizer.vocabulary))
    if arguments.first_round:
        weights = read_weights(arguments.first_round)
    else:
        plan = Plan(steps=first, seed=arguments.seed)
        weights, _ = train(begin(shape, plan.seed), tokenizer, shape, plan)
        # Rounded as in a file, so that it makes no difference whether the second round goes on from one.
        weights = as_stored(weights)
        export(arguments.out.with_suffix(".first.gguf"), weights, shape, tokenizer)
    # A second, gentler round on new conversations, from where the first one ended.
    plan = Plan(steps=second, seed=arguments.seed + 1, matrix_rate=0.012, other_rate=2.4e-3)
    weights, loss = train(weights, tokenizer, shape, plan)
    export(arguments.out, weights, shape, tokenizer)
    count = sum(weight.size for weight in weights.values())
    print(f"{arguments.out}: {count} parameters, loss {loss:.4f}, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
