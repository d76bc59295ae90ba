"""What PyTorch makes of the CIFAR synapse: the numbers that src/synapse/cifar/parity.rs is held against.

    python3 parity/cifar.py > parity/cifar.json        (PyTorch 2.11, in neuron/learn)

Written from the description of the origin's model with torch.nn alone, and from nothing of ours. A model of small widths, whose
stages differ in all of them, with weights, images and network context from a formula, so that only results are kept, of larger
tensors every n-th number and the norm. It takes two steps of SGD with momentum on batch statistics, and is then evaluated on
its running ones. Of the models of the paper only the sizes are computed.
"""

import json
import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

BATCH, LEARNING_RATE, MOMENTUM, STEPS = 5, 0.05, 0.9, 2
# About as many numbers are kept of one larger tensor.
SAMPLES = 12

SMALL = {
    "side": 16,
    "stem": 6,
    "in_planes": [4, 8, 8, 12],
    "out_planes": [6, 8, 10, 12],
    "dense_depth": [2, 3, 4, 2],
    "n_blocks": [1, 2, 2, 1],
    "groups": 4,
    "d_model": 12,
    "d_hidden": [10, 8],
    "d_target": 7,
    "n_classes": 10,
}

ORIGIN = {
    "side": 32,
    "stem": 64,
    "in_planes": [96, 192, 384, 768],
    "out_planes": [256, 512, 1024, 2048],
    "dense_depth": [16, 32, 24, 128],
    "n_blocks": [2, 2, 2, 2],
    "groups": 32,
    "d_model": 512,
    "d_hidden": [512, 256],
    "d_target": 128,
    "n_classes": 10,
}
WIDER = {"in_planes": [160, 320, 640, 1280], "dense_depth": [16, 32, 32, 128]}
ORIGINALS = {
    "dpn_26": ORIGIN,
    "dpn_92": {**ORIGIN, "n_blocks": [3, 4, 20, 3]},
    "dpn_98": {**ORIGIN, **WIDER, "n_blocks": [3, 6, 20, 3]},
}


def formula(shape, bound, phase):
    """bound·sin(0.7·k² + phase) at the k-th place, in double precision, rounded to single: looks random, needs no file."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (bound * torch.sin(0.7 * k * k + phase)).reshape(shape).float()


class NormedConv(nn.Module):
    def __init__(self, c_in, c_out, kernel=1, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return self.norm(self.conv(x))


class Stem(NormedConv):
    def forward(self, x):
        return F.relu(super().forward(x))


class Block(nn.Module):
    def __init__(self, last, inner, out, dense, stride, groups, is_first):
        super().__init__()
        self.out = out
        self.layer1 = NormedConv(last, inner)
        self.layer2 = NormedConv(inner, inner, 3, stride, groups)
        self.layer3 = NormedConv(inner, out + dense)
        self.shortcut = NormedConv(last, out + dense, stride=stride) if is_first else nn.Identity()

    def forward(self, x):
        y = self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))
        x, d = self.shortcut(x), self.out
        return F.relu(torch.cat([x[:, :d] + y[:, :d], x[:, d:], y[:, d:]], dim=1))


def dual_path(config):
    network = nn.Sequential()
    network.add_module("stem", Stem(3, config["stem"], 3))
    last = config["stem"]
    for stage, stride in enumerate([1, 2, 1, 2]):
        out, dense = config["out_planes"][stage], config["dense_depth"][stage]
        blocks = nn.Sequential()
        for i in range(config["n_blocks"][stage]):
            inner, groups = config["in_planes"][stage], config["groups"]
            block = Block(last, inner, out, dense, stride if i == 0 else 1, groups, i == 0)
            blocks.add_module(f"block{i + 1}", block)
            last = out + (i + 2) * dense
        network.add_module(f"stage{stage + 1}", blocks)
    return network, last * (config["side"] // 4 // 4) ** 2


def head(*widths):
    layers = {f"layer{i}": nn.Linear(widths[i - 1], widths[i]) for i in range(1, len(widths))}
    return nn.Sequential(OrderedDict(layers))


class Cifar(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.side, d_model = config["side"], config["d_model"]
        self.transform, self.d_transform = dual_path(config)
        self.student = head(self.d_transform, *config["d_hidden"], d_model)
        self.hidden = head(self.d_transform + d_model, *config["d_hidden"], d_model)
        self.target = head(d_model, config["d_target"], config["n_classes"])

    @torch.no_grad()
    def fill(self):
        for phase, (name, parameter) in enumerate(sorted(self.named_parameters())):
            module = self.get_submodule(name.rpartition(".")[0])
            if isinstance(module, nn.BatchNorm2d):
                middle, bound = float(name.endswith(".weight")), 0.5
            else:
                middle, bound = 0.0, 1 / math.sqrt(module.weight[0].numel())
            parameter.copy_(middle + formula(parameter.shape, bound, phase))
        return self

    def forward(self, images, labels, network):
        mean = torch.tensor([0.4914, 0.4822, 0.4465]).reshape(3, 1, 1)
        deviation = torch.tensor([0.2470, 0.2435, 0.2616]).reshape(3, 1, 1)
        pooled = F.adaptive_avg_pool2d((images - mean) / deviation, self.side)
        transform = F.avg_pool2d(self.transform(pooled), 4).flatten(1)
        student = self.student(transform.detach())
        local_output = self.hidden(torch.cat([transform, student.detach()], dim=1))
        network_output = self.hidden(torch.cat([transform, network], dim=1))
        output = {
            "local_output": local_output,
            "local_target": F.log_softmax(self.target(local_output), dim=1),
            "network_output": network_output,
            "network_target": F.log_softmax(self.target(network_output), dim=1),
            "distillation_loss": F.mse_loss(student, network.detach()),
        }
        for branch in ["local", "network"]:
            output[f"{branch}_target_loss"] = F.nll_loss(output[f"{branch}_target"], labels)
        output["loss"] = sum(output[name] for name in list(output) if name.endswith("_loss"))
        return output, transform


def kept(tensor):
    values = tensor.detach().flatten()
    stride = 1 if len(values) <= 2 * SAMPLES else len(values) // SAMPLES
    return {
        "shape": list(tensor.shape),
        "norm": values.double().norm().item(),
        "stride": stride,
        "values": [float(f"{value:.8g}") for value in values[::stride].tolist()],
    }


def all_kept(tensors):
    return {name: kept(tensor) for name, tensor in tensors.items()}


def run(config, image):
    model = Cifar(config).fill()
    images = formula([BATCH, 3, *image], 0.5, 0.1) + 0.5
    labels = torch.arange(BATCH) * 3 % config["n_classes"]
    network = formula([BATCH, config["d_model"]], 0.5, 0.2) + 0.5
    network.requires_grad_()
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    steps = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        network.grad = None
        output, transform = model(images, labels, network)
        output["loss"].backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        optimiser.step()
        buffers = {name: b for name, b in model.named_buffers() if not name.endswith("num_batches_tracked")}
        steps.append(
            {
                "output": all_kept(output),
                "context": kept(transform),
                "gradients": all_kept(gradients),
                "buffers": all_kept(buffers),
                "network_gradient": kept(network.grad),
            }
        )
    output, transform = model.eval()(images, labels, network)
    evaluation = {"output": all_kept(output), "context": kept(transform)}
    return {"image": image, "steps": steps, "evaluation": evaluation}


def size(config):
    with torch.device("meta"):
        model = Cifar(config)
    return {
        "d_transform": model.d_transform,
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "batch": BATCH,
            "learning_rate": LEARNING_RATE,
            "momentum": MOMENTUM,
            "config": SMALL,
            # Pooled unevenly: windows of 18 / 16 pixels overlap.
            "small": run(SMALL, [18, 20]),
            "originals": {name: size(config) for name, config in ORIGINALS.items()},
        }
    )
)
