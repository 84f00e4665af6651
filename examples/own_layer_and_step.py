"""A layer and a training step of one's own: waves as features, and a penalty on the slope of what is learned.

Both run inside the compiled loop, as those of the library do.
"""

import numpy as np

import keraunos
from keraunos import layers, ops


class Waves(layers.Layer):
    """cos and sin of the inputs' products with random directions: Rahimi and Recht (2007), with directions that learn."""

    def __init__(self, units: int, scale: float = 1.0, **family) -> None:
        super().__init__(**family)
        self.units, self.scale = units, scale

    def build(self, input_shape) -> None:
        draw = keraunos.initializers.RandomNormal(stddev=self.scale)
        self.directions = self.add_weight(shape=(input_shape[-1], self.units), initializer=draw, name="directions")

    def call(self, inputs):
        phase = ops.matmul(inputs, self.directions)
        return ops.concatenate([ops.cos(phase), ops.sin(phase)], axis=-1)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "scale": self.scale}


class Smooth(keraunos.Model):
    """A model that is trained to change little between neighbouring inputs."""

    def train_step(self, data):
        x, y = data

        def objective():
            y_pred = self(x, training=True)
            slope = (self(x + 0.01, training=True) - y_pred) / 0.01
            return self.compute_loss(x, y, y_pred) + 1e-3 * ops.mean(ops.square(slope))

        loss, gradients = keraunos.value_and_gradients(objective, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


keraunos.utils.set_random_seed(2)
x = np.linspace(-3, 3, 400, dtype="float32")[:, None]
y = np.sin(2 * x) + 0.1 * np.random.default_rng(0).normal(size=x.shape)

inputs = keraunos.Input((1,))
hidden = layers.Dense(32, activation="tanh")(Waves(16, scale=2.0)(inputs))
model = Smooth(inputs, layers.Dense(1)(hidden))
model.compile(optimizer=keraunos.optimizers.Adam(0.01), loss="mse")
history = model.fit(x, y, batch_size=50, epochs=60, verbose=0)

error = np.abs(model.predict(x, verbose=0) - np.sin(2 * x)).mean()
print(f"loss {history.history['loss'][0]:.3f} at first, {history.history['loss'][-1]:.3f} at last")
print(f"mean distance from the curve without noise: {error:.3f}")
