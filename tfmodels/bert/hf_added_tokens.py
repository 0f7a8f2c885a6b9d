"""The added tokens of a directory of Hugging Face, in all files with some."""

from tfmodels.bert import hf_files
from tfmodels.bert import wordpiece
from tfmodels.bert.added_tokens import AddedToken

# What `read` reads, beside the files of its arguments.
FILES = ("special_tokens_map.json", "added_tokens.json")


def read(path, config, fast, ids):
    """Reads the added tokens, also those of `[CLS]` and its like.

    Args:
        path: `pathlib.Path` of the directory.
        config: Dict of tokenizer_config.json.
        fast: Dict of tokenizer.json.
        ids: Dict. Id by piece.

    Returns:
        `(tokens, problems)`: list of `AddedToken` in the order of their ids,
        and list of str, in words.

    Raises:
        ValueError: A file has something else in their place.
    """
    found, problems = {}, []
    try:
        for facts in _all(path, config, fast, ids):
            problems += _add(facts, found, ids)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"its added tokens cannot be read: {type(error).__name__}: {error}"
        ) from None
    tokens = sorted(found.values(), key=lambda token: token.id)
    pieces = {number: piece for piece, number in ids.items()}
    for token in tokens:
        other = pieces.setdefault(token.id, token.content)
        if other != token.content:
            problems.append(
                f"its tokens {other!r} and {token.content!r} have the same "
                f"id, {token.id}"
            )
    return tokens, list(dict.fromkeys(problems))


def _add(facts, found, ids):
    """Adds a token to those found; yields what is wrong with it."""
    name, number = facts["content"], facts["id"]
    if number is None:
        if name not in found:
            yield f"its special token {name!r} has no id"
        return
    if (
        type(number) is not int
        or number < 0
        or type(name) is not str
        or not name
    ):
        raise ValueError(f"{name!r} has the id {number!r}")
    is_normalized = facts.get("normalized", not facts.get("special", False))
    token = found.setdefault(name, AddedToken(name, number, is_normalized))
    first = ids.get(name, token.id)
    if first != number:
        yield f"its added token {name!r} has the ids {first} and {number}"
    if name in wordpiece.SPECIAL_TOKENS:
        return
    for flag in ("single_word", "lstrip", "rstrip"):
        if facts.get(flag):
            yield f"its added token {name!r} has {flag}=true"


def content(token):
    """Returns the text of a special token, a str or a dict; `None` of `None`.

    Args:
        token: Value in tokenizer_config.json.
    """
    return token.get("content") if isinstance(token, dict) else token


def equal_texts(tokens, lowercase):
    """Yields the added tokens that a text does not tell apart.

    The library `tokenizers` finds one of them, in each process another: the
    order of its hash table decides.

    Args:
        tokens: Sequence of `AddedToken`.
        lowercase: bool. Whether the tokenizer drops case and accents.

    Yields:
        str. A problem in words.
    """
    import tokenizers

    normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    first = {}
    for token in tokens:
        # The characters `[CLS]` in a text are not a special token.
        if not token.normalized or token.content in wordpiece.SPECIAL_TOKENS:
            continue
        # No text gives a token of dropped characters only.
        text = normalizer.normalize_str(token.content)
        other = first.setdefault(text, token.content) if text else token.content
        if other != token.content:
            yield (
                f"its added tokens {other!r} and {token.content!r} are the "
                "same text after its tokenizer has normalized them, and the "
                "library `tokenizers` chooses at random. Delete one of them "
                "from each file that contains it"
            )


def _all(path, config, fast, ids):
    """Yields the facts of added tokens in all files."""
    yield from fast.get("added_tokens") or ()
    decoder = config.get("added_tokens_decoder") or {}
    for number, facts in decoder.items():
        yield facts | {"id": int(number)}
    names = hf_files.read_json_if_there(path / "special_tokens_map.json")
    special = {*_special(config), *_special(names)}
    # Files of transformers before 4.34.
    added = hf_files.read_json_if_there(path / "added_tokens.json")
    for name, number in added.items():
        yield {"id": number, "content": name, "special": name in special}
    for name in sorted(special - set(added)):
        yield {"id": ids.get(name), "content": name, "special": True}


def _special(facts):
    """Yields the special tokens that are not those of BERT."""
    for key in ("additional_special_tokens", "extra_special_tokens"):
        tokens = facts.get(key) or ()
        if isinstance(tokens, dict):
            tokens = tokens.values()
        yield from map(content, tokens)
