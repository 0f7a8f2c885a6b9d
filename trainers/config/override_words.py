"""Settings on a command line: the words `--config.NAME=VALUE`."""

import re

from tfmodels import settings
from trainers.config import overrides
from trainers.config import tree
from trainers.errors import ConfigError

_OVERRIDE = re.compile(r"--?(no)?config\.([^=]*)(=.*)?$", re.DOTALL)


def split(argv):
    """Separates `--config.x=y` (also `--config.x y`) from other words.

    Args:
        argv: List of str. A command line.

    Returns:
        `(words, rest)`: `words` have the form `--config.x=y` or
        `--[no]config.x`; `rest` has all others.
    """
    found, rest = [], []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            return found, [*rest, word, *words]
        match = _OVERRIDE.match(word)
        if not match:
            rest.append(word)
            continue
        # Without `=`, the next word is the value. If that word is a flag as
        # well, this flag is a boolean.
        is_bare = match[3] is None and not match[1]
        if is_bare and words and not words[0].startswith("--"):
            word += "=" + words.pop(0)
        found.append(word)
    return found, rest


def names(words):
    """Returns the settings that words name, such as `config.seed`.

    Args:
        words: List of str from `split`.
    """
    return [f"config.{_OVERRIDE.match(word)[2]}" for word in words]


def apply(config, words):
    """Returns a copy of a configuration with the settings of words.

    The last word for a setting wins.

    Args:
        config: `ExperimentConfig`; read, not changed.
        words: List of str from `split`.

    Raises:
        ConfigError: A setting does not exist, or a value has a wrong type.
    """
    texts = {}
    parsed = [(word, *_OVERRIDE.match(word).groups()) for word in words]
    for _, no, leaf, text in parsed:
        # It decides which other settings there are.
        if f"config.{leaf}" == tree.OBJECTIVE and text and not no:
            texts[tree.OBJECTIVE] = text[1:]
    config = overrides.apply(config, texts)
    fields = {name: field for name, field, _ in tree.leaves(config)}
    for word, no, leaf, text in parsed:
        name = tree.MOVED.get(f"config.{leaf}", f"config.{leaf}")
        if name not in fields:
            raise overrides.unknown_setting(name, fields)
        is_bool = fields[name].type is bool
        if no and (not is_bool or text):
            raise ConfigError(
                f"`--no{name}` is for settings that are true or false, and "
                f"takes no value. Received: {word!r}. Choices: --{name}=VALUE."
            )
        if text is None and not is_bool:
            raise ConfigError(
                f"`--{name}` must be {settings.type_words(fields[name])}. "
                "Received: nothing."
            )
        texts[name] = text[1:] if text else str(not no)
    return overrides.apply(config, texts)
