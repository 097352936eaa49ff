#!/usr/bin/env python3
"""Cuts texts into words by what docs/QUERY.md says under "What a word is", and by nothing else.

  python3 tests/words.py FILE      FILE: lines of JSON {"text": "...", "words": [["hex", position], ...]}

Prints the lines that differ, then `N texts, M skipped, K differ`; exit code 1 if K > 0. Skipped are texts with characters
that this Python doesn't know yet, and with long words if it has no package blake3. As a module: `words(text)`.
"""
import json
import pathlib
import re
import sys
import unicodedata

try:
    import blake3
except ImportError:
    blake3 = None

JOINER = 0x200D


def sets():
    """The ranges at the end of the page's section, by name."""
    page = (pathlib.Path(__file__).parent.parent / "docs" / "QUERY.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(LATIN .*?)```", page, re.S).group(1)
    found = {}
    for item in block.split():
        if not re.fullmatch("[0-9A-F]+(-[0-9A-F]+)?", item):
            name = item
            found[name] = set()
            continue
        first, _, last = item.partition("-")
        found[name].update(range(int(first, 16), int(last or first, 16) + 1))
    return found


SETS = sets()
TONES = set(range(0x1F3FB, 0x1F400))
FLAGS = set(range(0x1F1E6, 0x1F200))
TAGS = set(range(0xE0020, 0xE0080))


def is_in(name, c):
    return ord(c) in SETS[name]


def category(c):
    return unicodedata.category(c)


def is_latin(c):
    return category(c)[0] == "L" and is_in("LATIN", c)


def is_mark(c):
    return category(c)[0] == "M"


def is_sign(c):
    return category(c)[0] in "LMN" and is_in("WITHOUT_SPACES", c)


def is_word_character(c):
    return not is_sign(c) and (category(c)[0] in "LM" or category(c) == "Nd" or c == "_")


def fold(text):
    text = text.replace("\ufe0e", "").replace("\ufe0f", "")
    text = unicodedata.normalize("NFKC", text).casefold()
    folded = []
    behind_latin = False
    for c in text:
        if is_latin(c):
            folded.append(unicodedata.normalize("NFD", c)[0])
            behind_latin = True
        elif not (behind_latin and is_mark(c)):
            folded.append(c)
            behind_latin = False
    return "".join(folded)


def end_of_sign(text, at):
    """Where the word ends of the sign that stands before `at`."""
    chain = is_in("CONSONANTS", text[at - 1])
    stacked = False
    while at < len(text):
        c = text[at]
        if is_mark(c) and not is_in("LONE_MARKS", c):
            chain = chain and category(c) in ("Mn", "Me")
            stacked = stacked or c in "\u1039\u17d2"
        elif is_in("CONSONANTS", c) and chain and stacked:
            stacked = False
        else:
            break
        at += 1
    return at


def end_of_emoji(text, at):
    """Where the word ends of the emoji that stands before `at`."""
    first = ord(text[at - 1])
    if first in FLAGS and at < len(text) and ord(text[at]) in FLAGS:
        at += 1
    chain = first not in FLAGS and first not in TONES
    joined = False
    while at < len(text):
        c = text[at]
        picture = is_in("EMOJI", c) and ord(c) not in FLAGS | TONES
        if picture and chain and joined:
            joined = False
        elif ord(c) == JOINER:
            chain, joined = chain and not joined, True
        elif (is_mark(c) and not is_in("LONE_MARKS", c)) or ord(c) == 0x200C or ord(c) in TONES | TAGS:
            chain = chain and not joined and category(c) != "Mc"
        else:
            break
        at += 1
    return at


def short(word):
    word = word.encode()
    if len(word) <= 255:
        return word
    head = word[:200].decode(errors="ignore").encode()
    return head + b"\xff" + blake3.blake3(word).digest()[:16]


def words(text):
    """Pairs of a word, as bytes, and its position."""
    text = fold(text)
    found = []
    position = 0
    before = None  # Whether the word before began with a sign.
    gap = False
    at = 0
    while at < len(text):
        begin = at
        at += 1
        sign = is_sign(text[begin])
        if sign:
            at = end_of_sign(text, at)
        elif is_in("EMOJI", text[begin]):
            at = end_of_emoji(text, at)
        elif is_word_character(text[begin]):
            while at < len(text) and is_word_character(text[at]):
                at += 1
        else:
            gap = True
            continue
        if before is not None:
            position += 2 if gap and (sign or before) else 1
        before, gap = sign, False
        found.append((short(text[begin:at]), position))
    return found


def known(text):
    """Whether this Python's tables are new enough for a text."""
    return all(category(c) != "Cn" or is_in("EMOJI", c) for c in text)


def main(path):
    counts = {"texts": 0, "skipped": 0, "differ": 0}
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            counts["texts"] += 1
            expected = [(bytes.fromhex(word), position) for word, position in line["words"]]
            long = any(b"\xff" in word for word, _ in expected)
            if not known(line["text"]) or (long and not blake3):
                counts["skipped"] += 1
            elif words(line["text"]) != expected:
                counts["differ"] += 1
                print(ascii(line["text"]), ascii(words(line["text"])), ascii(expected), sep="\n  ")
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    return counts["differ"] > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
