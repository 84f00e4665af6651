"""Callbacks: objects that follow, report, control and keep a run of ``fit``, ``evaluate`` or ``predict``."""

from keraunos.training.callbacks.base import Callback, LambdaCallback
from keraunos.training.callbacks.callback_list import CallbackList
from keraunos.training.callbacks.control import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau, TerminateOnNaN
from keraunos.training.callbacks.files import BackupAndRestore, ModelCheckpoint
from keraunos.training.callbacks.report import CSVLogger, History, ProgbarLogger, RemoteMonitor
from keraunos.training.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "TensorBoard",
    "TerminateOnNaN",
]
