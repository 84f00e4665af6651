"""The JAX engine. ``import jax`` stands in this folder only."""

from keraunos.backend.jax.engine import JaxEngine

__all__ = ["JaxEngine"]
