"""The same chains in PyTorch, trained one after another, as a user would instead."""

import functools
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


def make_net(
    layers: Sequence[dict[str, Any]], input_shape: tuple[int, int, int], num_classes: int
) -> nn.Sequential:
    """A chain in `LayerChain.to_layers` form; images are [N, C, H, W]."""
    modules: list[nn.Module] = []
    side, _, channels = input_shape
    for layer in layers:
        kind = layer["kind"]
        if kind == "conv":
            filters, kernel, stride = layer["filters"], layer["kernel"], layer["stride"]
            modules.append(nn.Conv2d(channels, filters, kernel, stride))
            channels, side = filters, (side - kernel) // stride + 1
        elif kind == "pool":
            kernel, stride, padding = layer["kernel"], layer["stride"], layer["padding"]
            modules.append(nn.MaxPool2d(kernel, stride, padding))
            side = (side + 2 * padding - kernel) // stride + 1
        else:
            modules.append(nn.Flatten())
            modules.append(nn.Linear(channels * side * side, layer["neurons"], layer["bias"]))
            channels, side = layer["neurons"], 1
            if layer["activation"] != "none":
                modules.append(ACTIVATIONS[layer["activation"]]())
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(channels * side * side, num_classes))


def compiled(net: nn.Module) -> nn.Module:
    """The net under torch.compile as it comes, for one batch size; nothing from earlier ones."""
    import torch._dynamo  # two seconds that only this asks for
    import torch._inductor.compile_fx

    os.environ["TORCHINDUCTOR_CACHE_DIR"] = _cache_dir().name
    torch._dynamo.reset()
    under: Any = torch.compile(net, dynamic=False)
    return under


@functools.cache
def _cache_dir() -> "tempfile.TemporaryDirectory[str]":
    """A directory of this process: kept programs would make compiling look fast."""
    return tempfile.TemporaryDirectory(prefix="torch_compile")


class Trainer:
    """Adam steps of one net on given batches."""

    def __init__(self, net: nn.Module, learning_rate: float = 1e-3):
        self.net = net
        self.optimizer = torch.optim.Adam(net.parameters(), learning_rate)

    def steps(self, images: torch.Tensor, labels: torch.Tensor, order: np.ndarray) -> None:
        """One step per row of `order` [steps, batch]."""
        for rows in torch.from_numpy(order).long():
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.net(images[rows]), labels[rows])
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def correct(self, images: torch.Tensor, labels: torch.Tensor, batch: int) -> int:
        """The number of images that are classified correctly."""
        chunks = zip(images.split(batch), labels.split(batch), strict=True)
        return sum(int((self.net(x).argmax(1) == y).sum()) for x, y in chunks)
