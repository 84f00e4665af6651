"""Pictures of models and of their training.

Each function returns the picture and, given a ``path``, writes it to a file.
matplotlib is imported when the first curve is drawn, and none of its global
settings is touched.
"""

from keraunos.plots.curves import history
from keraunos.plots.graph import ModelGraph, model_graph, model_to_dot, plot_model
from keraunos.plots.movie import TrainingMovie
from keraunos.plots.regions import decision_boundary
from keraunos.utils.modules import offer

__all__ = ["ModelGraph", "TrainingMovie", "decision_boundary", "history", "model_graph", "model_to_dot", "plot_model"]
offer(__name__)
