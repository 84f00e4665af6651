"""Callbacks: objects whose hooks are called while a model trains."""

from keraunos.training.callbacks import *  # noqa: F403
from keraunos.training.callbacks import __all__ as __all__
from keraunos.utils.modules import offer

offer(__name__)
