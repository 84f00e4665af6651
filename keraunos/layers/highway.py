"""Highway: a Dense layer beside a way past it, and a gate that decides between the two."""

from typing import Any

from keraunos import activations
from keraunos.backend import K
from keraunos.core.fields import by_name
from keraunos.layers.arguments import Activation, Constraint, Initializer, Regularizer
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known

__all__ = ["Highway"]


@LAYERS.register()
class Highway(Layer):
    """``gate * activation(x @ kernel + bias) + (1 - gate) * x``, where ``gate = sigmoid(x @ gate_kernel + gate_bias)``.

    Input shape:  ``(batch, features)``
    Output shape: the same

    Args:
        activation: Function of what goes through the kernel, or its name.
        use_bias: Whether to add biases; that of the gate starts at 1.
        kernel_initializer: First values of both kernels.
        bias_initializer: First values of the bias that is not the gate's.
        kernel_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss; the gate has none.
        kernel_constraint, bias_constraint: Functions applied after each update; the gate has none.

    Reference: Srivastava, Greff and Schmidhuber 2015, "Highway networks"; the layer of Keras 1.2.2.

    >>> Highway(activation="relu").compute_output_shape((None, 5))
    (None, 5)
    """

    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None

    batch_coupled = False

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        features = known(input_shape, -1, self.name)
        self.kernel = self.add_weight("kernel", (features, features))
        self.gate_kernel = self.add_weight("gate_kernel", (features, features), initializer=self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", (features,))
            self.gate_bias = self.add_weight("gate_bias", (features,), initializer="ones")
        self.input_spec = InputSpec(ndim=2, axes={-1: features})

    def call(self, inputs: Any) -> Any:
        gate, outputs = K.matmul(inputs, self.gate_kernel), K.matmul(inputs, self.kernel)
        if self.use_bias:
            gate, outputs = gate + self.gate_bias, outputs + self.bias
        gate = activations.sigmoid(gate)
        return gate * self.activation(outputs) + (1 - gate) * inputs
