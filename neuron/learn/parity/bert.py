"""What transformers makes of a BERT: the numbers that src/model/bert/parity.rs is held against.

    python3 parity/bert.py > parity/bert.json        (PyTorch 2.11, transformers 5.24.0, in neuron/learn)

transformers' BertForPreTraining with attention written out (`eager`), weights from a formula, a batch with padding and with
pairs of sentences. Outputs are compared in full; of the larger gradients every n-th number and the norm.
"""

import json
import math

import torch
import transformers

PAD, SEP = 0, 3
CONFIG = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 36,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "pad_token_id": PAD,
    "sep_token_id": SEP,
}
# A pair, a pair with padding, and one sentence with more.
TOKENS = [
    [2, 17, 8, 4, SEP, 21, 39, 5, 30, SEP],
    [2, 11, 4, SEP, 28, 9, SEP, PAD, PAD, PAD],
    [2, 35, 4, 13, SEP, PAD, PAD, PAD, PAD, PAD],
]
# What was masked; -100 where nothing was.
WORDS = [
    [-100, -100, -100, 15, -100, -100, 6, -100, -100, -100],
    [-100, -100, 33, -100, -100, 9, -100, -100, -100, -100],
    [-100, -100, 7, -100, -100, -100, -100, -100, -100, -100],
]
NEXT_SENTENCE = [0, 1, 1]
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


model = transformers.BertForPreTraining(transformers.BertConfig(**CONFIG, attn_implementation="eager")).eval()
with torch.no_grad():
    # What is shared counts once: the decoder is the table of words, and its bias the head's.
    for phase, (name, parameter) in enumerate(sorted(model.named_parameters())):
        matrix = parameter.dim() == 2
        parameter.copy_(formula(parameter.shape, 1 / math.sqrt(parameter.shape[1]) if matrix else 0.1, phase))
        if name.endswith("LayerNorm.weight"):
            parameter.add_(1)

tokens = torch.tensor(TOKENS)
# As a tokeniser of BERT has it, and as follows from the tokens.
separators = (tokens == SEP).long()
after_first = separators.cumsum(1) - separators > 0
output = model(
    input_ids=tokens,
    attention_mask=(tokens != PAD).long(),
    token_type_ids=(after_first & (tokens != PAD)).long(),
    labels=torch.tensor(WORDS),
    next_sentence_label=torch.tensor(NEXT_SENTENCE),
    output_hidden_states=True,
)
output.loss.backward()
pooled = model.bert.pooler(output.hidden_states[-1])
print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "transformers": transformers.__version__,
            "config": CONFIG,
            "tokens": TOKENS,
            "words": WORDS,
            "next_sentence": NEXT_SENTENCE,
            "hidden_states": [kept(states, in_full=True) for states in output.hidden_states],
            "pooled": kept(pooled, in_full=True),
            "word_logits": kept(output.prediction_logits, in_full=True),
            "next_sentence_logits": kept(output.seq_relationship_logits, in_full=True),
            "loss": kept(output.loss, in_full=True),
            "gradients": {name: kept(p.grad, in_full=False) for name, p in sorted(model.named_parameters())},
        }
    )
)
