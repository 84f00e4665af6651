"""Connectionist temporal classification, as ``keras.backend`` of eras 1 and 2 offered it.

The network says for each step a probability of each class and, last, of a
blank. Many paths of classes mean one text: repeated classes count once, unless
a blank stands between them, and blanks are left out. Reference: Graves et al.
2006, "Connectionist temporal classification"; decoding by prefixes: Graves
2012, "Supervised sequence labelling with recurrent neural networks".
"""

import math
from typing import Any

import numpy as np

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core.symbolic import Call, is_symbolic, record, recording
from keraunos.core.variable import Variable
from keraunos.eras.graphs import recorded
from keraunos.utils import tree
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError

__all__ = ["ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse"]

_NEVER = -1e30  # a logarithm of 0 that can be subtracted from itself


@recorded
def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """Minus the logarithm of the probability of each text, ``(samples, 1)``.

    Args:
        y_true: Classes of the text, ``(samples, longest)``; what stands behind its end counts for nothing.
        y_pred: Probabilities ``(samples, steps, classes + 1)``, the blank last.
        input_length: Steps of each sample, ``(samples, 1)``.
        label_length: Classes of each text, ``(samples, 1)``.
    """
    labels, probabilities, steps, lengths = _given(y_true, y_pred, input_length, label_length)
    # What is not a probability for rounding, or for epsilon, is made one.
    return _cost(labels, K.log_softmax(K.log(probabilities + epsilon()), -1), steps, lengths)


@recorded
def ctc_batch_cost_theano(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """The same as Keras 1 and 2 had it on Theano, ``(1, samples)``.

    A ten-thousandth of each probability is shared evenly among the places of the text with its blanks, and the
    probabilities of the text are added up over the steps, all of which say the same.
    """
    labels, probabilities, steps, lengths = _given(y_true, y_pred, input_length, label_length)
    share = 1e-4 / K.cast(2 * lengths + 1, K.dtype(probabilities))
    logs = K.log((1 - 1e-4) * probabilities + K.expand_dims(share, -1))
    cost = _cost(labels, logs, steps, lengths) - K.log(K.cast(steps, K.dtype(logs)))
    return K.transpose(cost, (1, 0))


def _given(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> tuple[Any, ...]:
    """Classes, probabilities, steps ``(samples, 1)`` and lengths of texts ``(samples, 1)``."""
    y_true, y_pred, input_length, label_length = _values((y_true, y_pred, input_length, label_length))
    steps, lengths = (K.reshape(K.cast(K.array(x), "int32"), (-1, 1)) for x in (input_length, label_length))
    return K.cast(K.array(y_true), "int32"), K.array(y_pred), steps, lengths


def _cost(labels: Any, log_probabilities: Any, steps: Any, lengths: Any) -> Any:
    samples, longest = K.shape(labels)
    blank = K.shape(log_probabilities)[-1] - 1
    # The text with blanks around each class: a path stays, goes on by one, or by two over a blank between two classes
    # that are not the same.
    texts = K.clip(labels, 0, blank)
    places = K.reshape(K.stack([K.full_like(texts, blank), texts], 2), (samples, 2 * longest))
    places = K.concatenate([places, K.full((samples, 1), blank, "int32")], 1)
    before = K.concatenate([K.full((samples, 2), blank, "int32"), places[:, :-2]], 1)
    jumps = K.logical_and(K.not_equal(places, blank), K.not_equal(places, before))
    number = K.expand_dims(K.arange(2 * longest + 1), 0)

    def step(carry: Any, now: Any) -> Any:
        paths, time = carry
        said = K.take_along_axis(now, places, 1)
        one = K.concatenate([K.full((samples, 1), _NEVER), paths[:, :-1]], 1)
        two = K.concatenate([K.full((samples, 2), _NEVER), paths[:, :-2]], 1)
        new = K.logaddexp(K.logaddexp(paths, one), K.where(jumps, two, _NEVER)) + said
        return (K.where(K.less(time, steps), K.maximum(new, _NEVER), paths), time + 1), 0

    # A path begins with the first blank or with the first class.
    first = K.where(K.less(number, 2), K.take_along_axis(log_probabilities[:, 0], places, 1), _NEVER)
    (paths, _), _ = K.scan(step, (first, K.array(1, "int32")), K.transpose(log_probabilities[:, 1:], (1, 0, 2)))
    last = K.take_along_axis(paths, 2 * lengths, 1)
    before_last = K.where(K.greater(lengths, 0), K.take_along_axis(paths, K.maximum(2 * lengths - 1, 0), 1), _NEVER)
    return -K.logaddexp(last, before_last)


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Any:
    """The classes of the texts in one row, text by text; values only, since tensors are dense here.

    Args:
        labels: Classes ``(samples, longest)``.
        label_lengths: Classes of each text, ``(samples,)``.
    """
    if is_symbolic((labels, label_lengths)):
        spec = TensorSpec((None,), labels.dtype)
        return record(Call(_in_one_row, needs_values=True), (labels, label_lengths), {}, spec)
    return _in_one_row(labels, label_lengths)


def _in_one_row(labels: Any, lengths: Any) -> Any:
    rows = zip(*map(_numbers, (labels, lengths)), strict=True)
    return K.array(np.concatenate([row[: int(length)] for row, length in rows]))


def ctc_decode(
    y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[Any], Any]:
    """The most probable texts.

    Args:
        y_pred: Probabilities ``(samples, steps, classes + 1)``, the blank last.
        input_length: Steps of each sample, ``(samples,)``.
        greedy: Whether the text of the most probable path is taken; otherwise paths that mean one text are added up,
            and in every step the ``beam_width`` most probable texts go on.
        beam_width: How many texts go on.
        top_paths: How many texts to return, with a beam.

    Returns:
        A list of texts ``(samples, longest)``, filled up with -1, and their values ``(samples, texts)``: of the greedy
        one the sum of ``-log(probability)`` of its path; of the others the logarithm of their probability relative to
        the most probable path.
    """
    if top_paths > beam_width and not greedy:
        raise ArgumentError(f"ctc_decode: top_paths is {top_paths}, more than beam_width {beam_width}.")
    count = 1 if greedy else top_paths

    def decoded(y_pred: Any, input_length: Any) -> tuple[list[Any], Any]:
        logs = np.log(_numbers(y_pred) + epsilon())
        lengths = _numbers(input_length).reshape(-1)
        found = [
            _greedy(rows[: int(length)]) if greedy else _beam(rows[: int(length)], beam_width, count)
            for rows, length in zip(logs, lengths, strict=True)
        ]
        texts = [_filled([texts[place] for texts, _ in found]) for place in range(count)]
        return [K.array(text) for text in texts], K.array(np.array([values for _, values in found], "float32"))

    given = (y_pred, input_length)
    if is_symbolic(given) or (recording() and any(isinstance(x, Variable) for x in given)):
        samples = y_pred.shape[0]
        specs = ([TensorSpec((samples, None), "int32")] * count, TensorSpec((samples, count)))
        return record(Call(decoded, "ctc_decode", needs_values=True), given, {}, specs)  # type: ignore[no-any-return]
    return decoded(*given)


def _greedy(logs: np.ndarray) -> tuple[list[list[int]], list[float]]:
    path = logs.argmax(-1)
    return [_text(path, logs.shape[-1] - 1)], [-float(logs.max(-1).sum())]


def _text(path: Any, blank: int) -> list[int]:
    """What a path means."""
    return [int(c) for i, c in enumerate(path) if c != blank and (i == 0 or c != path[i - 1])]


def _beam(logs: np.ndarray, width: int, count: int) -> tuple[list[list[int]], list[float]]:
    blank = logs.shape[-1] - 1
    # Of each text: logarithms of its paths that end with a blank, and of those that end with its last class.
    texts: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for row in logs:
        row = row - row.max()
        new: dict[tuple[int, ...], list[float]] = {}
        for text, (with_blank, with_class) in texts.items():
            whole = np.logaddexp(with_blank, with_class)
            stays = new.setdefault(text, [-math.inf, -math.inf])
            stays[0] = np.logaddexp(stays[0], whole + row[blank])
            if text:
                stays[1] = np.logaddexp(stays[1], with_class + row[text[-1]])
            for c in range(blank):
                longer = new.setdefault((*text, c), [-math.inf, -math.inf])
                from_here = with_blank if text and text[-1] == c else whole
                longer[1] = np.logaddexp(longer[1], from_here + row[c])
        best = sorted(new.items(), key=lambda item: -np.logaddexp(item[1][0], item[1][1]))[:width]
        texts = {text: (values[0], values[1]) for text, values in best}
    best_texts = sorted(texts.items(), key=lambda item: -np.logaddexp(*item[1]))[:count]
    best_texts += [((), (-math.inf, -math.inf))] * (count - len(best_texts))
    # Repeated classes of a text are shown once, as TensorFlow did.
    return [_text(text, blank) for text, _ in best_texts], [float(np.logaddexp(*values)) for _, values in best_texts]


def _filled(texts: list[list[int]]) -> np.ndarray:
    filled = np.full((len(texts), max(map(len, texts), default=0)), -1, "int32")
    for row, text in zip(filled, texts, strict=True):
        row[: len(text)] = text
    return filled


def _values(values: Any) -> Any:
    return tree.map(lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf, values)


def _numbers(x: Any) -> np.ndarray:
    try:
        return np.asarray(K.to_numpy(_values(x)) if not isinstance(x, np.ndarray) else x)
    except Exception as error:
        raise ArgumentError(
            "ctc_decode looks at values, which a compiled model does not have. Decode the outputs of predict instead."
        ) from error
