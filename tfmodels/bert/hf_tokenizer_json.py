"""tokenizer.json: its parts, and what in them is not BERT's."""

from tfmodels.bert import hf_files


def kind(model):
    """Returns the kind of a model; old versions do not write it.

    Args:
        model: Dict. The part `model` of the file.
    """
    if found := model.get("type"):
        return found
    if "continuing_subword_prefix" in model and "merges" not in model:
        return "WordPiece"
    if "merges" in model:
        return "BPE"
    return "Unigram" if "unk_id" in model else "unknown"


def normalizer(fast):
    """Returns the part that normalizes a text; an empty dict if there is none.

    Args:
        fast: Dict of the file.
    """
    return _only_part(fast.get("normalizer"))


def problems(fast):
    """Yields what the file has that BERT's tokenizer has not.

    Args:
        fast: Dict of the file.

    Yields:
        str. A problem in words.
    """
    model, of_normalizer = fast.get("model") or {}, normalizer(fast)
    for part, of_bert in (
        ("normalizer", "BertNormalizer"),
        ("pre_tokenizer", "BertPreTokenizer"),
    ):
        name = _only_part(fast.get(part)).get("type")
        if name != of_bert:
            yield f"its tokenizer.json has {name or 'no'} {part}"
    for facts, name, of_bert in (
        (model, "unk_token", "[UNK]"),
        (model, "continuing_subword_prefix", "##"),
        (model, "max_input_chars_per_word", 100),
        (of_normalizer, "clean_text", True),
    ):
        value = facts.get(name, of_bert)
        if value != of_bert:
            yield (
                f"its tokenizer.json has {name}={hf_files.to_json(value)}, not "
                f"{hf_files.to_json(of_bert)}"
            )
    if not _frames(fast.get("post_processor")):
        yield "its tokenizer.json does not put a text into [CLS] and [SEP]"


def _only_part(part):
    """Returns a part of tokenizer.json, or the only part of a sequence."""
    part = part or {}
    # No recursion: a file of a stranger can have thousands of levels.
    while part.get("type") == "Sequence":
        parts = part.get("normalizers") or part.get("pretokenizers") or ()
        if len(parts) != 1:
            break
        part = parts[0] or {}
    return part


def _frames(processor):
    """Returns whether a post-processor adds `[CLS]` and `[SEP]`, or nothing."""
    if not processor or processor.get("type") == "BertProcessing":
        return True
    frame = [
        (part.get("SpecialToken") or part.get("Sequence") or {}).get("id")
        for part in processor.get("single") or ()
    ]
    return frame == ["[CLS]", "A", "[SEP]"]
