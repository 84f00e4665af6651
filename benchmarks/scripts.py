"""The script that a user of each contestant writes for a workload of dense layers, importing only what it needs.

It reads the data that the first argument names, trains, keeps loss and accuracy of every epoch, and prints the last.
"""

from contestants.kerases import LOSSES, settings
from workloads import Workload

RATES = {"sgd": 0.01, "adam": 0.001}


def script(contestant: str, workload: Workload) -> str | None:
    """The text; ``None`` for the floor, and for ``torch.compile``, which compiles for 20 s what eager trains in 5."""
    head = f"""import sys

import numpy as np

with np.load(sys.argv[1]) as data:
    x, y = data["x"][:{workload.rows}], data["y"][:{workload.rows}]
"""
    if contestant == "keraunos":
        return _fit(head, workload, "import keraunos as keras\n", {})
    if contestant.startswith("keras-"):
        backend = contestant.removeprefix("keras-")
        start = f'import os\n\nos.environ["KERAS_BACKEND"] = "{backend}"\nimport keras\n'
        return _fit(head, workload, start, settings(backend, workload, script=True))
    writers = {"torch": _torch, "jax-step": _jax_step, "jax-epoch": _jax_epoch}
    writers |= {"flax": _flax, "sklearn": _sklearn}
    return writers[contestant](head, workload) if contestant in writers else None


def _fit(head: str, workload: Workload, start: str, settings: dict[str, object]) -> str:
    layers = "".join(
        f'    keras.layers.Dense({given[0]}, activation="{given[1]}"),\n' if kind == "dense"
        else f"    keras.layers.Dropout({given[0]}),\n"
        for kind, *given in workload.layers
    )  # fmt: skip
    more = "".join(f", {name}={value!r}" for name, value in settings.items())
    optimizer = {"sgd": "SGD(0.01)", "adam": "Adam(0.001)"}[workload.optimizer]
    text = f"""{head}
{start}
model = keras.Sequential([
    keras.Input({workload.shape}),
{layers}])
model.compile(optimizer=keras.optimizers.{optimizer}, loss="{LOSSES[workload.loss]}", metrics=["accuracy"]{more})
"""
    call = f"model.fit(x, y, batch_size={workload.batch}, epochs={workload.epochs}, verbose=0"
    if workload.callback:
        text += "kept = []\n"
        text += (
            'callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(logs["loss"]))\n'
        )
        call += ", callbacks=[callback]"
    return f'{text}history = {call}).history\nprint(history["loss"][-1], history["accuracy"][-1])\n'


def _torch(head: str, workload: Workload) -> str:
    parts, width = "", workload.shape[-1]
    for kind, *given in workload.layers:
        if kind == "dropout":
            parts += f"    nn.Dropout({given[0]}),\n"
            continue
        parts += f"    nn.Linear({width}, {given[0]}),\n"
        parts += {"relu": "    nn.ReLU(),\n", "tanh": "    nn.Tanh(),\n"}.get(given[1], "")
        width = given[0]
    loss = {"mse": "MSELoss", "binary": "BCEWithLogitsLoss", "sparse": "CrossEntropyLoss"}[workload.loss]
    optimizer = {"sgd": "SGD", "adam": "Adam"}[workload.optimizer]
    guess = (
        "outputs.argmax(1)" if workload.loss == "sparse" else f"(outputs > {0.0 if workload.loss == 'binary' else 0.5})"
    )
    return f"""{head}
import torch
from torch import nn

x, y = torch.from_numpy(x), torch.from_numpy(y){".long()" if workload.loss == "sparse" else ""}
model = nn.Sequential(
{parts})
loss_of = nn.{loss}()
optimizer = torch.optim.{optimizer}(model.parameters(), {RATES[workload.optimizer]})
kept = []
for _ in range({workload.epochs}):
    total, right = torch.zeros(()), torch.zeros(())
    for rows in torch.randperm(len(x)).split({workload.batch}):
        optimizer.zero_grad()
        outputs = model(x[rows])
        loss = loss_of(outputs, y[rows])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            total += loss
            right += ({guess} == y[rows]).float().mean()
    kept.append((total.item() / {workload.steps}, right.item() / {workload.steps}))
print(*kept[-1])
"""


def _jax_step(head: str, workload: Workload) -> str:
    return _jax(
        head,
        workload,
        "for rows in order:\n        carry = run(carry, rows, x, y)",
        "run = jax.jit(step, donate_argnums=0)",
    )


def _jax_epoch(head: str, workload: Workload) -> str:
    loop = """

@functools.partial(jax.jit, donate_argnums=0)
def run(carry, order, x, y):
    return jax.lax.scan(lambda carry, rows: (step(carry, rows, x, y), None), carry, order)[0]

"""
    return _jax(
        head.replace("import sys", "import functools\nimport sys"), workload, "carry = run(carry, order, x, y)", loop
    )


def _jax(head: str, workload: Workload, call: str, run: str) -> str:
    sizes, lines, width, number = [], [], workload.shape[-1], 0
    for place, (kind, *given) in enumerate(workload.layers):
        if kind == "dropout":
            keep = 1 - given[0]
            lines.append(f"    kept = jax.random.bernoulli(jax.random.fold_in(key, {place}), {keep}, x.shape)")
            lines.append(f"    x = jnp.where(kept, x / {keep}, 0)")
            continue
        sizes.append((width, given[0]))
        affine = f"x @ params[{number}][0] + params[{number}][1]"
        lines.append(
            "    x = " + {"relu": f"jax.nn.relu({affine})", "tanh": f"jnp.tanh({affine})"}.get(given[1], affine)
        )
        width, number = given[0], number + 1
    score = {
        "mse": "return ((x - y) ** 2).mean(), ((x > 0.5) == y).mean()",
        "binary": "return (jax.nn.softplus(x) - x * y).mean(), ((x > 0) == y).mean()",
        "sparse": "chosen = jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1)\n"
        "    return -chosen.mean(), (x.argmax(1) == y).mean()",
    }[workload.loss]
    if workload.optimizer == "sgd":
        update = "params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)"
    else:
        update = """first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
    rate = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), params, first, second)"""
    zeros = "jax.tree.map(np.zeros_like, params)" if workload.optimizer == "adam" else "()"
    forward = "\n".join(lines)
    return f"""{head}
import jax
import jax.numpy as jnp

random = np.random.default_rng()


def glorot(inputs, outputs):
    limit = np.sqrt(6 / (inputs + outputs))
    return random.uniform(-limit, limit, (inputs, outputs)).astype("float32"), np.zeros(outputs, "float32")


def objective(params, x, y, key):
{forward}
    {score}


def step(carry, rows, x, y):
    params, first, second, count, total, right = carry
    count = count + 1
    key = jax.random.fold_in(jax.random.key(0), count.astype("uint32"))
    (loss, accuracy), gradient = jax.value_and_grad(objective, has_aux=True)(params, x[rows], y[rows], key)
    {update}
    return params, first, second, count, total + loss, right + accuracy


{run}
params = [glorot(*sizes) for sizes in {sizes}]
zero = np.float32(0)
carry = jax.device_put((params, {zeros}, {zeros}, zero, zero, zero))
x, y = jnp.asarray(x), jnp.asarray(y)
kept = []
for _ in range({workload.epochs}):
    order = random.permutation(len(x)).astype("int32").reshape({workload.steps}, {workload.batch})
    carry = (*carry[:4], zero, zero)
    {call}
    kept.append((float(carry[4]) / {workload.steps}, float(carry[5]) / {workload.steps}))
print(*kept[-1])
"""


def _flax(head: str, workload: Workload) -> str:
    parts, width = "", workload.shape[-1]
    for kind, *given in workload.layers:
        if kind == "dropout":
            parts += f"    nnx.Dropout({given[0]}, rngs=rngs),\n"
            continue
        parts += f"    nnx.Linear({width}, {given[0]}, rngs=rngs),\n"
        parts += {"relu": "    nnx.relu,\n", "tanh": "    nnx.tanh,\n"}.get(given[1], "")
        width = given[0]
    loss = {
        "mse": "((outputs - y) ** 2).mean()",
        "binary": "optax.sigmoid_binary_cross_entropy(outputs, y).mean()",
        "sparse": "optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()",
    }[workload.loss]
    guess = (
        "outputs.argmax(1)" if workload.loss == "sparse" else f"(outputs > {0 if workload.loss == 'binary' else 0.5})"
    )
    return f"""{head}
import jax.numpy as jnp
import optax
from flax import nnx

rngs = nnx.Rngs(0)
model = nnx.Sequential(
{parts})
optimizer = nnx.Optimizer(model, optax.{workload.optimizer}({RATES[workload.optimizer]}), wrt=nnx.Param)


def objective(model, x, y):
    outputs = model(x)
    return {loss}, ({guess} == y).mean()


@nnx.jit
def step(model, optimizer, sums, x, y, rows):
    (loss, right), gradient = nnx.value_and_grad(objective, has_aux=True)(model, x[rows], y[rows])
    optimizer.update(model, gradient)
    return sums + jnp.stack([loss, right])


x, y = jnp.asarray(x), jnp.asarray(y)
random = np.random.default_rng()
run = nnx.cached_partial(step, model, optimizer)
kept = []
for _ in range({workload.epochs}):
    sums = np.zeros(2, "float32")
    for rows in random.permutation(len(x)).astype("int32").reshape({workload.steps}, {workload.batch}):
        sums = run(sums, x, y, rows)
    kept.append(np.asarray(sums) / {workload.steps})
print(*kept[-1])
"""


def _sklearn(head: str, workload: Workload) -> str:
    name = "MLPRegressor" if workload.loss == "mse" else "MLPClassifier"
    dense = [given for kind, *given in workload.layers if kind == "dense"]
    activation = dense[0][1] if len(dense) > 1 else "identity"
    solver = 'solver="sgd", learning_rate_init=0.01, momentum=0.0, ' if workload.optimizer == "sgd" else ""
    return f"""{head}
import warnings

from sklearn.neural_network import {name}

warnings.simplefilter("ignore")
model = {name}(
    hidden_layer_sizes={tuple(units for units, _ in dense[:-1])}, activation="{activation}", {solver}alpha=0.0,
    batch_size={workload.batch}, max_iter={workload.epochs}, n_iter_no_change=10**9, tol=0.0,
)
model.fit(x, y.ravel())
print(model.loss_curve_[-1])
"""
