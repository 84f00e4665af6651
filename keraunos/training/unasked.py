"""Methods that a subclass may override elsewhere, and that nothing would call here: said before anything is trained."""

from typing import Any

from keraunos.utils import spelling
from keraunos.utils.errors import UsageError

# Methods of other trainers that make the functions which run steps, and what a subclass may override in their place.
_UNASKED = {
    **{
        f"{prefix}make_{mode}_function": f"{mode}_step" for mode in ("train", "test", "predict") for prefix in ("", "_")
    },
    "compute_loss_and_updates": "compute_loss",
}


def refuse_unasked(model: Any, optimizer: Any) -> None:
    """Refuse what a subclass overrides and nothing would call."""
    for name, instead in _UNASKED.items():
        owner = next((cls for cls in type(model).__mro__ if name in vars(cls)), object)
        own = owner is not object and owner.__module__.split(".")[0] != "keraunos"
        if own and not model._overrides("train_step"):
            raise UsageError(
                f"{owner.__name__}.{name}() would never be called: Keraunos compiles many steps into one program. "
                f"Override {instead}() in its place."
            )
    says = not getattr(optimizer, "needs_rate", True)
    if says and not spelling.chosen() and not optimizer.applies_itself and not optimizer.has_own_update:
        raise UsageError(
            f"{type(optimizer).__name__} says its updates as optimizers did before Keras 3, and nothing asks for them "
            "today. Define update_step(self, gradient, variable, learning_rate), or choose the era that it was written "
            "for: keraunos.install_as_keras(era=2)."
        )
