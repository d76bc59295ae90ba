"""Modules of PyTorch as TorchScript, and what PyTorch makes of them.

    python3 parity/torchscript.py parity/torchscript        (PyTorch 2.11, in neuron/learn)

A classifier of digits with batch norm and dropout, the same without dropout, an encoder of text of any length, a causal model
of texts of at most twelve tokens, one whose layers share a weight; and those that no synapse can be: two whose rows depend on
each other, one that gives integers, three that change while they answer, and one that learns in a number that is no tensor.
Each with a `.json` beside it that declares it. `expected.json` has what they give for inputs by a formula, the gradient of the
classifier's loss, the probabilities of `image.pgm`, and what one step of SGD in training mode makes of the one without dropout.
"""

import json
import math
import pathlib
import sys

import torch
from torch import nn


def formula(shape, bound, phase):
    """bound·sin(0.7·k² + phase) at the k-th place, in double precision, rounded to single: looks random, needs no file."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (bound * torch.sin(0.7 * k * k + phase)).reshape(shape).float()


class Classifier(nn.Module):
    def __init__(self, dropout=0.5):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * 6 * 6, 10)

    def forward(self, images):
        hidden = torch.relu(self.norm(self.conv(images)))
        return self.head(self.dropout(hidden.flatten(1)))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.mix = nn.Linear(8, 6)

    def forward(self, tokens):
        words = self.words(tokens)
        return torch.tanh(self.mix(words + words.mean(1, keepdim=True)))


class Speaker(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.places = nn.Embedding(12, 8)
        self.head = nn.Linear(8, 50)

    def forward(self, tokens):
        states = self.words(tokens) + self.places(torch.arange(tokens.size(1)))
        return self.head(torch.tanh(states.cumsum(1)))


class Counter(nn.Module):
    """Counts its answers in a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, images):
        self.count.add_(1)
        return images.flatten(1)[:, :10]


class Ticker(nn.Module):
    """Counts its answers in a number."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def forward(self, images):
        self.count += 1
        return images.flatten(1)[:, :10] + self.count


class Gambler(nn.Module):
    """Draws at random, whatever its mode."""

    def forward(self, images):
        return nn.functional.dropout(images.flatten(1)[:, :10] + 1, 0.5, training=True)


class Hoarder(nn.Module):
    """Learns in a number."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def forward(self, images):
        if self.training:
            self.seen += images.size(0)
        return images.flatten(1)[:, :10] + self.seen


class Follower(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10].cumsum(0)


class Chooser(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10].round().long()


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(28, 28, bias=False)
        self.second = nn.Linear(28, 28, bias=False)
        self.second.weight = self.first.weight

    def forward(self, images):
        return self.second(torch.tanh(self.first(images))).flatten(1)[:, :10]


class Mixer(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :10] - images.mean()


def drawn(module):
    with torch.no_grad():
        for phase, tensor in enumerate(module.state_dict().values()):
            if tensor.dtype == torch.float32:
                tensor.copy_(formula(tensor.shape, 0.2, phase))
                if phase == 5:  # the variance of batch norm, which is positive
                    tensor.abs_().add_(0.5)
    return module.eval()


def numbers(tensor):
    return [float(x) for x in tensor.detach().reshape(-1)]


def step(module, images, labels):
    """One step of SGD in training mode: the loss before it, all that it moved, and the logits after it in evaluation mode."""
    module.train()
    loss = nn.functional.cross_entropy(module(images), labels)
    loss.backward()
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    module.eval()
    return {
        "loss": loss.item(),
        "state": {name: numbers(tensor) for name, tensor in module.state_dict().items()},
        "logits": numbers(module(images)),
    }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    declared = {"modality": "image", "input": [1, 28, 28], "output": [10], "outputs": "logits"}
    text = {"modality": "text", "input": [0], "output": [0, 6], "outputs": "encoding", "vocabulary": 50}
    causal = {"modality": "text", "input": [0], "output": [0, 50], "outputs": "logits", "vocabulary": 50}
    causal |= {"longest": 12, "causal": True}
    classifier, encoder, speaker = drawn(Classifier()), drawn(Encoder()), drawn(Speaker())
    learner = drawn(Classifier(dropout=0.0))
    for name, module, declaration in [
        ("classifier", classifier, declared),
        ("encoder", encoder, text),
        ("learner", learner, declared),
        ("speaker", speaker, causal),
        ("counter", Counter().eval(), declared),
        ("ticker", Ticker().eval(), declared),
        ("gambler", Gambler().eval(), declared),
        ("hoarder", Hoarder().eval(), declared),
        ("mixer", Mixer().eval(), declared),
        ("follower", Follower().eval(), declared),
        ("chooser", Chooser().eval(), declared),
        ("tied", Tied().eval(), declared),
    ]:
        torch.jit.save(torch.jit.script(module), folder / f"{name}.pt")
        (folder / f"{name}.json").write_text(json.dumps(declaration) + "\n")

    pixels = bytes((7 * k * k + k) % 256 for k in range(28 * 28))
    (folder / "image.pgm").write_bytes(b"P5 28 28 255\n" + pixels)
    image = torch.tensor(list(pixels), dtype=torch.float32).reshape(1, 1, 28, 28) / 255

    images = formula([3, 1, 28, 28], 1.0, 1.0).abs()
    tokens = torch.arange(2 * 5).reshape(2, 5) * 7 % 50
    logits = classifier(images)
    nn.functional.cross_entropy(logits, torch.tensor([1, 5, 9])).backward()
    expected = {
        "logits": numbers(logits),
        "conv_gradient": numbers(classifier.conv.weight.grad),
        "encodings": numbers(encoder(tokens)),
        "probabilities": numbers(classifier(image).softmax(-1)),
        "next_token": numbers(speaker(tokens)[:, -1].log_softmax(-1)),
        "step": step(learner, images, torch.tensor([1, 5, 9])),
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


main(pathlib.Path(sys.argv[1]))
