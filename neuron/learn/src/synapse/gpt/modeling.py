"""What a neuron adds to GPT-2, for `transformers` 5: with it, a model says what its neuron serves.

    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)

    x        = GPT-2(tokens)                        all there is without `trust_remote_code`
    student  = norm(block(embeddings))              the block is given what the first of GPT-2's is given
    encoding = x + W·[x, student] + b

The student stands for the network, which nobody asks here.
"""

import torch
from torch import nn
from transformers import GPT2LMHeadModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Block


class NeuronGPT2LMHeadModel(GPT2LMHeadModel):
    # What the router reads.
    _keys_to_ignore_on_load_unexpected = [r"^pooler\."]

    def __init__(self, config):
        super().__init__(config)
        # What it has seen of a text is cached behind what the model's own blocks have.
        block = GPT2Block(config, layer_idx=config.n_layer)
        norm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.student = nn.ModuleDict({"h": nn.ModuleList([block]), "ln_f": norm})
        self.join = nn.Linear(2 * config.n_embd, config.n_embd)
        self.transformer.h[0].register_forward_pre_hook(self._imagine, with_kwargs=True)
        self.transformer.register_forward_hook(self._conclude)
        self.post_init()

    def _imagine(self, _block, arguments, options):
        states, cache, *others = arguments
        if cache is not None and len(cache.layers) == self.config.n_layer:
            cache.layers.append(type(cache.layers[0])())
        with torch.no_grad():
            states = self.student["h"][0](states, cache, *others, **options)
            self._student_says = self.student["ln_f"](states)

    def _conclude(self, _transformer, _arguments, output):
        x = output.last_hidden_state
        output.last_hidden_state = x + self.join(torch.cat([x, self._student_says], dim=-1))
        return output
