"""Queries for words and what they must find, by a look at every text. The words are cut by `words.py`, which was written
from docs/QUERY.md alone; everything else here is from that page too."""
import collections
import re

import words as cut

PLAIN = re.compile("[a-z0-9_]+")
SIGNS = re.compile("[\u3041-\u30ff\u3400-\u9fff]+")
ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w|https?://[^\s\"()*]+|\w+(?:[./:]\w+){2,}")
EXPANSION_MAX = 20_000


def words_of(text):
    """Words and positions; a short way for ASCII, where no word is a sign."""
    if text.isascii():
        found = PLAIN.findall(text.lower())
        if all(len(w) <= 255 for w in found):
            return list(zip(found, range(len(found))))
    return [(w.decode() if b"\xff" not in w else w, at) for w, at in cut.words(text)]


def is_near(a, b):
    """Whether a distance of one is enough."""
    if abs(len(a) - len(b)) > 1:
        return False
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return a[n + 1:] == b[n + 1:] or a[n:] == b[n + 1:] or a[n + 1:] == b[n:]


class Texts:
    """All records with their words."""

    def __init__(self, rows, default_kinds, micros):
        self.rows = [r for r in rows if r.get("kind", "message") in default_kinds]
        self.times = [micros(r["time"]) for r in self.rows]
        self.having = collections.defaultdict(list)
        self.words = []
        known = {}
        for n, row in enumerate(self.rows):
            found = [(known.setdefault(w, w), at) for w, at in words_of(row["body"])]
            self.words.append(found)
            for w in {w for w, _ in found}:
                self.having[w].append(n)
        self.all = set(range(len(self.rows)))
        self.oldest = sorted(self.all, key=lambda n: (self.times[n], n))
        self.by_use = sorted(self.having, key=lambda w: (-len(self.having[w]), repr(w)))

    def exact(self, text):
        return self.phrase(words_of(text), None)

    def prefix(self, text):
        found = words_of(text)
        like = [w for w in self.having if isinstance(w, str) and w.startswith(found[-1][0])]
        return self.phrase(found, like) if len(like) < EXPANSION_MAX else None

    def near(self, word):
        like = [w for w in self.having if isinstance(w, str) and len(w.encode()) <= 255 and is_near(word, w)]
        return set().union(*(self.having[w] for w in like))

    def phrase(self, wanted, last):
        """Records in which the words stand so; `last`: what may stand for the last of them."""
        allowed = [({w}, at - wanted[0][1]) for w, at in wanted]
        if last is not None:
            allowed[-1] = (set(last), allowed[-1][1])
        found = None
        for these, _ in allowed:
            having = set().union(*(self.having.get(w, ()) for w in these))
            found = having if found is None else found & having
        if len(allowed) == 1:
            return found
        return {n for n in found if self.stands(n, allowed)}

    def stands(self, n, allowed):
        at = {place: w for w, place in self.words[n]}
        return any(all(at.get(start + off) in these for these, off in allowed) for start in at)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(text, rng):
    """Words as one writes them: without quotation marks where that means the same."""
    bare = not re.search(r'[\s()"*:]|~\d+$|^-', text) and text not in ("AND", "OR", "NOT")
    return text if bare and rng.random() < 0.7 else quoted(text)


class Asker:
    """Random queries on texts: `(sort, query, found)`."""

    SORTS = ("frequent", "middle", "rare", "both", "either", "without", "only_without", "phrase", "phrase", "phrase_start",
             "prefix", "near", "near", "tag", "author", "time", "address", "signs", "signs", "sign_phrase", "part", "nothing")

    def __init__(self, texts, rng):
        self.t, self.rng = texts, rng
        self.some = [w for w in texts.by_use if isinstance(w, str)]
        self.bodies = [n for n, words in enumerate(texts.words) if words]
        self.with_signs = [n for n in self.bodies if SIGNS.search(texts.rows[n]["body"])]
        self.addresses = [n for n in self.bodies if ADDRESS.search(texts.rows[n]["body"])]

    def queries(self, n):
        made = tries = 0
        while made < n and tries < 50 * n and self.bodies:
            tries += 1
            sort = self.rng.choice(self.SORTS)
            one = getattr(self, sort)()
            if one and one[1] is not None and len(one[0]) < 2000:
                made += 1
                yield sort, one[0], one[1]

    def word(self):
        """More often a frequent one."""
        return self.some[int(len(self.some) * self.rng.random() ** 3)]

    def one(self, word):
        return written(word, self.rng), self.t.exact(word)

    def body(self):
        return self.t.rows[self.rng.choice(self.bodies)]["body"]

    def frequent(self):
        return self.one(self.rng.choice(self.some[:30]))

    def middle(self):
        return self.one(self.word())

    def rare(self):
        return self.one(self.rng.choice(self.some[len(self.some) // 2:]))

    def both(self):
        """Words of one record, so that something is found."""
        found = self.t.words[self.rng.choice(self.bodies)]
        some = [self.one(w) for w, _ in self.rng.sample(found, min(len(found), self.rng.choice([2, 2, 3]))) if isinstance(w, str)]
        return self.rng.choice([" ", " AND "]).join(q for q, _ in some), set.intersection(*(f for _, f in some)) if some else None

    def either(self):
        (a, x), (b, y) = self.one(self.word()), self.one(self.word())
        return f"{a} OR {b}", x | y

    def without(self):
        (a, x), (b, y) = self.frequent(), self.rng.choice([self.one(self.word()), self.phrase() or self.frequent()])
        return f"{a} {self.rng.choice(['-', 'NOT '])}{b}", x - y

    def only_without(self):
        (a, x) = self.rng.choice([self.frequent, self.middle, self.phrase])() or self.frequent()
        return f"NOT {a}", self.t.all - x

    def phrase(self):
        parts = self.body().split()
        n = min(len(parts), self.rng.choice([2, 2, 3, 4]))
        at = self.rng.randrange(len(parts) - n + 1) if parts else 0
        text = " ".join(parts[at:at + n])
        return (quoted(text), self.t.exact(text)) if words_of(text) else None

    def phrase_start(self):
        """Words that hang together, and the beginning of one: `anna@exa*`."""
        found = re.findall(r"\w+(?:[.@/'-]\w+)+", self.body())
        if not found:
            return None
        text = self.rng.choice(found)
        text = text[:self.rng.randrange(2, len(text) + 1)]
        if not words_of(text) or not text[-1].isalnum() or text.startswith("-"):
            return None
        return text + "*", self.t.prefix(text)

    def prefix(self):
        word = self.word()
        text = word[:self.rng.randrange(1, len(word) + 1)]
        if len(text.encode()) > 200 or words_of(text) != [(text, 0)]:
            return None
        return text + "*", self.t.prefix(text)

    def near(self):
        word = list(self.word())
        at, other = self.rng.randrange(len(word)), self.rng.choice("aeinst01")
        change = self.rng.randrange(5)
        if change == 0:
            word[at] = other
        elif change == 1:
            word.insert(at, other)
        elif change == 2:
            del word[at]
        elif change == 3:
            word.append("x")
        word = "".join(word)
        if not word or len(word.encode()) > 200 or words_of(word) != [(word, 0)]:
            return None
        return word + "~1", self.t.near(word)

    def tag(self):
        row = self.t.rows[self.rng.choice(self.bodies)]
        if not row.get("tags"):
            return None
        tag = self.rng.choice(row["tags"])
        q, found = self.rng.choice([self.frequent, self.middle, self.phrase])() or self.frequent()
        return f"tag:{quoted(tag)} {q}", {n for n in found if tag in (self.t.rows[n].get("tags") or ())}

    def author(self):
        n = self.rng.choice(self.bodies)
        who = self.t.rows[n]["author"]
        q, found = self.frequent()
        if self.rng.random() < 0.5:
            # A person's name is a word too.
            return (written(who, self.rng), self.t.exact(who)) if words_of(who) else None
        return f"author:{quoted(who)} {q}", {n for n in found if self.t.rows[n]["author"] == who}

    def time(self):
        n = self.rng.choice(self.bodies)
        q, found = self.rng.choice([self.frequent, self.middle, self.phrase])() or self.frequent()
        if self.rng.random() < 0.5:
            return f"{q} before:{self.t.rows[n]['time']}", {m for m in found if self.t.times[m] < self.t.times[n]}
        return f"after:{self.t.rows[n]['time']} {q}", {m for m in found if self.t.times[m] >= self.t.times[n]}

    def address(self):
        if not self.addresses:
            return None
        text = self.rng.choice(ADDRESS.findall(self.t.rows[self.rng.choice(self.addresses)]["body"]))
        if re.search(r"~\d+$", text):
            return None
        # `https://` is no field, nor is 12:30.
        bare = text.startswith("http") or ":" not in text
        return (text if bare else quoted(text)), self.t.exact(text)

    def signs(self):
        """One to four characters of Chinese or Japanese, wherever they stand."""
        if not self.with_signs:
            return None
        text = self.rng.choice(SIGNS.findall(self.t.rows[self.rng.choice(self.with_signs)]["body"]))
        n = min(len(text), self.rng.randrange(1, 5))
        at = self.rng.randrange(len(text) - n + 1)
        text = text[at:at + n]
        return (written(text, self.rng), self.t.exact(text)) if words_of(text) else None

    def sign_phrase(self):
        """A stretch across spaces and other scripts."""
        if not self.with_signs:
            return None
        body = self.t.rows[self.rng.choice(self.with_signs)]["body"]
        at = self.rng.randrange(len(body))
        text = body[at:at + self.rng.randrange(2, 9)]
        return (quoted(text), self.t.exact(text)) if words_of(text) else None

    def part(self):
        """Any stretch of a text, cut anywhere."""
        body = self.body()
        at = self.rng.randrange(len(body))
        text = body[at:at + self.rng.randrange(1, 40)]
        return (quoted(text), self.t.exact(text)) if words_of(text) else None

    def nothing(self):
        a, b = self.word(), self.word()
        text = f"{a} {b}"
        return quoted(text), self.t.exact(text)

