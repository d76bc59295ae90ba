"""The models of `neuron` in PyTorch, eager: what bin/models.rs is measured beside.

    python3 models.py MODEL THREADS DEVICE reads `train` and `infer` line by line, and answers each with seconds;
                                           `memory`, with the MiB that its steps need

The local branch of each synapse with its student, as a neuron without peers trains it: forward, loss, backward, SGD with momentum.
Widths, batch and precision are those of bin/models.rs.
"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

VOCAB, SEQ, TEXTS, IMAGES, COLOURS = 4096, 64, 16, 64, 16
DROPOUT = 0.1


class Mnist(nn.Module):
    def __init__(self):
        super().__init__()
        self.student = nn.ModuleList([nn.Linear(784, 1024), nn.Linear(1024, 1024)])
        self.main = nn.ModuleList([nn.Linear(784 + 1024, 1024), nn.Linear(1024, 1024)])
        self.target = nn.ModuleList([nn.Linear(1024, 512), nn.Linear(512, 256), nn.Linear(256, 10)])

    def forward(self, images):
        pixels = F.adaptive_avg_pool2d((images - 0.1307) / 0.3081, 28).flatten(1)
        student = pixels
        for layer in self.student:
            student = F.relu(layer(student))
        hidden = torch.cat([pixels, student.detach()], dim=1)
        for layer in self.main:
            hidden = F.relu(layer(hidden))
        for layer in self.target[:-1]:
            hidden = F.relu(layer(hidden))
        return F.log_softmax(self.target[-1](hidden), dim=-1)


class NormedConv(nn.Module):
    def __init__(self, c_in, c_out, kernel=1, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return self.norm(self.conv(x))


class DualPathBlock(nn.Module):
    def __init__(self, last, inner, out, dense, stride, is_first):
        super().__init__()
        self.out = out
        self.layer1 = NormedConv(last, inner)
        self.layer2 = NormedConv(inner, inner, 3, stride, 32)
        self.layer3 = NormedConv(inner, out + dense)
        self.shortcut = NormedConv(last, out + dense, stride=stride) if is_first else nn.Identity()

    def forward(self, x):
        y = self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))
        x, d = self.shortcut(x), self.out
        return F.relu(torch.cat([x[:, :d] + y[:, :d], x[:, d:], y[:, d:]], dim=1))


def head(*widths):
    return nn.Sequential(*[nn.Linear(a, b) for a, b in zip(widths, widths[1:])])


class Cifar(nn.Module):
    """Around DPN-26."""

    def __init__(self):
        super().__init__()
        layers, last = [NormedConv(3, 64, 3), nn.ReLU()], 64
        stages = zip([96, 192, 384, 768], [256, 512, 1024, 2048], [16, 32, 24, 128], [1, 2, 1, 2])
        for inner, out, dense, stride in stages:
            for i in range(2):
                layers.append(DualPathBlock(last, inner, out, dense, stride if i == 0 else 1, i == 0))
                last = out + (i + 2) * dense
        self.transform, width = nn.Sequential(*layers), 4 * last
        self.student = head(width, 512, 256, 512)
        self.hidden = head(width + 512, 512, 256, 512)
        self.target = head(512, 128, 10)
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).reshape(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.2470, 0.2435, 0.2616]).reshape(3, 1, 1))

    def forward(self, images):
        pooled = F.adaptive_avg_pool2d((images - self.mean) / self.deviation, 32)
        transform = F.avg_pool2d(self.transform(pooled), 4).flatten(1)
        student = self.student(transform.detach())
        hidden = self.hidden(torch.cat([transform, student.detach()], dim=1))
        return F.log_softmax(self.target(hidden), dim=-1)


def heads(x, n):
    batch, seq, width = x.shape
    return x.reshape(batch, seq, n, width // n).transpose(1, 2)


class GptBlock(nn.Module):
    def __init__(self, width, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x):
        q, k, v = self.attention(self.ln_1(x)).chunk(3, dim=-1)
        q, k, v = (heads(part, self.n_heads) for part in (q, k, v))
        drop = DROPOUT if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
        x = x + self.dropout(self.projection(seen.transpose(1, 2).reshape(x.shape)))
        return x + self.dropout(self.out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh")))


class Gpt(nn.Module):
    def __init__(self, width=512, n_layers=3, n_heads=2):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, width), nn.Embedding(SEQ, width)
        self.blocks = nn.ModuleList(GptBlock(width, n_heads) for _ in range(n_layers))
        self.student = GptBlock(width, n_heads)
        self.ln_f, self.ln_s = nn.LayerNorm(width), nn.LayerNorm(width)
        self.join = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, tokens):
        x = self.dropout(self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device)))
        student = self.ln_s(self.student(x.detach()))
        for block in self.blocks:
            x = block(x)
        x = self.ln_f(x)
        x = x + self.join(torch.cat([x, student.detach()], dim=-1))
        return F.log_softmax(x @ self.wte.weight.t(), dim=-1)


class BertLayer(nn.Module):
    def __init__(self, width, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.fc, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norm_2, self.dropout = nn.LayerNorm(width), nn.Dropout(DROPOUT)

    def forward(self, x):
        q, k, v = (heads(part(x), self.n_heads) for part in (self.query, self.key, self.value))
        drop = DROPOUT if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, dropout_p=drop).transpose(1, 2).reshape(x.shape)
        x = self.norm(x + self.dropout(self.dense(seen)))
        return self.norm_2(x + self.dropout(self.out(F.gelu(self.fc(x)))))


class Bert(nn.Module):
    def __init__(self, width=256, n_layers=2, n_heads=2):
        super().__init__()
        self.word, self.position = nn.Embedding(VOCAB, width), nn.Embedding(SEQ, width)
        self.segment, self.norm = nn.Embedding(2, width), nn.LayerNorm(width)
        self.layers = nn.ModuleList(BertLayer(width, n_heads) for _ in range(n_layers))
        self.student, self.join = BertLayer(width, n_heads), nn.Linear(2 * width, width)
        self.dense, self.head_norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias, self.dropout = nn.Parameter(torch.zeros(VOCAB)), nn.Dropout(DROPOUT)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.word(tokens) + self.position(places) + self.segment(torch.zeros_like(tokens))
        x = self.dropout(self.norm(x))
        student = self.student(x.detach())
        for layer in self.layers:
            x = layer(x)
        x = x + self.join(torch.cat([x, student.detach()], dim=-1))
        hidden = self.head_norm(F.gelu(self.dense(x)))
        return F.log_softmax(hidden @ self.word.weight.t() + self.bias, dim=-1)


def made(name):
    tokens = (torch.arange(TEXTS * SEQ) * 7919 % (VOCAB - 1)).reshape(TEXTS, SEQ)
    if name == "mnist":
        return Mnist(), torch.rand(IMAGES, 1, 28, 28), torch.arange(IMAGES) % 10
    if name == "cifar":
        return Cifar(), torch.rand(COLOURS, 3, 32, 32), torch.arange(COLOURS) % 10
    if name == "gpt":
        after = tokens.roll(-1, 1)
        after[:, -1] = -100
        return Gpt(), tokens, after
    gaps = torch.where(torch.arange(SEQ) % 7 == 0, tokens, -100)
    return Bert(), tokens, gaps


def of_memory(what):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1024


def main():
    name, threads, device = sys.argv[1], int(sys.argv[2]), torch.device(sys.argv[3])
    torch.set_num_threads(threads)
    before = of_memory("VmRSS")
    model, inputs, labels = (part.to(device) for part in made(name))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train():
        optimiser.zero_grad(set_to_none=False)
        target = model(inputs)
        F.nll_loss(target.flatten(0, -2), labels.flatten()).backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def infer():
        with torch.no_grad():
            return model(inputs).sum().item()

    print("ready", flush=True)
    for line in sys.stdin:
        work = line.strip()
        if work == "memory":
            on_gpu = device.type == "cuda"
            most = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else of_memory("VmHWM") - before
            print(most, flush=True)
            continue
        model.train(work == "train")
        began = time.perf_counter()
        train() if work == "train" else infer()
        print(time.perf_counter() - began, flush=True)


main()
