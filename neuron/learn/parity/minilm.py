"""What transformers makes of all-MiniLM-L6-v2: the numbers that src/synapse/bert/minilm.rs is held against.

    python3 parity/minilm.py FOLDER > parity/minilm.json     (PyTorch 2.11, transformers 5.24.0, in neuron/learn)

FOLDER is where scripts/minilm.sh put the checkpoint. An embedding is the mean over the tokens of a sentence, of length one, as
the model's authors have it. Sentences come two by two, each about what the other of its pair is about. Of what is inside, the
states before the first layer and after each, at all places of all sentences with their padding, and of the pooled output,
every n-th number and the norm are kept.
"""

import json
import sys

import torch
import transformers

SENTENCES = [
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors with a string instrument.",
    "The central bank raised interest rates by half a percentage point.",
    "Borrowing money has become more expensive.",
    "How do I train a neural network on several machines at once?",
    "Distributed training of deep learning models",
    "The cat sleeps on the warm windowsill.",
    "A kitten is napping in the sun.",
]
# About as many numbers are kept of a tensor.
SAMPLES = 48


def kept(tensor):
    values = tensor.flatten()
    # Odd, and so not always of the same columns.
    stride = len(values) // SAMPLES | 1
    return {
        "shape": list(tensor.shape),
        "norm": values.double().norm().item(),
        "stride": stride,
        "values": [float(f"{value:.8g}") for value in values[::stride].tolist()],
    }


folder = sys.argv[1]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
with torch.no_grad():
    output = model(**batch, output_hidden_states=True)
states = output.last_hidden_state
mask = batch["attention_mask"].unsqueeze(-1)
embeddings = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "transformers": transformers.__version__,
            "sentences": [
                {
                    "text": text,
                    "tokens": ids[present.bool()].tolist(),
                    "embedding": [float(f"{value:.8g}") for value in embedding.tolist()],
                }
                for text, ids, present, embedding in zip(
                    SENTENCES, batch["input_ids"], batch["attention_mask"], embeddings
                )
            ],
            "hidden_states": [kept(states) for states in output.hidden_states],
            "pooled": kept(output.pooler_output),
        }
    )
)
