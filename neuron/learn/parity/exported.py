"""What transformers makes of a model that `neuron export` wrote: what neuron/worker/tests/worker/transformers.rs holds ours against.

    python3 parity/exported.py FOLDER '[["One text."], ["A sentence.", "Another."]]'     (PyTorch 2.11, transformers 5.24.0)

A folder of a model of text, and a list of rows, each a text or a pair of sentences. Prints JSON: the rows in tokens, padded to the
longest where there is padding; of the model without and with the code in its folder, which tensors its classes miss and leave
alone, and what they say of the rows and go on with; and of what transformers warns. Each model is written to a folder in FOLDER again.
"""

import json
import logging
import sys

import torch
import transformers

# What a text goes on with, greedily.
NEW_TOKENS = 6


class Kept(logging.Handler):
    """What is warned of, apart from the report of tensors, which `loaded` gives in full."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        if "LOAD REPORT" not in record.getMessage():
            self.said.append(record.getMessage())


def loaded(auto, folder, with_code):
    """A model by one of the classes that choose another, and what that says of the tensors of the folder."""
    model, report = auto.from_pretrained(folder, trust_remote_code=with_code, output_loading_info=True)
    problems = {problem: sorted(map(str, found)) for problem, found in report.items()}
    return model.eval(), {"class": type(model).__name__, **problems}


@torch.no_grad()
def said(folder, batch, with_code):
    whole, of_whole = loaded(transformers.AutoModelForPreTraining, folder, with_code)
    whole.save_pretrained(f"{folder}/{'with' if with_code else 'without'}_code")
    goes_on = whole.config.model_type == "gpt2"
    usual = transformers.AutoModelForCausalLM if goes_on else transformers.AutoModelForMaskedLM
    model, of_model = loaded(usual, folder, with_code)
    said = {"whole": of_whole, "usual": of_model, "logits": model(**batch).logits.tolist()}
    if goes_on:
        said["goes_on"] = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False).tolist()
    else:
        said["next_sentence"] = whole(**batch).seq_relationship_logits.tolist()
    return said


def main(folder, rows):
    warnings = Kept()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_default_handler()
    transformers.utils.logging.add_handler(warnings)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = [tokenizer(*row) for row in rows]
    batch = tokenizer.pad(rows, return_tensors="pt") if tokenizer.pad_token else rows[0].convert_to_tensors("pt", True)
    made = {
        "inputs": {name: tensor.tolist() for name, tensor in batch.items()},
        "without_code": said(folder, batch, False),
        "with_code": said(folder, batch, True),
    }
    print(json.dumps({**made, "warnings": warnings.said}))


main(sys.argv[1], json.loads(sys.argv[2]))
