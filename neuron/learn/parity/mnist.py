"""What PyTorch makes of the MNIST synapse: the numbers that src/synapse/mnist/parity.rs is held against.

    python3 parity/mnist.py > parity/mnist.json        (PyTorch 2.11, in neuron/learn)

Written from the description of the origin's model with torch.nn alone, and from nothing of ours. Two models, one narrow and one
of the widths that are served, with weights, images and network context from a formula, so that only results are kept. Each
takes two steps of SGD with momentum; the narrow one is compared in full, of the wide one's larger tensors every n-th number
and the norm.
"""

import json
import math

import torch
from torch import nn
from torch.nn import functional as F

BATCH, LEARNING_RATE, MOMENTUM, STEPS = 5, 0.05, 0.9, 2
# About as many numbers are kept of one tensor of the wide model.
SAMPLES = 24


def formula(shape, bound, phase):
    """bound·sin(0.7·k² + phase) at the k-th place, in double precision, rounded to single: looks random, needs no file."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (bound * torch.sin(0.7 * k * k + phase)).reshape(shape).float()


class Mnist(nn.Module):
    def __init__(self, side, d_model, d_target, n_classes):
        super().__init__()
        self.side = side
        modules = {
            "student": [side * side, d_model, d_model],
            "main": [side * side + d_model, d_model, d_model],
            "target": [d_model, *d_target, n_classes],
        }
        for module, widths in modules.items():
            layers = {f"layer{i}": nn.Linear(widths[i - 1], widths[i]) for i in range(1, len(widths))}
            self.add_module(module, nn.ModuleDict(layers))
        with torch.no_grad():
            for phase, (name, parameter) in enumerate(sorted(self.named_parameters())):
                d_in = self.get_submodule(name.rpartition(".")[0]).in_features
                parameter.copy_(formula(parameter.shape, 1 / math.sqrt(d_in), phase))

    def encode(self, pixels, context):
        hidden = F.relu(self.main.layer1(torch.cat([pixels, context], dim=1)))
        return F.relu(self.main.layer2(hidden))

    def classify(self, encoding):
        hidden = F.relu(self.target.layer2(F.relu(self.target.layer1(encoding))))
        return F.log_softmax(self.target.layer3(hidden), dim=1)

    def forward(self, images, labels, network):
        normalised = (images - 0.1307) / 0.3081
        pixels = F.adaptive_avg_pool2d(normalised, self.side).flatten(1)
        student = F.relu(self.student.layer2(F.relu(self.student.layer1(pixels))))
        local_output = self.encode(pixels, student.detach())
        network_output = self.encode(pixels, network)
        output = {
            "local_output": local_output,
            "local_target": self.classify(local_output),
            "network_output": network_output,
            "network_target": self.classify(network_output),
            "distillation_loss": F.mse_loss(student, network.detach()),
        }
        for branch in ["local", "network"]:
            output[f"{branch}_target_loss"] = F.nll_loss(output[f"{branch}_target"], labels)
        output["loss"] = sum(output[name] for name in list(output) if name.endswith("_loss"))
        return output


def kept(tensor, in_full):
    values = tensor.detach().flatten()
    stride = 1 if in_full or len(values) <= 2 * SAMPLES else len(values) // SAMPLES
    return {
        "shape": list(tensor.shape),
        "norm": values.double().norm().item(),
        "stride": stride,
        "values": [float(f"{value:.8g}") for value in values[::stride].tolist()],
    }


def run(side, d_model, d_target, n_classes, image, in_full):
    model = Mnist(side, d_model, d_target, n_classes)
    images = formula([BATCH, 1, *image], 0.5, 0.1) + 0.5
    labels = torch.arange(BATCH) * 3 % n_classes
    network = formula([BATCH, d_model], 0.5, 0.2) + 0.5
    network.requires_grad_()
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    steps = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        network.grad = None
        output = model(images, labels, network)
        output["loss"].backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        optimiser.step()
        named = {"output": output, "gradients": gradients, "parameters": dict(model.named_parameters())}
        step = {
            kind: {name: kept(value, in_full) for name, value in tensors.items()}
            for kind, tensors in named.items()
        }
        steps.append({**step, "network_gradient": kept(network.grad, in_full)})
    return {
        "side": side,
        "d_model": d_model,
        "d_target": d_target,
        "n_classes": n_classes,
        "image": image,
        "steps": steps,
    }


print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "batch": BATCH,
            "learning_rate": LEARNING_RATE,
            "momentum": MOMENTUM,
            # Pooled unevenly: windows of 6 / 4 pixels, and of 32 / 28, overlap.
            "narrow": run(4, 12, [8, 6], 10, [6, 6], in_full=True),
            "wide": run(28, 1024, [512, 256], 10, [32, 32], in_full=False),
        }
    )
)
