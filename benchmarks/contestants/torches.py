"""PyTorch, a step at a time: eager, and with what ``torch.compile`` makes of network and optimizer."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from workloads import Workload

from contestants.job import Job


def eager(workload: Workload) -> Job:
    return Torch(workload, compiled=False)


def compiled(workload: Workload) -> Job:
    return Torch(workload, compiled=True)


class Positions(nn.Module):
    def __init__(self, words: int, length: int, width: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(torch.randn(length, width) * 0.02)

    def forward(self, x: Any) -> Any:
        return self.words(x) + self.places


class LastOfLSTM(nn.Module):
    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0][:, -1]


class Transformer(nn.Module):
    """As Keras has it: each head is as wide as the input."""

    def __init__(self, heads: int, width: int, feed_forward: int, rate: float) -> None:
        super().__init__()
        self.heads = heads
        self.project, self.join = nn.Linear(width, 3 * heads * width), nn.Linear(heads * width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, feed_forward), nn.ReLU(), nn.Linear(feed_forward, width))
        self.first, self.second = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Any) -> Any:
        rows, length, width = x.shape
        parts = self.project(x).view(rows, length, 3, self.heads, width).permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(*parts.unbind(0))
        attended = self.join(heads.transpose(1, 2).reshape(rows, length, -1))
        x = self.first(x + self.dropout(attended))
        return self.second(x + self.dropout(self.feed_forward(x)))


class Average(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


def network(workload: Workload) -> nn.Module:
    # The activation of the last layer is inside the losses, as PyTorch advises.
    activations = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Identity, "softmax": nn.Identity}
    parts: list[nn.Module] = []
    shape = (workload.shape[-1], *workload.shape[:-1])
    for kind, *given in workload.layers:
        if kind == "dense":
            parts += [nn.Linear(shape[0], given[0]), activations[given[1]]()]
            shape = (given[0],)
        elif kind == "dropout":
            parts.append(nn.Dropout(given[0]))
        elif kind == "conv":
            parts += [nn.Conv2d(shape[0], given[0], 3), nn.ReLU()]
            shape = (given[0], shape[1] - 2, shape[2] - 2)
        elif kind == "pool":
            parts.append(nn.MaxPool2d(2))
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        elif kind == "flatten":
            parts.append(nn.Flatten())
            shape = (int(np.prod(shape)),)
        elif kind == "embedding":
            parts.append(nn.Embedding(*given))
            shape = (given[1],)
        elif kind == "positions":
            parts.append(Positions(given[0], workload.shape[0], given[1]))
            shape = (given[1],)
        elif kind == "lstm":
            parts.append(LastOfLSTM(shape[0], given[0]))
            shape = (given[0],)
        elif kind == "transformer":
            parts.append(Transformer(*given))
        elif kind == "average":
            parts.append(Average())
    return nn.Sequential(*parts)


class Torch(Job):
    def __init__(self, workload: Workload, compiled: bool) -> None:
        self.workload = workload
        self.model = network(workload)
        self.loss = {"mse": F.mse_loss, "binary": F.binary_cross_entropy_with_logits, "sparse": F.cross_entropy}[
            workload.loss
        ]
        self.cut = 0.0 if workload.loss == "binary" else 0.5
        make = {
            "sgd": lambda p: torch.optim.SGD(p, 0.01),
            "adam": lambda p: torch.optim.Adam(p, 0.001),
            "adadelta": lambda p: torch.optim.Adadelta(p, 1.0, 0.95, 1e-7),
        }[workload.optimizer]
        self.optimizer = make(self.model.parameters())
        self.apply, self.forward, self.update = self.model, self._forward, self.optimizer.step
        if compiled:
            self.apply = torch.compile(self.model)
            self.forward, self.update = torch.compile(self._forward), torch.compile(self.optimizer.step)

    def _forward(self, x: Any, y: Any) -> Any:
        outputs = self.model(x)
        return outputs, self.loss(outputs, y)

    def _right(self, outputs: Any, y: Any) -> Any:
        guess = outputs.argmax(1) if self.workload.loss == "sparse" else (outputs > self.cut).float()
        return (guess == y).float().mean()

    def _inputs(self, x: Any) -> Any:
        return torch.from_numpy(np.moveaxis(x, -1, 1).copy() if x.ndim == 4 else x)

    def _targets(self, y: Any) -> Any:
        return torch.from_numpy(y).long() if self.workload.loss == "sparse" else torch.from_numpy(y)

    def fit(self, x: Any, y: Any, epochs: int) -> list[float]:
        inputs, targets = self._inputs(x), self._targets(y)
        self.model.train()
        kept = []
        for _ in range(epochs):
            total, right = torch.zeros(()), torch.zeros(())
            for rows in torch.randperm(len(inputs)).split(self.workload.batch):
                wanted = targets[rows]
                self.optimizer.zero_grad()
                outputs, loss = self.forward(inputs[rows], wanted)
                loss.backward()
                self.update()
                with torch.no_grad():
                    total += loss
                    right += self._right(outputs, wanted)
            kept.append([total.item() / self.workload.steps, right.item() / self.workload.steps])
        return kept[-1]

    def predict(self, x: Any) -> Any:
        self.model.eval()
        with torch.inference_mode():
            outputs = [self._activated(self.apply(rows)) for rows in self._inputs(x).split(self.workload.batch)]
            return torch.cat(outputs).numpy() if len(outputs) > 1 else outputs[0].numpy()

    def _activated(self, outputs: Any) -> Any:
        return {"mse": lambda x: x, "binary": torch.sigmoid, "sparse": lambda x: x.softmax(1)}[self.workload.loss](
            outputs
        )

    def evaluate(self, x: Any, y: Any) -> list[float]:
        self.model.eval()
        inputs, targets = self._inputs(x), self._targets(y)
        total, right = torch.zeros(()), torch.zeros(())
        with torch.inference_mode():
            for rows, wanted in zip(inputs.split(self.workload.batch), targets.split(self.workload.batch), strict=True):
                outputs = self.apply(rows)
                total += self.loss(outputs, wanted)
                right += self._right(outputs, wanted)
        return [total.item() / self.workload.steps, right.item() / self.workload.steps]
