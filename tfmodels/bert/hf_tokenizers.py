"""The tokenizer of a directory of Hugging Face: what it is, what it does.

The files of a directory can describe it twice. Where they do, this module does
what the library `transformers` does: `PreTrainedTokenizerFast`, also under its
other names, takes tokenizer.json, and the classes of BERT take
tokenizer_config.json first.
"""

from tfmodels.bert import hf_added_tokens
from tfmodels.bert import hf_files
from tfmodels.bert import hf_tokenizer_json
from tfmodels.bert import wordpiece
from tfmodels.bert.added_tokens import Vocabulary

# What `HfTokenizer` reads, if it is there.
FILES = (
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.txt",
    *hf_added_tokens.FILES,
)
# A vocabulary and the settings below describe a tokenizer of these classes.
_BERT_CLASSES = tuple(
    f"{name}Tokenizer{kind}"
    for name in ("Bert", "DistilBert", "Electra")
    for kind in ("", "Fast", "Legacy")
)
# These classes take any tokenizer.
_ANY_CLASSES = (
    "AutoTokenizer",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "PythonBackend",
    "TokenizersBackend",
)
# From a setting in tokenizer_config.json to the one in tokenizer.json.
_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_SPECIAL_NAMES = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
}


class HfTokenizer:
    """What the files of a directory say about its tokenizer.

    Attributes:
        added: List of `AddedToken`.
        lowercase: bool. Whether it drops case.
        strips_accents: bool. Whether it drops accents.
        separates_chinese: bool. Whether each Chinese character is a word.
        messages: List of str. What a user should know about these settings.
    """

    def __init__(self, path, facts):
        """Reads the files.

        Args:
            path: `pathlib.Path` of the directory.
            facts: Dict of its config.json.

        Raises:
            ValueError: A file cannot be read, or contains no vocabulary.
        """
        self._config = hf_files.read_json_if_there(
            path / "tokenizer_config.json"
        )
        self._fast = hf_files.read_json_if_there(path / "tokenizer.json")
        self._model = self._fast.get("model") or {}
        self._normalizer = hf_tokenizer_json.normalizer(self._fast)
        # Old versions of transformers save the class in config.json.
        self._class = (
            self._config.get("tokenizer_class")
            or facts.get("tokenizer_class")
            or _BERT_CLASSES[0]
        )
        self._lines = None
        if hf_files.is_there(path / "vocab.txt"):
            self._lines = wordpiece.read_vocabulary(path / "vocab.txt")
        self._ids = self._read_ids()
        self.added, self._problems_of_added = hf_added_tokens.read(
            path, self._config, self._fast, self._ids
        )
        self.messages = []
        lowercase = self._setting("do_lower_case")
        self.lowercase = self._choose_case(lowercase)
        strips = self._setting("strip_accents")
        self.strips_accents = self.lowercase if strips is None else bool(strips)
        separates = self._setting("tokenize_chinese_chars")
        self.separates_chinese = separates is None or bool(separates)

    def _read_ids(self):
        """Returns the ids of the pieces, by token."""
        if (
            self._fast
            and (kind := hf_tokenizer_json.kind(self._model)) != "WordPiece"
        ):
            raise ValueError(
                f"its tokenizer.json is a {kind} model, not WordPiece"
            )
        ids = self._model.get("vocab")
        if isinstance(ids, dict):
            return ids
        if self._lines is None:
            raise ValueError(
                "it has no vocab.txt and no WordPieces in tokenizer.json"
            )
        return {token: i for i, token in enumerate(self._lines)}

    def _setting(self, name):
        """Returns a setting; `None` if no file has it."""
        of_fast = _SETTINGS[name]
        found = [
            (file, facts[key])
            for file, facts, key in (
                ("tokenizer_config.json", self._config, name),
                ("tokenizer.json", self._normalizer, of_fast),
            )
            if facts.get(key) is not None
        ]
        for file, value in found:
            if type(value) is not bool:
                raise ValueError(
                    f"{file} must have true or false as {name}. Received: "
                    f"{hf_files.to_json(value)}."
                )
        if self._class in _ANY_CLASSES:
            found.reverse()
        if len(found) == 2 and found[0][1] != found[1][1]:
            files, values = zip(*found, strict=True)
            self.messages.append(
                f"{' and '.join(files)} contradict each other about {name}: "
                f"{' and '.join(map(hf_files.to_json, values))}. The first "
                "decides, as in transformers."
            )
        return found[0][1] if found else None

    def _choose_case(self, lowercase):
        """Returns whether case is dropped; the vocabulary decides if need be.

        Args:
            lowercase: What the files say; `None` if they say nothing.
        """
        capitals = [token for token in self._ids if _has_capital(token)]
        count = (
            f"{len(capitals)} of its {len(self._ids)} tokens have capital "
            f"letters, such as {', '.join(sorted(capitals)[:3])}"
        )
        if lowercase is None:
            lowercase = not capitals
            if capitals:
                self.messages.append(
                    "no file says whether the tokenizer drops case. It keeps "
                    f"case, because {count}. Write "
                    '{"do_lower_case": true} into tokenizer_config.json to '
                    "drop case."
                )
        elif lowercase and capitals:
            self.messages.append(
                f"its tokenizer drops case, but {count}, which no text then "
                'gives. Write {"do_lower_case": false} into '
                "tokenizer_config.json to keep case."
            )
        return bool(lowercase)

    def problems(self):
        """Returns what this package cannot do as the files say.

        Returns:
            List of str, in words.
        """
        found = [
            *self._problems_of_class(),
            *self._problems_of_file(),
            *self._problems_of_added,
            *hf_added_tokens.equal_texts(self.added, self.lowercase),
        ]
        config = self._config
        if self.strips_accents != self.lowercase:
            found.append(
                "its tokenizer drops accents without case or case without "
                "accents"
            )
        if not self.separates_chinese:
            found.append("its tokenizer does not separate Chinese characters")
        if config.get("do_basic_tokenize") is False:
            found.append("its tokenizer does not separate punctuation")
        never = config.get("never_split") or ()
        if others := set(never) - set(wordpiece.SPECIAL_TOKENS):
            found.append(f"its tokenizer never splits {sorted(others)[0]!r}")
        for name, token in _SPECIAL_NAMES.items():
            given = hf_added_tokens.content(config.get(name)) or token
            if given != token:
                found.append(f"its {name} is {given!r}, not {token!r}")
        return found

    def _problems_of_class(self):
        name = str(self._class)
        if name in (*_BERT_CLASSES, *_ANY_CLASSES):
            return
        # tokenizer.json describes a fast tokenizer fully.
        if not (self._fast and name.endswith("Fast")):
            yield f"its tokenizer is a {name}, not BERT's"

    def _problems_of_file(self):
        """Yields what tokenizer.json has that BERT's tokenizer has not."""
        if not self._fast:
            return
        yield from hf_tokenizer_json.problems(self._fast)
        ids = self._ids | {token.content: token.id for token in self.added}
        for number, token in enumerate(self._lines or ()):
            if ids.get(token) != number:
                yield (
                    "vocab.txt and tokenizer.json contradict each other: "
                    f"{token!r} has the id {number}, or {ids.get(token)}. "
                    "Delete the wrong file"
                )
                return

    def vocabulary(self):
        """Returns the tokens in the order of their ids.

        Ids without a piece, also those of added tokens, have a token that no
        text gives.

        Returns:
            `Vocabulary`.

        Raises:
            ValueError: Two tokens have the same id, or most ids have none.
        """
        names = {}
        for token, number in self._ids.items():
            if type(number) is not int or number < 0 or number in names:
                raise ValueError(
                    "tokenizer.json must give each token an id of its own. "
                    f"Received: {token!r} with {hf_files.to_json(number)}."
                )
            names[number] = token
        for token in self.added:
            is_special = token.content in wordpiece.SPECIAL_TOKENS
            name = f"[added_token_{token.id}]"
            names.setdefault(token.id, token.content if is_special else name)
        size = max(names, default=-1) + 1
        if size > 2 * len(names):
            raise ValueError(
                f"Its {len(names)} tokens have ids up to {size - 1}."
            )
        return Vocabulary(
            (names.get(i, f"[no_token_{i}]") for i in range(size)),
            # The characters `[CLS]` in a text are not a special token.
            [
                token
                for token in self.added
                if token.content not in wordpiece.SPECIAL_TOKENS
            ],
        )


def _has_capital(token):
    # `[CLS]` and `[unused1]` are not pieces of texts.
    piece = token.removeprefix("##")
    return piece.isalpha() and piece != piece.lower()
