"""One model on several devices: each computes its part of every batch."""

from collections.abc import Sequence
from typing import Any

from keraunos import Layer, Model
from keraunos.backend import K, current_engine
from keraunos.utils.errors import ArgumentError

__all__ = ["multi_gpu_model"]


def multi_gpu_model(model: Any, gpus: Any = None, cpu_merge: bool = True, cpu_relocation: bool = False) -> Any:
    """A model with the same layers whose batches are divided over several devices.

    Args:
        model: The model.
        gpus: How many devices, 2 or more, or their numbers; all there are if not given.
        cpu_merge, cpu_relocation: Accepted; the compiler places what is shared.

    Raises:
        ArgumentError: Fewer than two devices are asked for, or there are not as many.
    """
    there = current_engine().device_count()
    wanted = list(gpus) if isinstance(gpus, (list, tuple)) else list(range(there if gpus is None else int(gpus)))
    if len(wanted) < 2:
        raise ArgumentError(
            "For multi-gpu usage to be effective, call `multi_gpu_model` with `gpus >= 2`. "
            f"Received: `gpus={gpus}`; there are {there} devices."
        )
    if max(wanted) >= there:
        raise ArgumentError(
            f"To call `multi_gpu_model` with `gpus={gpus}`, as many devices are needed; this machine only has {there}. "
            "Try reducing `gpus`."
        )
    spread = [_SpreadRows(wanted)(tensor) for tensor in model.inputs]
    outputs = model(spread if len(spread) > 1 else spread[0])
    return Model(model.inputs, outputs)


def _get_available_devices() -> list[str]:
    there = current_engine().device_count()
    return ["/cpu:0", *(f"/gpu:{number}" for number in range(there) if there > 1)]


def _normalize_device_name(name: str) -> str:
    """``/device:GPU:0`` and the like as ``/gpu:0``."""
    return "/" + ":".join(name.lower().replace("/", "").split(":")[-2:])


class _SpreadRows(Layer):
    """Divides the rows of its input over devices."""

    batch_coupled = False
    supports_masking = True

    def __init__(self, devices: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.devices = list(devices)

    def call(self, inputs: Any) -> Any:
        return K.spread_rows(inputs, self.devices)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "devices": self.devices}
