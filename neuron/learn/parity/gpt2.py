"""What transformers makes of a GPT-2: the numbers that src/model/gpt2/parity.rs is held against.

    python3 parity/gpt2.py > parity/gpt2.json        (PyTorch 2.11, transformers 5.24.0, in neuron/learn)

transformers' GPT2LMHeadModel with attention written out (`eager`) and weights from a formula, once with the table of words as
head and once with a head of its own. Outputs are compared in full; of the larger gradients every n-th number and the norm.
"""

import json
import math

import torch
import transformers

CONFIG = {
    "vocab_size": 37,
    "n_positions": 32,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
    "n_inner": None,
    "resid_pdrop": 0.1,
    "embd_pdrop": 0.1,
    "attn_pdrop": 0.1,
    "layer_norm_epsilon": 1e-5,
    "initializer_range": 0.02,
}
BATCH, SEQ = 3, 10
# With a cache, tokens come in pieces: the first, several after it, one alone.
PIECES = [4, 1, 3, 2]
PROMPT, NEW_TOKENS = 5, 20
# About as many numbers are kept of one gradient.
SAMPLES = 24


def formula(shape, bound, phase):
    """bound·sin(0.7·k² + phase) at the k-th place, in double precision, rounded to single: looks random, needs no file."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (bound * torch.sin(0.7 * k * k + phase)).reshape(shape).float()


def kept(tensor, in_full):
    values = tensor.detach().flatten()
    stride = 1 if in_full or len(values) <= 2 * SAMPLES else len(values) // SAMPLES
    return {
        "shape": list(tensor.shape),
        "norm": values.double().norm().item(),
        "stride": stride,
        "values": [float(f"{value:.8g}") for value in values[::stride].tolist()],
    }


def draw(config):
    settings = transformers.GPT2Config(**config, attn_implementation="eager", bos_token_id=None)
    model = transformers.GPT2LMHeadModel(settings).eval()
    with torch.no_grad():
        for phase, (name, parameter) in enumerate(sorted(model.named_parameters())):
            matrix = parameter.dim() == 2
            parameter.copy_(formula(parameter.shape, 1 / math.sqrt(parameter.shape[1]) if matrix else 0.1, phase))
            if not matrix and name.endswith(".weight"):
                parameter.add_(1)
    return model


def run(tied, end):
    config = {**CONFIG, "tie_word_embeddings": tied, "eos_token_id": end}
    model = draw(config)
    tokens = (torch.arange(BATCH * SEQ) * 11 % config["vocab_size"]).reshape(BATCH, SEQ)
    output = model(input_ids=tokens, labels=tokens, output_hidden_states=True, use_cache=False)
    output.loss.backward()

    pieces, cache = [], transformers.DynamicCache(config=model.config)
    for piece in tokens.split(PIECES, dim=1):
        pieces.append(model(input_ids=piece, cache=cache, use_cache=True).logits)
    # The same numbers, so they are kept once.
    torch.testing.assert_close(torch.cat(pieces, dim=1), output.logits, rtol=0, atol=2e-6)

    prompt = tokens[:, :PROMPT]
    greedy = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
    )
    return {
        "config": config,
        "tokens": tokens.tolist(),
        "pieces": PIECES,
        "hidden": kept(output.hidden_states[-1], in_full=True),
        "logits": kept(output.logits, in_full=True),
        "loss": kept(output.loss, in_full=True),
        "gradients": {name: kept(p.grad, in_full=False) for name, p in sorted(model.named_parameters())},
        "prompt": prompt.tolist(),
        "greedy": greedy.tolist(),
    }


print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "transformers": transformers.__version__,
            "tied": run(True, None),
            "untied": run(False, 23),
        }
    )
)
