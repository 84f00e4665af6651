"""Models as estimators of scikit-learn, which searches, validates and chains them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keraunos import Model, Sequential
from keraunos.utils import spelling, to_categorical
from keraunos.utils.errors import ArgumentError, NotBuiltError, ShapeError, UsageError
from keraunos.utils.spelling import spelled
from keraunos.utils.text import shape_text

__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor"]


class BaseWrapper:
    """A model that ``build_fn`` makes anew for every ``fit``.

    A subclass may have ``__call__`` in place of ``build_fn``.

    Args:
        build_fn: Returns a compiled model.
        sk_params: Arguments of ``build_fn``, and of the model's ``fit``, ``predict`` and ``evaluate``; a search may
            vary them.

    Raises:
        ArgumentError: None of these functions has such an argument.
    """

    build_fn: Callable[..., Any] | None
    sk_params: dict[str, Any]
    model: Any

    def __init__(self, build_fn: Callable[..., Any] | None = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Refuse what neither ``build_fn`` nor the model's methods take."""
        used = (Sequential.fit, Sequential.predict, Sequential.evaluate)
        functions: list[Callable[..., Any]] = [*used, self._builder()]
        for name in params:
            if not any(_takes(function, name) for function in functions):
                raise ArgumentError(
                    f"{name} is not a legal parameter: neither build_fn nor fit, predict and evaluate take it."
                )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All arguments, for scikit-learn's ``clone``."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> "BaseWrapper":
        """Change arguments."""
        self.build_fn = params.pop("build_fn", self.build_fn)
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Build a model and train it.

        Args:
            x: Inputs.
            y: Targets.
            kwargs: Arguments of the model's ``fit``, before those given to the constructor.

        Returns:
            The ``History`` of the run.
        """
        build = self._builder()
        self.model = build(**self.filter_sk_params(build))
        return self.model.fit(x, self._targets(y), **self.filter_sk_params(Sequential.fit, kwargs))

    def filter_sk_params(self, fn: Callable[..., Any], override: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Those arguments that a function takes, ``override`` in their place and beside them."""
        return {**{name: value for name, value in self.sk_params.items() if _takes(fn, name)}, **(override or {})}

    def __repr__(self) -> str:
        given = {"build_fn": getattr(self.build_fn, "__name__", self.build_fn)}
        given.update((name, repr(value)) for name, value in self.sk_params.items())
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in given.items())})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def _builder(self) -> Callable[..., Any]:
        build = self.build_fn or getattr(self, "__call__", None)  # noqa: B004
        if build is None:
            raise ArgumentError(
                f"{type(self).__name__}: build_fn is missing. Give a function that returns a compiled model."
            )
        return build

    def _fitted(self) -> Model:
        if not hasattr(self, "model"):
            raise NotBuiltError(f"{type(self).__name__} has no model yet. Call fit before.")
        return self.model

    def _targets(self, y: Any) -> Any:
        """Targets as the loss wants them: rows of 0 and 1 from numbers of classes."""
        loss = getattr(self._fitted(), "loss", None)
        name = getattr(loss, "__name__", getattr(loss, "name", loss))
        return to_categorical(y) if name == "categorical_crossentropy" and np.ndim(y) != 2 else y


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument, under a name of any era."""
    method = getattr(function, "__qualname__", "").rpartition(".")[2]
    older = spelling.provider().older_arguments((f"Trainer.{method}",)) if function in _METHODS else {}
    parameter = inspect.signature(function).parameters.get(name)
    known = parameter is not None and parameter.kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return (known and name != "self") or name in older


_METHODS = (Sequential.fit, Sequential.predict, Sequential.evaluate)


class KerasClassifier(BaseWrapper):
    """A classifier: labels of any kind in, labels out; ``score`` is the accuracy, which ``compile`` must ask for.

    Attributes:
        classes_: The labels, sorted.
        n_classes_: How many there are.

    >>> def build(width=2):
    ...     model = Sequential([layers.Input((3,)), layers.Dense(width, activation="softmax")])
    ...     model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> from keraunos import layers
    >>> KerasClassifier(build, width=4, epochs=3).get_params()["width"]
    4
    """

    classes_: np.ndarray
    n_classes_: int
    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """As ``BaseWrapper.fit``; ``y`` are labels, or rows of 0 and 1."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_, numbers = np.unique(y, return_inverse=True)
            y = numbers.reshape(y.shape)
        else:
            raise ShapeError(f"Invalid shape for y: {shape_text(y.shape)}; expected labels, or rows of 0 and 1.")
        self.n_classes_ = len(self.classes_)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return super().fit(x, y, **weights, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Labels, ``(rows,)``; of a network with one output, ``(rows, 1)``."""
        outputs = self._outputs(x, kwargs)
        numbers = outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")
        return self.classes_[numbers]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Probability of each class, ``(rows, classes)``, where the network gives probabilities."""
        outputs = self._outputs(x, kwargs)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def _outputs(self, x: Any, kwargs: Mapping[str, Any]) -> np.ndarray:
        return np.asarray(self._fitted().predict(x, **self.filter_sk_params(Sequential.predict, kwargs)))

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Accuracy on labelled data."""
        y = np.asarray(y)
        y = y if y.ndim == 2 and y.shape[1] > 1 else np.searchsorted(self.classes_, y)
        model = self._fitted()
        values = model.evaluate(x, self._targets(y), **self.filter_sk_params(Sequential.evaluate, kwargs))
        for name, value in zip(model.metrics_names, np.atleast_1d(values), strict=False):
            if name in ("acc", "accuracy"):
                return float(value)
        named = dict(zip(model.metrics_names, np.atleast_1d(values), strict=False))
        raise UsageError(
            f"the model is not configured to compute accuracy; it has {', '.join(named)}. "
            'You should pass `metrics=["accuracy"]` to the `model.compile()` method.'
        )

    def __sklearn_tags__(self) -> Any:
        return _tags("classifier")


class KerasRegressor(BaseWrapper):
    """A regressor; ``score`` is minus the loss, so that more is better."""

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Outputs, without axes of size one."""
        outputs = self._fitted().predict(x, **self.filter_sk_params(Sequential.predict, kwargs))
        return np.squeeze(np.asarray(outputs))

    @spelled
    def score(self, x: Any, y: Any, *, negated: bool = True, **kwargs: Any) -> float:
        """Minus the loss on data with targets; the loss itself if not ``negated``, as in Keras 1.2.2."""
        values = self._fitted().evaluate(x, y, **self.filter_sk_params(Sequential.evaluate, kwargs))
        loss = float(np.atleast_1d(values)[0])
        return -loss if negated else loss

    def __sklearn_tags__(self) -> Any:
        return _tags("regressor")


def _tags(kind: str) -> Any:
    """What scikit-learn asks an estimator about itself."""
    from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

    return Tags(
        estimator_type=kind,
        target_tags=TargetTags(required=True),
        classifier_tags=ClassifierTags() if kind == "classifier" else None,
        regressor_tags=RegressorTags() if kind == "regressor" else None,
        input_tags=InputTags(three_d_array=True),
    )
