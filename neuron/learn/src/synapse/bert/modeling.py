"""What a neuron adds to BERT, for `transformers` 5: with it, a model says what its neuron serves.

    model = transformers.AutoModelForMaskedLM.from_pretrained(FOLDER, trust_remote_code=True)

    x        = BERT(tokens)                         all there is without `trust_remote_code`
    student  = layer(embeddings)                    the layer is given what the first of BERT's is given
    encoding = x + W·[x, student] + b

The student stands for the network, which nobody asks here.
"""

import torch
from torch import nn
from transformers import BertForMaskedLM, BertForPreTraining
from transformers.models.bert.modeling_bert import BertLayer


class Neuron:
    def __init__(self, config):
        super().__init__(config)
        self.student = BertLayer(config)
        self.join = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.bert.encoder.layer[0].register_forward_pre_hook(self._imagine, with_kwargs=True)
        self.bert.register_forward_hook(self._conclude)
        self.post_init()

    def _imagine(self, _layer, arguments, options):
        with torch.no_grad():
            self._student_says = self.student(*arguments, **options)

    def _conclude(self, bert, _arguments, output):
        x = output.last_hidden_state
        output.last_hidden_state = x + self.join(torch.cat([x, self._student_says], dim=-1))
        if bert.pooler is not None:
            output.pooler_output = bert.pooler(output.last_hidden_state)
        return output


class NeuronBertForMaskedLM(Neuron, BertForMaskedLM):
    pass


class NeuronBertForPreTraining(Neuron, BertForPreTraining):
    pass
