"""The columns of items and of targets of tagged texts.

Items are what a file says about a document, `int32[num_items, 3]` in the order
of the text: all words, if the file has words, or else the spans. Targets are
what is learned, `int32[num_pieces, 4]`, one row for each piece of a window.
"""

# Columns of items. The places are in code points; the end is exclusive.
START = 0
END = 1
# For a word, the position of its tag in the names of the objective. For a span,
# -1 minus the position of the tag of its begin.
ITEM_TAG = 2
NUM_ITEM_COLUMNS = 3

# Columns of targets.
# Position in the names of the objective, or `NOT_SCORED`.
TAG = 0
# Number of the document in its split.
DOCUMENT = 1
# Number of the token in the document. Pieces after `##` are not counted.
TOKEN = 2
# 1 for the first token of a word. If the file has spans, each token is a word.
IS_WORD = 3
NUM_TARGET_COLUMNS = 4

# TAG of a piece that begins with `##`, of a token that another window scores,
# of a special token, and of padding.
NOT_SCORED = -1


def are_words(items):
    """Returns whether items are the words of a document, and not spans.

    Args:
        items: int32[num_items, 3].
    """
    return len(items) > 0 and bool(items[0, ITEM_TAG] >= 0)
