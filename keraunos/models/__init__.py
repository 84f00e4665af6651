"""Models: what a user defines, trains, saves and shows."""

from keraunos.models.clone import clone_model
from keraunos.models.model import Model
from keraunos.models.sequential import Sequential
from keraunos.saving import load_model, model_from_json, save_model
from keraunos.utils.modules import offer

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
offer(__name__)
