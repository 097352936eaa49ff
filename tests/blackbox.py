#!/usr/bin/env python3
"""Black-box test of the program `escrow` by its command contract. Needs Python 3.9 and the built binary only.

  python3 tests/blackbox.py --escrow target/release/escrow [--records 20000] [--queries 500] [--seed 1] [--rounds 20]
                            [--chats 1000000] [--word-queries 200] [--only NAME[,NAME]] [--keep]

Parts: oracle (every query against a plain list), contract (exit codes, certificates, exports), erase (a store that forgot
equals one that never knew), copies (old copies of the folder with the final slot), kill_import, kill_erase (SIGKILL at
random moments), exports (pages and tables against the records, hostile texts among them), chats (real chats of
ESCROW_CHATS, a folder of JSON Lines: what goes in is counted and comes out as a scan says), words (queries for words on
the same chats, against texts that `words.py` cut). Every failure prints the command that shows it. Last line: `N passed, M failed`; exit code 1 if M > 0.
"""
import argparse
import collections
import csv
import datetime as dt
import html.parser
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

DEFAULT_KINDS = ("message", "action", "file", "call")
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000

WORDS = {
    "en": "the order arrived late please send invoice again thank you problem solved never mind".split(),
    "de": "Die Größe der Straße überrascht Müller und Äpfel, bitte schöne Grüße an Weiß".split(),
    "fr": "où est l'été déjà passé à Noël garçon façade cœur".split(),
    "ru": "Привет, где мой заказ? Спасибо за ответ".split(),
    "ar": "مرحبا أين الطلب شكرا جزيلا".split(),
    "ja": "東京の注文はどこですか ありがとう カタカナ".split(),
    "th": "สวัสดี คำสั่งซื้อ ของฉัน".split(),
    "emoji": "👍🏽 👩‍👩‍👧 🎉 ok ❤️ 🇩🇪".split(),
}


# ---------------------------------------------------------------- results

class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.notes = collections.Counter()

    def check(self, ok, what, detail="", command=None):
        if ok:
            self.passed += 1
            return True
        self.failed += 1
        if self.failed <= 40:
            print(f"FAIL {what}")
            for line in str(detail).splitlines()[:12]:
                print(f"     {line[:400]}")
            if command:
                print(f"     reproduce: {command}")
            sys.stdout.flush()
        elif self.failed == 41:
            print("FAIL ... further failures are counted, not printed")
        return False

    def equal(self, got, want, what, command=None):
        if got == want:
            self.passed += 1
            return True
        return self.check(False, what, difference(got, want), command)


def difference(got, want):
    if isinstance(got, dict) and isinstance(want, dict):
        keys = [k for k in {**got, **want} if got.get(k) != want.get(k)][:5]
        return "\n".join(f"{k!r}: got {got.get(k)!r}, want {want.get(k)!r}" for k in keys)
    if isinstance(got, list) and isinstance(want, list):
        for i, (g, w) in enumerate(zip(got, want)):
            if g != w:
                return f"lengths {len(got)} and {len(want)}; first difference at {i}:\n got {g!r}\nwant {w!r}"
        return f"lengths: got {len(got)}, want {len(want)}"
    return f" got {got!r}\nwant {want!r}"


# ---------------------------------------------------------------- the program

class Result:
    def __init__(self, code, out, err, command):
        self.code, self.out, self.err, self.command = code, out, err, command

    def lines(self):
        rows = []
        for line in self.out.split("\n"):  # splitlines would split at U+2028 too
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    raise AssertionError(f"not JSON on stdout: {line[:200]!r}; {self.command}") from None
        return rows

    def __str__(self):
        return f"exit {self.code}\nstdout: {self.out[:300]}\nstderr: {self.err[:300]}"


class Escrow:
    """One store folder with its slot."""

    def __init__(self, binary, store, slot=None):
        self.binary, self.store, self.slot = binary, store, slot or store + ".slot"

    def argv(self, *args):
        return [self.binary, "--store", self.store, "--slot", "file:" + self.slot, "--json", *args]

    def shell(self, *args):
        return shlex.join(self.argv(*args))

    def run(self, *args, stdin=None, timeout=600):
        p = subprocess.run(self.argv(*args), input=stdin, capture_output=True, timeout=timeout, env=ENV)
        return Result(p.returncode, p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace"),
                      self.shell(*args))

    def start(self, *args):
        return subprocess.Popen(self.argv(*args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                stdin=subprocess.DEVNULL, env=ENV)

    def must(self, *args, stdin=None):
        r = self.run(*args, stdin=stdin)
        if r.code != 0:
            raise AssertionError(f"exit {r.code} of {r.command}: {r.err[:400]}")
        return r

    def count(self, query):
        return self.must("count", query).lines()[0]["count"]

    def hits(self, query, order="oldest", limit=1_000_000):
        return self.must("search", query, "--order", order, "--limit", str(limit)).lines()


ENV = {k: v for k, v in os.environ.items() if not k.startswith("ESCROW_")}


# ---------------------------------------------------------------- records and the plain list

def micros(text):
    t = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (t - EPOCH) // dt.timedelta(microseconds=1)


def instant(us):
    return EPOCH + dt.timedelta(microseconds=us)


def print_time(us, rng=None):
    """RFC 3339; with a generator in one of several spellings."""
    t = instant(us)
    zone = ""
    if rng and rng.random() < 0.3:
        minutes = rng.choice([-480, -210, 60, 120, 330, 765])
        zone = "%s%02d:%02d" % ("-" if minutes < 0 else "+", abs(minutes) // 60, abs(minutes) % 60)
        t = t + dt.timedelta(minutes=minutes)
    base = "%04d-%02d-%02dT%02d:%02d:%02d" % (t.year, t.month, t.day, t.hour, t.minute, t.second)
    if us % 1_000_000:
        base += (".%06d" % (us % 1_000_000)).rstrip("0") if rng and rng.random() < 0.5 else ".%06d" % (us % 1_000_000)
    return base + (zone or "Z")


class Chats:
    """Random histories. Every person has a canary word that stands in all his texts."""

    def __init__(self, seed, records, people=None, people_prefix="p"):
        rng = self.rng = random.Random(seed)
        n = people or max(6, min(400, records // 25))
        self.people = []
        for i in range(n):
            name = rng.choice(["anna", "björn", "chloé", "дмитрий", "fatima", "健", "o'neil", "zoë"])
            self.people.append(f"{people_prefix}{i}.{name}@example.org")
        self.agents = [f"agent{i}@firm.example" for i in range(max(2, n // 20))]
        self.canary = {p: "zq%08x%02x" % (rng.getrandbits(32), i % 256) for i, p in enumerate(self.people + self.agents)}
        self.tags = [f"dept:{d}" for d in "sales support billing legal größe".split()] \
            + [f"lang:{c}" for c in WORDS] + [f"prio:{i}" for i in range(5)] \
            + ["vip", "urgent", "日本", "a:b:c", "note:two words", 'q:"x"'] + [f"case:{i}" for i in range(max(5, records // 50))]
        self.channels = ["web", "mail", "irc", "phone line"]
        self.conversations = [f"c{i}" for i in range(max(4, records // 12))] + ["Raum 1", "東京-部屋"]
        self.start = micros("2024-02-27T00:00:00Z")
        self.records = []
        self.lines = []
        for i in range(records):
            self.records.append(self.one(i))
        for r in self.records:
            self.lines.append(self.line(r))

    def one(self, i):
        rng = self.rng
        conv = rng.choice(self.conversations)
        home = self.people[hash_of(conv) % len(self.people)]
        other = rng.choice(self.people)
        roll = rng.random()
        if roll < 0.45:
            author, subjects = home, [home]
        elif roll < 0.65:
            author, subjects = rng.choice(self.agents), [home]
        elif roll < 0.85:
            author, subjects = other, [other]
        elif roll < 0.95:
            author, subjects = home, sorted({home, other})
        else:
            author, subjects = other, None
        lang = rng.choice(list(WORDS))
        words = [rng.choice(WORDS[lang]) for _ in range(rng.choice([0, 1, 3, 8, 20, 60]))]
        body = " ".join(words + [self.canary[p] for p in (subjects or [author])])
        if rng.random() < 0.02:
            body = ""
        if rng.random() < 0.02:
            body += "\n\t\"quoted\" \\ <b>&amp;</b> \u2028 end" + "x" * rng.choice([0, 5000])
        kind = rng.choices(["message", "action", "file", "call", "system", "reaction"], [80, 5, 4, 3, 4, 4])[0]
        tags = rng.sample(self.tags, rng.choice([0, 1, 2, 3, 5]))
        t = self.start + rng.choice([
            rng.randrange(0, 700 * DAY),
            rng.randrange(0, 700) * DAY,
            rng.randrange(0, 700 * 24) * (DAY // 24) + rng.choice([0, 1, 999_999]),
            100 * DAY,
        ])
        return {"id": f"m{i}" if rng.random() < 0.8 else f"m{i % 17}-{conv}-{i}", "conversation": conv, "author": author,
                "subjects": subjects, "time": t, "channel": rng.choice(self.channels), "kind": kind, "tags": tags,
                "body": body, "reply_to": f"m{rng.randrange(i)}" if i and rng.random() < 0.1 else None}

    def same_ids_elsewhere(self, n):
        """The same ids in other conversations: other records."""
        taken = {(r["conversation"], r["id"]) for r in self.records}
        for r in self.rng.sample(self.records, min(n, len(self.records))):
            conv = self.rng.choice(self.conversations)
            if (conv, r["id"]) not in taken:
                taken.add((conv, r["id"]))
                copy = dict(r, conversation=conv, time=r["time"] + 1)
                self.records.append(copy)
                self.lines.append(self.line(copy))

    def line(self, r):
        rng = self.rng
        row = {k: v for k, v in r.items() if v is not None or (k == "reply_to" and rng.random() < 0.5)}
        row["time"] = print_time(r["time"], rng)
        if row.get("kind") == "message" and rng.random() < 0.5:
            del row["kind"]
        if not row["tags"] and rng.random() < 0.5:
            del row["tags"]
        items = list(row.items())
        if rng.random() < 0.2:
            rng.shuffle(items)
        return json.dumps(dict(items), ensure_ascii=rng.random() < 0.3)

    def model(self):
        return Model([dict(r, subjects=frozenset(r["subjects"] or [r["author"]]), seq=i)
                      for i, r in enumerate(self.records)])


def hash_of(text):
    return sum((i + 1) * b for i, b in enumerate(text.encode()))


class Model:
    """The plain list that knows the truth. `seq` here is only the order of import."""

    def __init__(self, rows):
        self.rows = rows

    def without_person(self, person):
        return Model([dict(r, author=None if r["author"] == person else r["author"])
                      for r in self.rows if person not in r["subjects"]])

    def without(self, test):
        return Model([r for r in self.rows if not test(r)])

    def find(self, q):
        return [r for r in self.rows if q.scope(r) and q.match(r)]

    def search(self, q, order):
        return sorted(self.find(q), key=lambda r: (r["time"], r["seq"]), reverse=order == "newest")

    def facet(self, q, by):
        c = collections.Counter()
        for r in self.find(q):
            if by == "tag":
                c.update(r["tags"])
            elif by == "subject":
                c.update(r["subjects"])
            elif r[by] is not None:
                c[r[by]] += 1
        return dict(c)

    def histogram(self, q, per):
        c = collections.Counter()
        for r in self.find(q):
            t = instant(r["time"])
            day = t.replace(hour=0, minute=0, second=0, microsecond=0)
            start = {"hour": day.replace(hour=t.hour), "day": day, "week": day - dt.timedelta(days=day.weekday()),
                     "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[per]
            c[(start - EPOCH) // dt.timedelta(microseconds=1)] += 1
        return dict(c)


def plain(hit):
    """What of a hit must agree with the list."""
    return {"id": hit["id"], "conversation": hit["conversation"], "author": hit.get("author"),
            "subjects": sorted(hit.get("subjects") or []),
            "time": micros(hit["time"]) if isinstance(hit["time"], str) else hit["time"],
            "channel": hit["channel"], "kind": hit.get("kind", "message"), "tags": list(hit.get("tags") or []),
            "body": hit["body"], "reply_to": hit.get("reply_to")}


# ---------------------------------------------------------------- queries

class Query:
    def __init__(self, text, match, scope=None):
        self.text, self.match = text, match
        self.scope = scope or (lambda r: r["kind"] in DEFAULT_KINDS)


def quote(value):
    if value and not any(c.isspace() or c in '()"*' for c in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def leaf(chats, rng):
    """(text, test) of one random condition."""
    field = rng.choice(["tag", "tag", "tag", "author", "subject", "conversation", "channel", "after", "before", "on", "id", "*"])
    if field == "*":
        return "*", lambda r: True
    if field == "tag":
        v = rng.choice(chats.tags) if rng.random() < 0.95 else "no:such"
        key, colon, rest = v.partition(":")
        text = f"tag:{key}:{quote(rest)}" if colon and rng.random() < 0.5 else "tag:" + quote(v)
        return text, lambda r: v in r["tags"]
    if field == "author":
        v = rng.choice(chats.people + chats.agents)
        return "author:" + quote(v), lambda r: r["author"] == v
    if field == "subject":
        v = rng.choice(chats.people) if rng.random() < 0.95 else "nobody@example.org"
        return "subject:" + quote(v), lambda r: v in r["subjects"]
    if field == "conversation":
        v = rng.choice(chats.conversations)
        return "conversation:" + quote(v), lambda r: r["conversation"] == v
    if field == "channel":
        v = rng.choice(chats.channels)
        return "channel:" + quote(v), lambda r: r["channel"] == v
    if field == "id":
        v = rng.choice(chats.records)["id"]
        return "id:" + quote(v), lambda r: r["id"] == v
    t = rng.choice(chats.records)["time"] if rng.random() < 0.7 else chats.start + rng.randrange(0, 800 * DAY)
    if field == "on":
        day = t // DAY * DAY
        return "on:" + str(instant(day).date()), lambda r: day <= r["time"] < day + DAY
    if rng.random() < 0.4:
        t = t // DAY * DAY
        text = str(instant(t).date())
    else:
        t += rng.choice([-1, 0, 0, 1])
        text = print_time(t)
    if field == "after":
        return "after:" + text, lambda r: r["time"] >= t
    return "before:" + text, lambda r: r["time"] < t


def expression(chats, rng, depth):
    roll = rng.random()
    if depth == 0 or roll < 0.35:
        return leaf(chats, rng)
    if roll < 0.5:
        text, test = expression(chats, rng, depth - 1)
        if text.startswith("-") or text.startswith("NOT") or " " in text:
            text = f"({text})"
        return rng.choice(["-", "NOT "]) + text, lambda r: not test(r)
    parts = [expression(chats, rng, depth - 1) for _ in range(rng.choice([2, 2, 3]))]
    tests = [t for _, t in parts]
    texts = [t if " " not in t else f"({t})" for t, _ in parts]
    if roll < 0.75:
        return rng.choice([" ", " AND "]).join(texts), lambda r: all(t(r) for t in tests)
    return " OR ".join(texts), lambda r: any(t(r) for t in tests)


def query(chats, rng):
    roll = rng.random()
    text, test = expression(chats, rng, rng.choice([0, 1, 1, 2, 3]))
    if roll < 0.85:
        return Query(text, test)
    kind = rng.choice(["message", "file", "system", "reaction", "join"])
    return Query(f"kind:{kind} ({text})", test, scope=lambda r: r["kind"] == kind)


def edges(chats, rng):
    """Times exactly on a border, where one off by one shows."""
    midnights = [r["time"] for r in chats.records if r["time"] % DAY == 0 and r["kind"] in DEFAULT_KINDS]
    for t in rng.sample(midnights, min(3, len(midnights))):
        day, before = str(instant(t).date()), str(instant(t - DAY).date())
        yield Query("on:" + day, lambda r, t=t: t <= r["time"] < t + DAY)
        yield Query("on:" + before, lambda r, t=t: t - DAY <= r["time"] < t)
        yield Query(f"after:{day}", lambda r, t=t: r["time"] >= t)
        yield Query(f"before:{day}", lambda r, t=t: r["time"] < t)
        yield Query(f"-after:{print_time(t + 1)} after:{print_time(t)}", lambda r, t=t: r["time"] == t)
    yield Query("NOT *", lambda r: False)
    yield Query("* -*", lambda r: False)
    r = rng.choice(chats.records)
    c, i = r["conversation"], r["id"]
    yield Query(f"id:{quote(i)} conversation:{quote(c)}", lambda r: (r["id"], r["conversation"]) == (i, c))


# ---------------------------------------------------------------- parts

class Suite:
    def __init__(self, args, folder):
        self.args, self.folder, self.tally = args, folder, Tally()
        self.made = 0

    def store(self, name=None, preset="peer"):
        self.made += 1
        e = Escrow(self.args.escrow, os.path.join(self.folder, name or f"s{self.made}"))
        e.must("init", "--preset", preset)
        return e

    def file(self, name, lines):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in lines)
        return path

    def filled(self, chats, name=None):
        e = self.store(name)
        path = self.file(os.path.basename(e.store) + ".jsonl", chats.lines)
        r = e.must("import", "--format", "jsonl", path).lines()[-1]
        want = sum(r["kind"] in DEFAULT_KINDS for r in chats.records)
        self.tally.equal(r.get("imported"), want, "import: number imported", e.shell("import", "--format", "jsonl", path))
        return e, path

    def compare(self, e, model, q, what):
        """One query by every command."""
        rng, t = self.rng, self.tally
        r = e.run("count", q.text)
        if not t.check(r.code == 0, f"{what}: count {q.text!r}", r, r.command):
            return
        t.equal(r.lines()[0]["count"], len(model.find(q)), f"{what}: count {q.text!r}", r.command)
        order, limit = rng.choice(["newest", "oldest"]), rng.choice([1, 2, 7, 50, 1000])
        want = [plain(r) for r in model.search(q, order)]
        got, cursor, pages = [], None, 0
        while True:
            args = ["search", q.text, "--order", order, "--limit", str(limit)] + (["--cursor", cursor] if cursor else [])
            r = e.run(*args)
            if not t.check(r.code == 0, f"{what}: search {q.text!r} page {pages}", r, r.command):
                return
            page = r.lines()
            got += [plain(h) for h in page]
            pages += 1
            if len(page) < limit or pages >= 4:
                break
            cursor = page[-1]["cursor"]
        t.equal(got, want[: len(got)] if len(page) == limit else want, f"{what}: search {q.text!r} {order} limit {limit}",
                e.shell("search", q.text, "--order", order, "--limit", str(limit)))
        by = rng.choice(["tag", "author", "subject", "conversation", "channel", "kind"])
        r = e.must("facet", q.text, "--by", by)
        t.equal({x["value"]: x["count"] for x in r.lines()}, model.facet(q, by), f"{what}: facet {q.text!r} by {by}", r.command)
        per = rng.choice(["hour", "day", "week", "month", "year"])
        r = e.must("histogram", q.text, "--per", per)
        t.equal({micros(x["from"]): x["count"] for x in r.lines() if x["count"]}, model.histogram(q, per),
                f"{what}: histogram {q.text!r} per {per}", r.command)

    def records_of_export(self, e, *selector):
        path = os.path.join(self.folder, "export.out")
        for old in [p for p in os.listdir(self.folder) if p.startswith("export.out")]:
            old = os.path.join(self.folder, old)
            shutil.rmtree(old) if os.path.isdir(old) else os.remove(old)
        e.must("export", *selector, "--format", "jsonl", "--output", path)
        files = [path]
        if os.path.isdir(path):
            files = [os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs if f.endswith(".jsonl")]
        rows = []
        for name in files:
            with open(name, encoding="utf-8") as f:
                for line in f:
                    row = json.loads(line)
                    row = row.get("record", row) if isinstance(row.get("record"), dict) else row
                    if "conversation" in row and "body" in row and row.get("kind", "message") != "person":
                        rows.append(plain(row))
        return sorted(rows, key=lambda r: (r["conversation"], r["id"])), path

    def export(self, e, model, q, what):
        got, path = self.records_of_export(e, "--query", q.text)
        want = sorted((plain(r) for r in model.find(q)), key=lambda r: (r["conversation"], r["id"]))
        self.tally.equal(got, want, f"{what}: export of {q.text!r}",
                         e.shell("export", "--query", q.text, "--format", "jsonl", "--output", path))

    def gets(self, e, model, n, what):
        by_id = collections.defaultdict(list)
        for r in model.rows:
            by_id[r["id"]].append(r)
        ids = self.rng.sample(sorted(by_id), min(n, len(by_id)))
        for i in ids:
            r = e.run("get", i)
            if self.tally.check(r.code == 0, f"{what}: get {i}", r, r.command):
                key = lambda x: x["conversation"]
                self.tally.equal(sorted(map(plain, r.lines()), key=key), sorted(map(plain, by_id[i]), key=key),
                                 f"{what}: get {i}", r.command)
            c = by_id[i][0]["conversation"]
            r = e.run("get", i, "--conversation", c)
            if self.tally.check(r.code == 0, f"{what}: get {i} of {c}", r, r.command):
                self.tally.equal([plain(h) for h in r.lines()], [plain(by_id[i][0])], f"{what}: get {i} of {c}", r.command)
            self.around(e, model, by_id[i][0], what)
        r = e.run("get", "never-existed")
        self.tally.check(r.code == 3, f"{what}: get of an unknown id must exit 3", r, r.command)

    def around(self, e, model, here, what):
        """The record, and three of its conversation on either side."""
        conv = here["conversation"]
        want = model.search(Query("", lambda r: r["conversation"] == conv), "oldest")
        if here not in want:  # Of a kind that is not a default one.
            return
        at = want.index(here)
        r = e.run("conversation", conv, "--around", here["id"], "--context", "3")
        if self.tally.check(r.code == 0, f"{what}: around {here['id']}", r, r.command):
            got = [(plain(h), h.get("here", False)) for h in r.lines()]
            pairs = [(plain(r), r is here) for r in want[max(0, at - 3):at + 4]]
            self.tally.equal(got, pairs, f"{what}: around {here['id']}", r.command)

    # -- parts

    def oracle(self):
        a = self.args
        chats = Chats(a.seed, a.records)
        chats.same_ids_elsewhere(a.records // 50)
        e, path = self.filled(chats)
        model = chats.model()
        everything = Query("*", lambda r: True)
        self.tally.equal(e.count("*"), len(model.find(everything)), "count of everything", e.shell("count", "*"))
        for q in [*edges(chats, self.rng), *(query(chats, self.rng) for _ in range(a.queries))]:
            self.compare(e, model, q, "oracle")
        for i in range(max(3, a.queries // 25)):
            self.export(e, model, query(chats, self.rng), "oracle")
        self.gets(e, model, max(5, a.queries // 10), "oracle")
        conv = self.rng.choice(chats.records)["conversation"]
        r = e.must("conversation", conv)
        got = [plain(h) for h in r.lines() if h.get("kind") in DEFAULT_KINDS]
        want = [plain(r) for r in model.search(Query("", lambda r: r["conversation"] == conv), "oldest")]
        self.tally.equal(got, want, f"conversation {conv!r}", r.command)
        r = e.must("import", "--format", "jsonl", path)
        row = r.lines()[-1]
        self.tally.equal(row.get("imported"), 0, "repeated import imports nothing", r.command)
        self.tally.equal(e.count("*"), len(model.find(everything)), "count after the repeated import", e.shell("count", "*"))
        # The same records in another file, shuffled: all duplicates.
        lines = chats.lines[:]
        self.rng.shuffle(lines)
        again = self.file("again.jsonl", lines)
        r = e.must("import", "--format", "jsonl", again)
        row = r.lines()[-1]
        self.tally.equal(row.get("imported"), 0, "shuffled import imports nothing", r.command)
        self.tally.check(row.get("duplicates", 0) > 0, "shuffled import counts duplicates", r, r.command)
        self.tally.equal(e.count("*"), len(model.find(everything)), "count after the shuffled import", e.shell("count", "*"))
        for path, problem in scan([e.store, e.slot], {c.encode() for c in chats.canary.values()}):
            self.tally.check(False, f"plaintext on disk: {problem} in {path}")
        self.tally.check(True, "plaintext scan done")

    def contract(self):
        t = self.tally
        chats = Chats(self.args.seed + 1, 300)
        e, path = self.filled(chats)

        def code(want, what, *args, stdin=None, store=e):
            r = store.run(*args, stdin=stdin)
            t.check(r.code in (want if isinstance(want, tuple) else (want,)), f"contract: {what}: exit {want} expected", r, r.command)
            return r

        code(0, "no hit", "search", "subject:nobody@example.org")
        code(2, "bad query", "search", "((")
        code(2, "unknown command", "frobnicate")
        code(3, "unknown subject", "subject", "show", "nobody@example.org")
        code(3, "unknown conversation", "conversation", "no such conversation")
        code(3, "erase of nobody", "erase", "--subject", "nobody@example.org", "--yes")
        victim = chats.people[0]
        before = e.count("*")
        code(2, "erase without --yes and terminal", "erase", "--subject", victim)
        code(0, "plan", "erase", "--subject", victim, "--plan")
        t.equal(e.count("*"), before, "contract: a plan changes nothing", e.shell("count", "*"))
        code((1, 2), "init over a store", "init")
        code((1, 2), "no store", "count", "*", store=Escrow(self.args.escrow, os.path.join(self.folder, "nowhere")))
        code(5, "missing slot", "count", "*", store=Escrow(self.args.escrow, e.store, os.path.join(self.folder, "no.slot")))
        other = self.store()
        code(5, "slot of another store", "count", "*", store=Escrow(self.args.escrow, e.store, other.slot))
        code(0, "the right slot still fits", "count", "*")
        code(0, "stats", "stats")
        code(0, "verify", "verify", "--read-data")
        code(0, "status", "key", "status")
        for name, line in [("no time", {"conversation": "c", "author": "a", "body": "x"}),
                           ("unknown field", {"conversation": "c", "author": "a", "time": "2026-01-01T00:00:00Z", "body": "", "colour": 1}),
                           ("no zone", {"conversation": "c", "author": "a", "time": "2026-01-01T00:00:00", "body": ""}),
                           ("leap second", {"conversation": "c", "author": "a", "time": "2026-01-01T00:00:60Z", "body": ""})]:
            r = e.run("add", stdin=json.dumps(line).encode())
            t.check(r.code in (1, 2), f"contract: add with {name} must fail with 1 or 2", r, r.command)
        good = {"id": "added", "conversation": "c-added", "author": victim, "time": "2026-01-01T00:00:00Z", "body": "hello"}
        code(0, "add", "add", stdin=json.dumps(good).encode())
        t.equal(e.count("conversation:c-added"), 1, "contract: an added record is found", e.shell("count", "conversation:c-added"))
        # Bad lines and conflicts: good lines go in.
        clash = dict(good, body="other")
        bad = self.file("bad.jsonl", [json.dumps(dict(good, id="ok1")), "{broken", json.dumps(clash), json.dumps(dict(good, id="ok2"))])
        rejects = os.path.join(self.folder, "rejects.txt")
        r = code(0, "import with --rejects", "import", "--format", "jsonl", "--rejects", rejects, bad)
        if r.code == 0:
            row = r.lines()[-1]
            t.equal((row.get("imported"), row.get("rejected")), (2, 2), "contract: good lines go in", r.command)
            with open(rejects, encoding="utf-8") as f:
                text = f.read()
            t.check("2" in text and "3" in text, "contract: rejects name the line numbers", text)
        bad = self.file("bad2.jsonl", ["{broken"])
        code(1, "import with rejects and no --rejects", "import", "--format", "jsonl", bad)
        r = code(0, "public key", "key", "public")
        key = r.lines()[0].get("key") if r.code == 0 else None
        export = os.path.join(self.folder, "x.out")
        code(0, "export of a subject", "export", "--subject", victim, "--format", "jsonl", "--output", export)
        certificate = os.path.join(self.folder, "cert.txt")
        code(0, "erase", "erase", "--subject", victim, "--reason", "asked", "--certificate", certificate, "--yes")
        code(3, "subject show after erase", "subject", "show", victim)
        code(3, "second erase", "erase", "--subject", victim, "--yes")
        if key and os.path.exists(certificate):
            with open(certificate, "rb") as f:
                data = bytearray(f.read())
            for who in (victim, chats.canary[victim]):
                t.check(who.encode() not in data, "contract: a certificate names nobody")
        if key and self.is_signed(certificate):
            code(0, "certificate verifies", "verify-certificate", certificate, "--key", key)
            wrong = 0
            for _ in range(10):
                copy = data[:]
                at = self.rng.randrange(len(copy))
                copy[at] ^= 1 << self.rng.randrange(8)
                with open(certificate + ".bad", "wb") as f:
                    f.write(copy)
                wrong += e.run("verify-certificate", certificate + ".bad", "--key", key).code == 0
            t.check(wrong == 0, f"contract: {wrong} of 10 changed certificates verify")
        if key and self.is_signed(export + ".manifest.json", export):
            code(0, "export verifies", "verify-export", export, "--key", key)
        # The lock.
        p = e.start("import", "--format", "jsonl", self.file("more.jsonl", Chats(9, 4000, people_prefix="x").lines))
        codes = set()
        while p.poll() is None:
            codes.add(e.run("count", "*").code)
        p.communicate()
        t.check(codes <= {0, 4}, "contract: while another process works: exit 0 or 4", codes, e.shell("count", "*"))

    def is_signed(self, *paths):
        """Whether a file claims to be verifiable. What says `"signed": false` of itself can't be checked, and is noted."""
        for path in filter(os.path.exists, paths):
            with open(path, "rb") as f:
                data = f.read()
            try:
                claim = json.loads(data).get("signed")
            except ValueError:
                claim = None
            if claim is False:
                self.tally.notes[f"not signed, and says so: {os.path.basename(path)}"] += 1
                return False
            return True
        return False

    def erase(self):
        a, t = self.args, self.tally
        chats = Chats(a.seed + 2, max(400, a.records // 4))
        e, _ = self.filled(chats)
        model = chats.model()
        queries = [query(chats, self.rng) for _ in range(max(20, a.queries // 5))]
        busy = collections.Counter(s for r in model.rows for s in r["subjects"]).most_common()
        people = [busy[0][0], busy[len(busy) // 2][0], self.rng.choice(chats.agents)]
        people = [p for p in people if any(p == r["author"] or p in r["subjects"] for r in model.rows)]
        for person in people:
            r = e.run("erase", "--subject", person, "--yes")
            if not t.check(r.code == 0, f"erase of {person}", r, r.command):
                return
            model = model.without_person(person)
            self.gone(e, model, chats, person, "erase")
            for q in queries[:: len(people)]:
                self.compare(e, model, q, f"after erasing {person}")
        conv = self.rng.choice(model.rows)["conversation"]
        e.must("erase", "--conversation", conv, "--yes")
        model = model.without(lambda r: r["conversation"] == conv)
        r = e.run("conversation", conv)
        t.check(r.code == 3, "an erased conversation is unknown", r, r.command)
        unique = [i for i, n in collections.Counter(r["id"] for r in model.rows).items() if n == 1]
        for i in self.rng.sample(unique, 3):
            e.must("erase", "--record", i, "--yes")
            model = model.without(lambda r: r["id"] == i)
            r = e.run("get", i)
            t.check(r.code == 3, f"an erased record {i} is unknown", r, r.command)
        for q in queries:
            self.compare(e, model, q, "after all erasures")
        self.export(e, model, Query("*", lambda r: True), "after all erasures")
        self.gets(e, model, 20, "after all erasures")
        # A second store that never held them gives the same answers.
        rows = {id(chats.records[r["seq"]]) for r in model.rows}
        kept = [i for i, r in enumerate(chats.records) if id(r) in rows]
        twin = self.store("twin")
        twin.must("import", "--format", "jsonl", self.file("twin.jsonl", [chats.lines[i] for i in kept]))
        gone = set(people)
        blank = lambda h: dict(plain(h), author=None if h.get("author") in gone else h.get("author"))
        for q in queries:
            if "author:" in q.text and any(p in q.text for p in gone):
                continue
            a_, b_ = e.run("count", q.text), twin.run("count", q.text)
            t.equal(a_.out, b_.out, f"twin: count {q.text!r}", a_.command)
            a_, b_ = e.hits(q.text), twin.hits(q.text)
            t.equal([plain(h) for h in a_], [blank(h) for h in b_], f"twin: search {q.text!r}", e.shell("search", q.text))
            for by in ("tag", "author", "subject", "conversation", "channel", "kind"):
                a_, b_ = (x.must("facet", q.text, "--by", by) for x in (e, twin))
                want = [x for x in b_.lines() if not (by == "author" and x["value"] in gone)]
                t.equal(a_.lines(), want, f"twin: facet {q.text!r} by {by}", a_.command)
            a_, b_ = (x.must("histogram", q.text, "--per", "day") for x in (e, twin))
            t.equal(a_.out, b_.out, f"twin: histogram {q.text!r}", a_.command)
        r = e.run("verify", "--read-data")
        t.check(r.code == 0, "verify after erasures", r, r.command)
        # A person who returns is new.
        person = people[0]
        e.must("add", stdin=json.dumps({"id": "back", "conversation": "c-back", "author": person, "subjects": [person],
                                        "time": "2026-05-05T05:05:05Z", "body": "back again"}).encode())
        t.equal([h["id"] for h in e.hits("subject:" + quote(person))], ["back"], "a person who returns has new records only",
                e.shell("search", "subject:" + quote(person)))

    def gone(self, e, model, chats, person, what):
        t = self.tally
        for field in ("subject", "author"):
            r = e.run("count", f"{field}:{quote(person)}")
            t.check(r.code == 0 and r.lines()[0]["count"] == 0, f"{what}: {field}:{person} still counts", r, r.command)
        r = e.run("subject", "show", person)
        t.check(r.code == 3, f"{what}: subject show {person} must exit 3", r, r.command)
        t.check(person not in r.out, f"{what}: the answer repeats the name on stdout", r, r.command)
        r = e.must("search", "*", "--limit", "1000000")
        canary = chats.canary[person]
        left = [h["id"] for h in r.lines() if canary in h["body"] and not any(
            canary in row["body"] for row in model.rows if row["id"] == h["id"] and row["conversation"] == h["conversation"])]
        t.check(not left, f"{what}: texts of {person} are still found", left, e.shell("search", "*"))

    def copies(self):
        """Copies of the folder, taken at any moment, opened with the final slot."""
        a, t, rng = self.args, self.tally, self.rng
        for round_ in range(max(1, a.rounds // 5)):
            seed = a.seed + 1000 + round_
            chats = Chats(seed, 1500, people=12)
            e = self.store()
            taken = []

            def copy(e=e, taken=taken):
                d = os.path.join(self.folder, f"copy{self.made}-{len(taken)}")
                copy_folder(e.store, d)
                taken.append((d, len(taken)))
                return d

            step = len(chats.lines) // 3
            for part in range(3):
                path = self.file(f"part{part}.jsonl", chats.lines[part * step:(part + 1) * step])
                p = e.start("import", "--format", "jsonl", path)
                while p.poll() is None:
                    time.sleep(rng.random() * 0.05)
                    if len(taken) < 12 and rng.random() < 0.4:
                        copy()
                p.communicate()
                t.check(p.returncode == 0, f"copies: import part {part}", p.returncode, e.shell("import", "--format", "jsonl", path))
                copy()
            # Positive control: a copy with the slot of its time opens and shows everybody.
            victims = rng.sample([p for p in chats.people if any(p in r["subjects"] for r in chats.model().rows)], 3)
            d = copy()
            old = Escrow(a.escrow, d + ".control", d + ".control.slot")
            copy_folder(d, old.store)
            shutil.copyfile(e.slot, old.slot)
            for v in victims:
                r = old.run("count", "subject:" + quote(v))
                t.check(r.code == 0 and r.lines()[0]["count"] > 0, "copies: positive control must find the person", r, r.command)
            erased = []
            for v in victims:
                p = e.start("erase", "--subject", v, "--yes")
                while p.poll() is None:
                    copy()
                    time.sleep(rng.random() * 0.01)
                p.communicate()
                if t.check(p.returncode == 0, f"copies: erase of {v}", p.returncode, e.shell("erase", "--subject", v, "--yes")):
                    erased.append(v)
                copy()
            for v in erased:
                self.gone(e, self.shrunk(chats, erased), chats, v, "copies: live store")
            for d, i in taken:
                x = Escrow(a.escrow, d, d + ".slot")
                shutil.copyfile(e.slot, x.slot)
                r = x.run("search", "*", "--limit", "1000000")
                self.tally.notes[f"copy with final slot: exit {r.code}"] += 1
                keep = f"cp -r {d} /tmp/copy && {r.command}"
                t.check(r.code in (0, 1, 3, 5, 6), f"copies: unexpected exit of copy {i} of {len(taken)}", r, keep)
                for v in erased:
                    t.check(v not in r.out and v not in r.err, f"copies: copy {i} of {len(taken)} names {v}", "", keep)
                    if r.code == 0:
                        s = x.run("count", "subject:" + quote(v))
                        t.check(s.code != 0 or s.lines()[0]["count"] == 0, f"copies: copy {i} counts {v}", s, s.command)
                if r.code == 0:
                    shared = {row["body"] for row in self.shrunk(chats, erased).rows}
                    bad = [h["id"] for h in r.lines() if h["body"] not in shared]
                    t.check(not bad, f"copies: copy {i} shows erased texts", bad, keep)
            last = Escrow(a.escrow, taken[-1][0], taken[-1][0] + ".slot")
            r = last.run("count", "*")
            t.check(r.code == 0, "copies: the last copy opens with the final slot", r, r.command)
            if not a.keep and not t.failed:
                for d, _ in taken:
                    shutil.rmtree(d, ignore_errors=True)

    def shrunk(self, chats, erased):
        model = chats.model()
        for v in erased:
            model = model.without_person(v)
        return model

    def kill_import(self):
        a, t, rng = self.args, self.tally, self.rng
        chats = Chats(a.seed + 3, max(2000, a.records // 2))
        e = self.store()
        path = self.file("killed.jsonl", chats.lines)
        model = chats.model()
        known = {(r["conversation"], r["id"]): plain(r) for r in model.rows}
        seen, acknowledged, finished, full = 0, [], False, None
        for round_ in range(a.rounds):
            command = e.shell("import", "--format", "jsonl", path)
            started = time.monotonic()
            p = e.start("import", "--format", "jsonl", path)
            limit = rng.random() * (full or 1.0)
            try:
                p.wait(timeout=limit)
                p.communicate()
                finished = finished or p.returncode == 0
                full = full or time.monotonic() - started
                t.check(p.returncode == 0, f"kill_import round {round_}: import ended by itself", p.returncode, command)
            except subprocess.TimeoutExpired:
                p.send_signal(signal.SIGKILL)
                p.communicate()
            r = e.run("search", "*", "--order", "oldest", "--limit", "1000000")
            if not t.check(r.code == 0, f"kill_import round {round_}: opens after SIGKILL after {limit:.3f} s", r, command):
                return
            hits = [plain(h) for h in r.lines()]
            keys = [(h["conversation"], h["id"]) for h in hits]
            t.check(len(keys) == len(set(keys)), f"kill_import round {round_}: a record stands twice", "", r.command)
            wrong = [h for h in hits if (h["conversation"], h["id"]) not in acknowledged_set(acknowledged)
                     and known.get((h["conversation"], h["id"])) != h]
            t.check(not wrong, f"kill_import round {round_}: a record differs", wrong[:1], r.command)
            t.check(len(hits) >= seen, f"kill_import round {round_}: {seen} records before, {len(hits)} now", "", r.command)
            seen = len(hits)
            there = set(keys)
            for k in acknowledged:
                t.check(k in there, f"kill_import round {round_}: acknowledged record lost", k, r.command)
            if finished:
                want = len(model.find(Query("*", lambda r: True))) + len(acknowledged)
                t.equal(seen, want, f"kill_import round {round_}: everything of a finished import is there", r.command)
            row = {"id": f"ack{round_}", "conversation": "acknowledged", "author": "ack@example.org",
                   "time": "2026-01-01T00:00:00Z", "body": f"acknowledged {round_}"}
            e.must("add", stdin=json.dumps(row).encode())
            acknowledged.append(("acknowledged", f"ack{round_}"))
            seen += 1
        e.must("import", "--format", "jsonl", path)
        q = Query('-conversation:acknowledged', lambda r: True)
        self.compare(e, model, q, "kill_import: at the end")
        r = e.run("verify", "--read-data")
        t.check(r.code == 0, "kill_import: verify at the end", r, r.command)

    def kill_erase(self):
        a, t, rng = self.args, self.tally, self.rng
        chats = Chats(a.seed + 4, max(1500, a.records // 4), people=max(8, a.rounds + 4))
        e, _ = self.filled(chats)
        model = chats.model()
        mine = lambda p: [r for r in model.rows if p in r["subjects"]]
        erased, full, tag = [], 0.5, 0
        for round_ in range(a.rounds):
            living = [p for p in chats.people if p not in erased and mine(p)]
            if not living:
                break
            person = rng.choice(living)
            want = len(model.find(Query("", lambda r: person in r["subjects"])))
            # Fresh records first, so that some erasures touch the journal.
            if rng.random() < 0.5:
                tag += 1
                row = {"id": f"fresh{tag}", "conversation": "fresh", "author": person, "subjects": [person], "channel": "web",
                       "time": "2026-01-01T00:00:00Z", "body": "fresh " + chats.canary[person]}
                e.must("add", stdin=json.dumps(row).encode())
                model.rows.append(dict(row, subjects=frozenset([person]), time=micros(row["time"]), kind="message", tags=[],
                                       reply_to=None, seq=10**9 + tag))
                want += 1
            args = ("erase", "--subject", person, "--yes")
            started = time.monotonic()
            p = e.start(*args)
            limit = rng.random() * full * 1.1
            acked = False
            try:
                p.wait(timeout=limit)
                p.communicate()
                acked = True
                full = time.monotonic() - started
                t.check(p.returncode == 0, f"kill_erase round {round_}: erase", p.returncode, e.shell(*args))
            except subprocess.TimeoutExpired:
                p.send_signal(signal.SIGKILL)
                p.communicate()
            r = e.run("count", "subject:" + quote(person))
            if not t.check(r.code == 0, f"kill_erase round {round_}: opens after SIGKILL after {limit:.3f} s", r, e.shell(*args)):
                return
            n = r.lines()[0]["count"]
            t.check(n in (0, want), f"kill_erase round {round_}: all or nothing: {n} of {want} are left", "", e.shell(*args))
            t.check(not acked or n == 0, f"kill_erase round {round_}: acknowledged, and {n} are left", "", e.shell(*args))
            self.tally.notes["kill_erase: " + ("acknowledged" if acked else "killed, gone" if n == 0 else "killed, still there")] += 1
            if n:
                r = e.run(*args)
                t.check(r.code == 0, f"kill_erase round {round_}: repeated erase", r, r.command)
            erased.append(person)
            model = model.without_person(person)
            self.tally.equal(e.count("*"), len(model.find(Query("*", lambda r: True))),
                             f"kill_erase round {round_}: all others are there", e.shell("count", "*"))
            for p in erased:
                r = e.run("count", "subject:" + quote(p))
                t.check(r.code == 0 and r.lines()[0]["count"] == 0, f"kill_erase round {round_}: {p} is back", r, r.command)
        for p in erased[-5:]:
            self.gone(e, model, chats, p, "kill_erase")
        for q in [query(chats, rng) for _ in range(20)]:
            self.compare(e, model, q, "kill_erase: at the end")
        r = e.run("verify", "--read-data")
        t.check(r.code == 0, "kill_erase: verify at the end", r, r.command)


    def exports(self):
        """HTML and CSV by the readers of Python's library."""
        t = self.tally
        chats = Chats(self.args.seed + 5, min(2000, self.args.records), people=20)
        for i, text in enumerate(HOSTILE):
            row = {"id": f"h{i}", "conversation": text, "author": text, "subjects": [text], "time": chats.start + i,
                   "channel": text, "kind": "message", "tags": [text], "body": text, "reply_to": text}
            chats.records.append(row)
            chats.lines.append(chats.line(row))
        e, _ = self.filled(chats)
        whole = Query("*", lambda r: True)
        want = [plain(r) for r in chats.model().search(whole, "oldest")]
        path = os.path.join(self.folder, "table.csv")
        r = e.must("export", "--query", "*", "--format", "csv", "--output", path)
        with open(path, encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f, strict=True))
        cells = [c for row in rows for c in row.values()]
        t.check(not any(c.startswith(tuple("=+-@\t\r\n")) for c in cells), "exports: a cell is calculated", "", r.command)
        bare = lambda c: c[1:] if c.startswith("'") else c
        got = []
        for row in rows:
            row = {k: bare(c) for k, c in row.items()}
            got.append(plain(dict(row, subjects=json.loads(row["subjects"]), tags=json.loads(row["tags"]),
                                  author=row["author"] or None, reply_to=row["reply_to"] or None)))
        t.equal(got, want, "exports: the table holds the records", r.command)
        with open(path, "rb") as f:
            data = f.read()
        t.check(data.endswith(b"\r\n") and not data.startswith(b"\xef\xbb\xbf"), "exports: line ends of the table")
        path = os.path.join(self.folder, "page.html")
        r = e.must("export", "--query", "*", "--format", "html", "--output", path)
        page = Page()
        with open(path, encoding="utf-8", newline="") as f:
            page.feed(f.read())
        page.close()
        t.check(not page.strange, "exports: the page holds foreign markup", page.strange[:3], r.command)
        first = {}
        for row in want:
            first.setdefault(row["conversation"], len(first))
        order = sorted(want, key=lambda row: first[row["conversation"]])
        t.equal(page.bodies, [seen(row["body"]) for row in order if row["body"]], "exports: the page holds the texts", r.command)
        t.equal(page.headings, [seen(c) for c in first], "exports: the page's conversations", r.command)

    def chats(self):
        """Real chats: all of them, or in the gate the first of each set."""
        folder, t = os.environ.get("ESCROW_CHATS"), self.tally
        if not folder:
            print("left out: ESCROW_CHATS names no folder with real chats")
            return
        names = sorted(n for n in os.listdir(folder) if n.endswith(".jsonl"))
        t.check(len(names) > 0, f"chats: no sets in {folder}")
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8", newline="\n") as f:
                lines = [line.rstrip("\n") for _, line in zip(range(self.args.chats), f)]
            rows = [json.loads(line) for line in lines]
            e = self.store("store-" + name.removesuffix(".jsonl"))
            path = self.file("chats-" + name, lines)
            counts = lambda **k: {"imported": 0, "duplicates": 0, "rejected": 0, **k}
            r = e.must("import", "--dry-run", path)
            t.equal(r.lines()[-1], counts(imported=len(rows), dry_run=True), f"chats {name}: dry run", r.command)
            r = e.must("import", path)
            t.equal(r.lines()[-1], counts(imported=len(rows)), f"chats {name}: import", r.command)
            self.chats_compare(e, name, rows)
            r = e.must("import", path)
            t.equal(r.lines()[-1], counts(duplicates=len(rows)), f"chats {name}: import again", r.command)
            for verb in ("roll", "compact"):
                r = e.run(verb)
                t.check(r.code == 0, f"chats {name}: {verb}", r, r.command)
                self.chats_compare(e, name, rows)
            r = e.must("verify", "--read-data")
            t.equal(r.lines()[-1].get("damage"), [], f"chats {name}: verify", r.command)
            if not self.args.keep and not t.failed:
                shutil.rmtree(e.store)

    def chats_compare(self, e, name, rows):
        t = self.tally
        fields = {"author": lambda r: [r["author"]], "channel": lambda r: [r["channel"]], "tag": lambda r: r["tags"],
                  "conversation": lambda r: [r["conversation"]], "subject": lambda r: set(r["subjects"]),
                  "kind": lambda r: [r.get("kind", "message")]}
        for by, values in fields.items():
            want = collections.Counter(v for r in rows for v in values(r))
            r = e.must("facet", "*", "--by", by)
            t.equal({x["value"]: x["count"] for x in r.lines()}, dict(want), f"chats {name}: by {by}", r.command)
        months = collections.Counter(r["time"][:7] for r in rows)
        r = e.must("histogram", "*", "--per", "month")
        t.equal({x["from"][:7]: x["count"] for x in r.lines() if x["count"]}, dict(months), f"chats {name}: months", r.command)
        joined = {(r["conversation"], p, frozenset([p, *(r.get("subjects") or [r["author"]])]))
                  for r in rows for p in r.get("participants") or []}
        t.equal(e.count("kind:join"), len(joined), f"chats {name}: who took part", e.shell("count", "kind:join"))
        path = os.path.join(self.folder, "chats.out")
        r = e.must("export", "--query", "*", "--output", path)
        with open(path, encoding="utf-8", newline="\n") as f:
            got = [plain(json.loads(line)) for line in f]
        order = sorted(range(len(rows)), key=lambda i: (micros(rows[i]["time"]), i))
        t.equal(got, [plain(rows[i]) for i in order], f"chats {name}: export", r.command)


    def words(self):
        """Queries for words on real chats: every count, and the first and the last hits."""
        folder, t = os.environ.get("ESCROW_CHATS"), self.tally
        if not folder:
            print("left out: ESCROW_CHATS names no folder with real chats")
            return
        import word_queries
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".jsonl")):
            with open(os.path.join(folder, name), encoding="utf-8", newline="\n") as f:
                lines = [line.rstrip("\n") for _, line in zip(range(self.args.chats), f)]
            e = self.store("words-" + name.removesuffix(".jsonl"))
            # Behind the first half a segment ends; the last few records stay in the journal.
            for part in (lines[:len(lines) // 2], lines[len(lines) // 2:-5], lines[-5:]):
                e.must("import", self.file("words-" + name, part))
                if part and part[-1] is not lines[-1]:
                    e.must("roll")
            texts = word_queries.Texts([json.loads(line) for line in lines], DEFAULT_KINDS, micros)
            asker = word_queries.Asker(texts, random.Random(f"{self.args.seed} {name}"))
            for sort, query, found in asker.queries(self.args.word_queries):
                t.notes[f"words: {sort}"] += 1
                self.words_compare(e, f"words {name}: {sort} {query!r}", query, texts, found)
            if not self.args.keep and not t.failed:
                shutil.rmtree(e.store)

    def words_compare(self, e, what, query, texts, found):
        t, limit = self.tally, 100
        r = e.run("count", "--", query)
        if not t.check(r.code == 0, what, r, r.command):
            return
        t.equal(r.lines()[0]["count"], len(found), what, r.command)
        oldest = [n for n in texts.oldest if n in found]
        for order, want in (("oldest", oldest[:limit]), ("newest", oldest[:-limit - 1:-1])):
            r = e.must("search", "--order", order, "--limit", str(limit), "--", query)
            key = lambda row: (row["conversation"], row["id"], row["body"])
            t.equal([key(h) for h in r.lines()], [key(texts.rows[n]) for n in want], f"{what}, {order}", r.command)


class Page(html.parser.HTMLParser):
    """What a browser makes of an exported page: headings, texts, and whatever should not be there."""

    PLAIN = {"html", "head", "body", "meta", "title", "style", "header", "h1", "h2", "p", "section", "article", "b", "bdi",
             "time", "i", "span", "code", "small", "div", "q"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.bodies, self.headings, self.strange, self.path = [], [], [], []

    def handle_starttag(self, tag, attrs):
        allowed = {"lang", "charset", "http-equiv", "content", "name", "class", "dir", "datetime"}
        if tag not in self.PLAIN or not {k for k, _ in attrs} <= allowed or ("dir", "ltr") in attrs:
            self.strange.append((tag, attrs))
        if tag == "meta":
            return
        self.path.append(tag)
        if tag == "div":
            self.bodies.append("")
        if tag == "h2":
            self.headings.append("")

    def handle_endtag(self, tag):
        if not self.path or self.path.pop() != tag:
            self.strange.append(tag)

    def handle_data(self, data):
        if "q" in self.path:
            data = f"[{data}]"
        if "div" in self.path:
            self.bodies[-1] += data
        elif "h2" in self.path:
            self.headings[-1] += data

    def handle_comment(self, data):
        self.strange.append(data)

    unknown_decl = handle_pi = handle_comment


def seen(text):
    """A text as the page shows it."""
    out = ""
    for c in text.replace("\r\n", "\n").replace("\r", "\n"):
        n = ord(c)
        unseen = (n < 32 and c not in "\n\t") or 0x7F <= n < 0xA0 or 0x202A <= n <= 0x202E or 0x2066 <= n <= 0x2069
        out += f"[U+{n:04X}]" if unseen else c
    return out


HOSTILE = ["<script>alert(1)</script>", "</div></article><script src=//evil.example>", "\" onmouseover=\"x", "<!-- ", "]]>",
           "&lt;&amp;&#60;", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'x'", "a,\"b\";c", "inv\u202efdp.exe", "\u2066x\u2069",
           "esc\x1b[2J", "two\r\nlines\n\n", "שלום עולם", "مرحبا (1)", "＝1"]


def acknowledged_set(keys):
    return set(keys)


def copy_folder(src, dst):
    """A copy such as a careless backup takes: files may vanish or change meanwhile."""
    os.makedirs(dst, exist_ok=True)
    for d, _, files in os.walk(src):
        to = os.path.join(dst, os.path.relpath(d, src))
        os.makedirs(to, exist_ok=True)
        for name in files:
            try:
                shutil.copyfile(os.path.join(d, name), os.path.join(to, name))
            except FileNotFoundError:
                pass


def scan(roots, needles):
    """Files that hold a needle as UTF-8, UTF-16 or hexadecimal."""
    forms = {}
    for n in needles:
        text = n.decode()
        for form in (n, text.encode("utf-16-le"), text.encode("utf-16-be"), n.hex().encode()):
            forms[form] = text
    for root in roots:
        paths = [os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs] if os.path.isdir(root) else [root]
        for path in paths:
            with open(path, "rb") as f:
                data = f.read()
            for form, text in forms.items():
                if form in data:
                    yield path, text


PARTS = ("oracle", "contract", "erase", "copies", "kill_import", "kill_erase", "exports", "chats", "words")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--escrow", required=True, help="the built binary")
    p.add_argument("--records", type=int, default=20_000)
    p.add_argument("--queries", type=int, default=500)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--rounds", type=int, default=20, help="kills per part")
    p.add_argument("--chats", type=int, default=1_000_000, help="real chats of each set")
    p.add_argument("--word-queries", type=int, default=200, help="queries for words on each set of real chats")
    p.add_argument("--only", default="", help="parts, by comma: " + ", ".join(PARTS))
    p.add_argument("--keep", action="store_true", help="keep the folder with all stores")
    args = p.parse_args()
    args.escrow = os.path.abspath(args.escrow)
    if not os.access(args.escrow, os.X_OK):
        p.error(f"no program at {args.escrow}")
    folder = tempfile.mkdtemp(prefix="escrow-blackbox-")
    suite = Suite(args, folder)
    for name in args.only.split(",") if args.only else PARTS:
        if name not in PARTS:
            p.error(f"no part {name}; parts are {', '.join(PARTS)}")
        started, failed = time.monotonic(), suite.tally.failed
        suite.rng = random.Random(f"{args.seed} {name}")
        try:
            getattr(suite, name)()
        except Exception as e:  # a part that can't go on is one failure; the others still run
            suite.tally.check(False, f"{name} stopped: {e}", "".join(traceback.format_tb(e.__traceback__)[-2:]))
        print(f"{name}: {suite.tally.failed - failed} failures, {time.monotonic() - started:.1f} s", flush=True)
    for note, n in sorted(suite.tally.notes.items()):
        print(f"  {note}: {n}")
    if args.keep or suite.tally.failed:
        print(f"stores are kept in {folder}")
        seed = [] if "--seed" in sys.argv else ["--seed", str(args.seed)]
        print(f"repeat with: python3 {shlex.join(sys.argv + seed)}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{suite.tally.passed} passed, {suite.tally.failed} failed")
    return 1 if suite.tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
