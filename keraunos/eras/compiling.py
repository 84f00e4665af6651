"""What eras 1 and 2 refused, or warned of, where a model is compiled or trained, and today's library takes or finds later."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.core.symbolic import SymbolicTensor
from keraunos.core.variable import Variable
from keraunos.eras.data_checks import standardize_class_weights, standardize_weights
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, DataError, warn


def check_compile(model: Any, objectives: Any, weigh: Any) -> None:
    """Refuse what does not fit the outputs of a model, which these eras found at once.

    Args:
        model: A model with a graph.
        objectives: What was compiled.
        weigh: What was called ``sample_weight_mode``.

    Raises:
        ArgumentError: Names or numbers of the outputs are others, or there is nothing to minimize.
        TypeError: Something is of no type that could be one for each output.
    """
    names = model.output_names
    losses, factors = objectives.given[:2]
    _check_entries(losses, names, "loss")
    if all(loss is None for loss in objectives.by_output(names).values()) and not model.losses:
        raise ArgumentError(
            "The model cannot be compiled because it has no loss to optimize. Give compile a loss, or the model one with "
            "add_loss."
        )
    if factors is not None and not isinstance(factors, (list, Mapping)):
        raise TypeError(f"Could not interpret loss_weights argument: {factors} - expected a list or a dict of numbers.")
    _check_entries(factors, names, "loss_weights")
    _check_entries(weigh, names, "sample_weight_mode")
    if isinstance(weigh, Mapping) and set(names) - set(weigh):
        raise ArgumentError(f"Output {min(set(names) - set(weigh))!r} missing from the sample_weight_mode dictionary.")
    targets = objectives.targets
    if isinstance(targets, (SymbolicTensor, Variable)):
        if len(names) > 1:
            raise ArgumentError(
                f"The model has {len(names)} outputs, but you passed a single tensor as `target_tensors`. Expected a "
                "list or a dict of tensors."
            )
    elif targets is not None and not isinstance(targets, (list, Mapping)):
        raise TypeError(f"target_tensors is {targets!r}; expected a tensor, or a list or dict of tensors.")
    else:
        _check_entries(targets, names, "target_tensors")


def _check_entries(given: Any, names: Sequence[str], what: str) -> None:
    if isinstance(given, list) and len(given) != len(names):
        raise ArgumentError(
            f"When passing a list as `{what}`, it should have one entry per model output. The model has {len(names)} "
            f"outputs, but you passed {what}={given}."
        )
    unknown = sorted(set(given) - set(names)) if isinstance(given, Mapping) else []
    if unknown:
        raise ArgumentError(f"Unknown entry {unknown[0]!r} in the {what} dictionary; the outputs are {list(names)}.")


def checked_weights(model: Any, y: Any, sample_weight: Any, class_weight: Any) -> Any:
    """The sample weights that count: of outputs that the model has, and whose targets are given.

    Weights of another rank than the model was compiled for are refused, and classes without a weight.

    Args:
        model: A compiled model.
        y: Targets, as they were given; of a source of batches nothing is checked.
        sample_weight, class_weight: As they were given.

    Raises:
        DataError: The weights do not fit the targets.
        TypeError: Weights of several outputs are neither in a list nor in a dict.
    """
    names = model.output_names
    several = len(names) > 1
    if several and sample_weight is not None and not isinstance(sample_weight, (list, Mapping)):
        raise TypeError(
            f"The model has multiple outputs, so `sample_weight` should be a list or a dict, not a "
            f"{type(sample_weight).__name__}."
        )
    targets = _by_name(y, names, several)
    weights = _by_name(sample_weight, names, several)
    modes = model._compile_arguments.get("weigh")
    modes = _by_name(modes, names, True) if isinstance(modes, (list, Mapping)) else dict.fromkeys(names, modes)
    per_class = dict(zip(names, standardize_class_weights(class_weight, names), strict=True)) if class_weight else {}
    for name in names:
        target, weight = targets.get(name), weights.get(name)
        if target is None or (weight is None and not isinstance(per_class.get(name), Mapping) and modes[name] is None):
            continue
        try:
            standardize_weights(
                _array(target), None if weight is None else _array(weight), per_class.get(name), modes[name]
            )
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
    if isinstance(sample_weight, Mapping) and several:
        given = set(names) - set(model._own_targets())
        return {name: weight for name, weight in sample_weight.items() if name in given} or None
    return sample_weight


def todays_class_weight(class_weight: Any, names: Sequence[str]) -> Any:
    """Class weights in a list, one for each output, by output; numbers in a list counted for nothing, and that is said."""
    if isinstance(class_weight, (str, Mapping)) or not np.iterable(class_weight):
        return class_weight
    given = list(class_weight)
    if all(each is None or isinstance(each, Mapping) for each in given):
        if len(given) == len(names) == 1:
            return given[0]
        if len(given) == len(names):
            return {name: each for name, each in zip(names, given, strict=True) if each is not None} or None
        return class_weight
    if len(names) > 1:
        return class_weight
    spelling.note(
        "class_weight as a list of numbers counted for nothing before Keras 3, and does here; give a dict "
        "{class: weight}, such as dict(enumerate(class_weight))"
    )
    return None


def _by_name(given: Any, names: Sequence[str], several: bool) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    parts = list(given) if several or (isinstance(given, list) and len(given) == 1) else [given]
    return dict(zip(names, parts, strict=False))


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def warn_of_discrepancy(model: Any) -> None:
    """Say, as Keras 2 did, that layers were frozen or freed since the model was compiled, and that it took no notice."""
    trained = vars(model).get("_trained")
    if spelling.era() == 2 and trained is not None and len(trained) != len(model.trainable_variables):
        warn(
            "Discrepancy between trainable weights and collected trainable weights, did you set `model.trainable` "
            "without calling `model.compile` after ?"
        )


def own_step(model: Any) -> Any:
    """The training step of a model whose optimizer says its updates itself; of another one ``None``."""
    from keraunos.eras import updates

    return updates.step_of(model) if updates.says_updates(model.optimizer) else None


def as_shown(values: Sequence[Any]) -> Any:
    """Loss and metrics as a list; one alone is a number of NumPy."""
    return np.float64(values[0]) if len(values) == 1 else list(values)
