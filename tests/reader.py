#!/usr/bin/env python3
"""Reads a store by docs/FORMAT.md alone: opens folder and slot, checks what can be checked, lists the records.

  python3 tests/reader.py FOLDER SLOT

Needs Python 3.9 and the packages `cryptography` (AES-256-GCM-SIV) and `blake3`. Shares no code with the engine, writes
nothing, locks nothing. Prints one JSON object a record, in the order of log positions, and a summary on stderr. Exit
code 1 if something is not as the page says. The section numbers below are those of the page.
"""
import argparse
import datetime as dt
import hashlib
import json
import os
import re
import sys

import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PAGE, TEXT = 4096, 4040
NONE = 0xFFFFFFFF
DEFAULT_KINDS = {bytes([kind]) for kind in (1, 2, 8, 9)}
KINDS = {1: "message", 2: "action", 3: "edit", 4: "delete", 5: "reaction", 6: "join", 7: "leave", 8: "file", 9: "call",
         10: "system", 11: "person", 12: "context", 13: "tag", 32: "erased", 33: "opened", 34: "searched",
         35: "exported", 36: "rule", 37: "import", 38: "detail", 39: "refused", 40: "notice", 41: "purpose",
         42: "consent", 43: "class", 44: "hold", 45: "request", 46: "aggregate", 47: "policy", 48: "disclosure",
         49: "transfer"}
ABOUT_OTHERS, REGISTERS = (3, 4, 5, 13), range(40, 50)
UNFOUND = ("detail", "consent", "hold", "request", "disclosure")
DEEDS = {1: 33, 2: 33, 3: 33, 4: 33, 5: 33, 6: 33, 7: 33, 8: 33, 16: 34, 17: 34, 18: 34, 19: 34, 20: 34, 21: 34,
         32: 35, 33: 35, 34: 35, 48: 36, 49: 36, 64: 37, **{80 + n: 39 + n for n in range(11)}}
TEXTS = ["query", "acts", "by", "person", "conversation", "record", "purpose", "case"]


class Bad(Exception):
    """Something is not as the page says."""


def need(ok, what):
    if not ok:
        raise Bad(what)


# ------------------------------------------------------------ 1. basic encodings

class Reader:
    def __init__(self, data):
        self.data, self.at = memoryview(data), 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        need(n <= self.left(), "a value is cut off")
        self.at += n
        return bytes(self.data[self.at - n:self.at])

    def uint(self, n, order="little"):
        return int.from_bytes(self.take(n), order)

    def varint(self):
        value = shift = 0
        while True:
            need(shift < 70, "a varint is too long")
            byte = self.uint(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                need(shift == 0 or byte != 0, "a varint is not in its shortest form")
                need(value < 1 << 64, "a varint has more than 64 bits")
                return value
            shift += 7

    def zigzag(self):
        v = self.varint()
        return (v >> 1) ^ -(v & 1)

    def slice(self):
        return self.take(self.varint())

    def text(self):
        return self.slice().decode("utf-8")

    def end(self):
        need(self.left() == 0, "bytes behind the end of a value")


def signed(v):
    return v - (1 << 64) if v >= 1 << 63 else v


def u32(v):
    return v.to_bytes(4, "little")


def u64(v):
    return v.to_bytes(8, "little")


# ------------------------------------------------------------ 3. sealing

CONTEXT = {
    "root": "EscrowDB 2026-11-24 keyring root page v1",
    "page": "EscrowDB 2026-11-24 keyring page v1",
    "free": "EscrowDB 2026-11-24 keyring free list v1",
    "head": "EscrowDB 2026-11-24 HEAD record v1",
    "frame": "EscrowDB 2026-11-24 journal frame v1",
    "index": "EscrowDB 2026-11-24 index page v1",
    "body": "EscrowDB 2026-11-24 body block v1",
    "name": "EscrowDB 2026-11-24 name tag v1",
    "leaf": "EscrowDB 2026-11-24 leaf commitment v1",
}


def expand(label, parts, n):
    message = b"".join(u64(len(p)) + p for p in parts)
    return blake3.blake3(message, derive_key_context=CONTEXT[label]).digest(length=n)


def unseal(label, secrets, salt, aad, sealed):
    """The text behind `sealed` = commitment 32, tag 16, ciphertext; None if it does not open."""
    derived = expand(label, [*secrets, salt, aad], 76)
    if derived[44:76] != sealed[:32]:
        return None
    try:
        return AESGCMSIV(derived[:32]).decrypt(derived[32:44], sealed[48:] + sealed[32:48], aad)
    except InvalidTag:
        return None


def one_version(version, algorithm, what, known=(1,)):
    need(version in known and algorithm == 1, f"{what} has version {version} and algorithm {algorithm}")


# ------------------------------------------------------------ 4. slot, 5. HEAD

def read_slot(path):
    with open(path, "rb") as file:
        data = file.read()
    best = None
    for at in range(0, len(data), PAGE):
        page = data[at:at + PAGE]
        if page[:8] != b"ESCDSLOT" or blake3.blake3(page[:72]).digest() != page[72:104]:
            continue
        one_version(page[8], page[9], "the slot")
        record = (int.from_bytes(page[32:40], "little"), page[16:32], page[40:72])
        best = max(best, record) if best else record
    need(best, "no record of the slot is whole")
    return best


def read_head(folder, epoch, store, root):
    with open(os.path.join(folder, "HEAD"), "rb") as file:
        data = file.read()
    best = None
    for at in range(0, len(data), PAGE):
        page = data[at:at + PAGE]
        if page[:8] != b"ESCDHEAD":
            continue
        one_version(page[8], page[9], "HEAD")
        if page[16:32] != store or page[32:40] != u64(epoch):
            continue
        text = unseal("head", [root], page[48:80], page[:80], page[80:])
        sequence = int.from_bytes(page[40:48], "little")
        # What is only needed to write (120..124) doesn't stop a reader. Bits of what is needed: 0 words (format 2),
        # 1 evidence (format 3), 2 rules (format 4).
        if text:
            need(not any(page[10:16] + bytes([text[116] & ~7]) + text[117:120] + text[124:]),
                 "the store needs what this reader doesn't know")
        if text and (best is None or sequence > best["sequence"]):
            best = {"sequence": sequence, "root_page": int.from_bytes(text[:4], "little"), "root_salt": text[4:36],
                    "pages": int.from_bytes(text[36:40], "little"), "leaves": int.from_bytes(text[76:84], "little"),
                    "log_root": text[84:116], "words": text[116] & 1 == 1}
    need(best, "no record of HEAD opens under the slot's root")
    return best


# ------------------------------------------------------------ 6. keyring

class Keyring:
    def __init__(self, folder, store, head, root, epoch):
        self.store = store
        self.files = []
        for name in ("keyring.a", "keyring.b"):
            with open(os.path.join(folder, name), "rb") as file:
                self.files.append(file.read())
        salt = head["root_salt"] + u64(epoch)
        self.entries = []
        self.walk(head["root_page"], lambda aad, sealed: unseal("root", [root], salt, aad, sealed), None)

    def page(self, number, opener):
        for data in self.files:
            page = data[number * PAGE:(number + 1) * PAGE]
            if len(page) < PAGE or page[:2] != b"KP":
                continue
            one_version(page[3], page[4], f"keyring page {number}")
            need(page[2] == 1, f"keyring page {number} is no page of the tree")
            text = opener(page[:8] + self.store + u32(number), page[8:])
            if text is not None:
                return text
        raise Bad(f"keyring page {number} opens in neither file")

    def walk(self, number, opener, level):
        r = Reader(self.page(number, opener))
        own = r.uint(1)
        need(level is None or own == level, "a page of the tree stands on a wrong level")
        before = None
        for _ in range(r.uint(2)):
            key, value = r.slice(), r.slice()
            need(before is None or before < key, "keys of the tree don't ascend")
            before = key
            if own == 0:
                self.entries.append((key, value))
            else:
                child, secret = int.from_bytes(value[:4], "little"), value[4:36]
                self.walk(child, lambda aad, sealed, secret=secret: unseal("page", [secret], b"", aad, sealed), own - 1)

    def of_kind(self, kind):
        for key, value in self.entries:
            if key[0] == kind:
                r = Reader(value)
                need(r.uint(1) == 1, "an entry of the tree has another version")
                yield key[1:], r


class People:
    def __init__(self, keyring):
        self.keys, self.names, self.periods, self.evidence = {}, {}, set(), {}
        for key, r in keyring.of_kind(1):
            number = int.from_bytes(key[:8], "big")
            if key[8] == 0:
                handle = r.take(16)
                self.keys[number] = r.take(32)
                r.take(32)
                state, identifiers, linked = r.uint(1), r.uint(1), r.varint()
                need(state in (0, 1, 2), "a person of an unknown state")
                need(state == 0 or (identifiers, linked) == (0, 0), "who stands for something has a name")
                if state == 1:
                    self.periods.add(number)
                elif state == 2:
                    self.evidence[number] = handle
            else:
                self.names.setdefault(number, []).append(r.left() and r.text())

        found = {}
        for key, r in keyring.of_kind(3):
            found[r.varint()] = bytes(key)
            r.end()
        need(found == self.evidence, "who stands for evidence and the handles don't agree")

    def name(self, number):
        names = self.names.get(number)
        return names[0] if names else None


# ------------------------------------------------------------ 10. canonical record

def cbor(r, depth=0):
    need(depth < 20, "CBOR is nested too deep")
    head = r.uint(1)
    major, info = head >> 5, head & 31
    if major == 7:
        need(info in (20, 21, 22), "CBOR holds a value that is not allowed")
        return {20: False, 21: True, 22: None}[info]
    if info < 24:
        value = info
    else:
        need(info <= 27, "CBOR of indefinite length")
        size = 1 << (info - 24)
        value = r.uint(size, "big")
        need(value >= (24 if size == 1 else 1 << (4 * size)), "a number is not in its shortest form")
    if major == 0:
        return value
    if major == 1:
        return -1 - value
    if major == 2:
        return r.take(value)
    if major == 3:
        return r.take(value).decode("utf-8")
    if major == 4:
        return [cbor(r, depth + 1) for _ in range(value)]
    need(major == 5, "CBOR holds a tag")
    out, before = {}, None
    for _ in range(value):
        key = cbor(r, depth + 1)
        need(before is None or before < key, "keys of a map don't ascend")
        out[key] = cbor(r, depth + 1)
        before = key
    return out


def time_text(micros):
    whole = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros)
    digits = f"{whole.microsecond:06}"
    fraction = "" if digits == "000000" else "." + digits[:3] if digits.endswith("000") else "." + digits
    return f"{whole.year:04}-{whole:%m-%dT%H:%M:%S}{fraction}Z"


def check_act(m, people):
    """What acts and their details say is well formed; they are sealed under the key of a period."""
    kind = m.get(1, 1)
    if kind < 33:
        return
    if m[4].startswith("log-key/"):
        need((kind, m[3], m[5], m[6]) == (36, "", 0, [0]), "a change of the log's key is no act of the store")
        return
    if kind in REGISTERS:
        need(m[3] == "" and len(m[6]) == 1, "an event of a register that is of nobody, or of many")
        need(m[6][0] == 0 or m[6][0] in people.evidence, "an event of a register is sealed under another key")
        need(m[4].startswith(KINDS[kind] + "/"), "an event of a register without an id of its own")
        need(isinstance(json.loads(m[9]), dict), "an event of a register is no JSON object")
        need(DEEDS[m[17][1]] == kind, "an event of another kind than its deed")
        return
    need(m[3] == "" and len(m[6]) == 1 and m[6][0] in people.periods, "an act outside of a period")
    if kind == 38:
        need(m[4].startswith(("detail/", "purpose/")) and m[5] == 0, "a detail of no act")
        names = [line.split(": ", 1)[0] for line in m[9].split("\n")]
        places = [TEXTS.index(name) for name in names]
        need(places == sorted(set(places)), "a detail says something twice")
        return
    need(m[4].startswith("refused/" if kind == 39 else "act/"), "an act without an id of its own")
    if kind == 39:
        need({"action", "ground", "holds"} <= set(json.loads(m[9])), "a refusal that says too little")
    target = m[17]
    need(DEEDS.get(target[1]) == kind and target[2] >= 0, "an act of another kind than its deed")
    people_of = target.get(3, [])
    need(len(people_of) <= 16 and people_of == sorted(set(people_of)), "an act names people out of order")
    need((target[1] == 64) == (4 in target) and (target[1] == 48) == (5 in target), "an act says too much")


def check_periods(keyring, people):
    """Each period of acts has its person, and each such person a period."""
    periods = {int.from_bytes(key[1:], "big"): r for key, r in keyring.of_kind(7) if key[:1] == b"\x0b"}
    dated = {number for number in periods if number in people.evidence}
    need(set(periods) - dated == people.periods, "periods of acts and their persons don't agree")
    doubted = 0
    for key, r in keyring.of_kind(7):
        if key == b"\x06":
            doubted = [r.zigzag() for _ in range(3)][2]
    for number, r in periods.items():
        need((r.uint(1) == 3) == (number in dated), "a period of an unknown class")
        # What the clock leapt is in the first, and in the other once it is believed.
        need(r.zigzag() - doubted < r.zigzag(), "a period ends before it begins")
        r.end()


def check_settings(keyring):
    """Times believed, and how long acts are kept."""
    for key, r in keyring.of_kind(7):
        if key == b"\x06":
            _, _, doubted = r.zigzag(), r.zigzag(), r.zigzag()
            need(doubted >= 0, "a clock that went on by less than nothing")
            r.end()
        elif key == b"\x0a":
            need(r.uint(1) <= 2, "acts are recorded at an unknown level")
            need(all(1 <= r.varint() <= 36525 for _ in range(2)), "acts are kept for no time, or for too long")
            r.end()


def record(seq, canonical, people):
    r = Reader(canonical)
    m = cbor(r)
    r.end()
    check_act(m, people)
    subjects = [people.name(n) for n in m.get(6, [])]
    return {
        "seq": seq, "id": m[4], "conversation": m[3], "author": people.name(m[5]),
        "subjects": [s for s in subjects if s is not None], "time": time_text(m[2]), "channel": m.get(7, ""),
        "kind": KINDS[m.get(1, 1)], "tags": m.get(8, []), "body": m.get(9, ""), "reply_to": m.get(10),
        "extra": m.get(14, []),
    }


# ------------------------------------------------------------ 7. journal

def read_journal(folder, store, name, key, found):
    path = os.path.join(folder, name.hex() + ".jrn")
    with open(path, "rb") as file:
        data = file.read()
    at, number, seal_before = 0, 0, bytes(48)
    while data[at:at + 4] == b"EJF1":
        header = data[at:at + 16]
        one_version(header[4], header[5], "a frame")
        length = int.from_bytes(header[8:12], "little")
        salt, sealed = data[at + 16:at + 32], data[at + 32:at + 80 + length]
        aad = header + store + name + u64(number) + seal_before
        text = unseal("frame", [key], salt, aad, sealed)
        need(text is not None, f"frame {number} of journal {name.hex()} does not open")
        r = Reader(text[4:4 + int.from_bytes(text[:4], "little")])
        if r.uint(1) == 1:
            first, count = r.varint(), r.varint()
            for i in range(count):
                found.append((first + i, r.take(16), r.slice()))
            r.end()
        at, number, seal_before = at + 80 + length, number + 1, sealed[:48]
    need(not any(data[at:]), f"journal {name.hex()} goes on behind its last frame")
    check_closed(os.path.join(folder, name.hex() + ".par"), data, name, at, number)


# ------------------------------------------------------------ 9a. parity

def xor_pages(data, numbers):
    total = 0
    for i in numbers:
        total ^= int.from_bytes(data[i * PAGE:(i + 1) * PAGE], "little")
    return total.to_bytes(PAGE, "little")


def interleaved(data, pages):
    """Parity of the first pages: page i belongs to group i mod P."""
    groups = -(-pages // 32)
    return b"".join(xor_pages(data, range(g, pages, groups)) for g in range(groups))


def check_parity(data, name):
    pages = len(data) // PAGE
    need(pages > 0 and len(data) % PAGE == 0, f"{name} is no whole number of pages")
    own = pages - -(-pages // 33)
    need(data[own * PAGE:] == interleaved(data, own), f"the parity of {name} is wrong")
    return own


def check_closed(path, data, name, end, frames):
    """The `.par` of a journal that was closed, if there is one."""
    if not os.path.exists(path):
        return
    with open(path, "rb") as file:
        par = file.read()
    need(par[:PAGE] == par[PAGE:2 * PAGE], "the header pages of a .par differ")
    one_version(par[4], par[5], "a .par")
    need(par[:4] == b"EDPR" and par[8:24] == name, "a .par belongs to another journal")
    need(par[24:40] == u64(end) + u64(frames), "a .par counts other frames than its journal holds")
    parity = interleaved(data[:end].ljust(-(-end // PAGE) * PAGE, b"\0"), -(-end // PAGE))
    need(par[40:72] == blake3.blake3(par[:40] + parity).digest(), "the checksum of a .par is wrong")
    need(par[2 * PAGE:] == parity, "the parity of a journal is wrong")


# ------------------------------------------------------------ 9. index, 8. body blocks

def read_index(folder, store, name, key, pages):
    with open(os.path.join(folder, name.hex() + ".idx"), "rb") as file:
        data = file.read()
    need(check_parity(data, name.hex() + ".idx") == pages, "an index has another number of pages than the key tree says")
    text = b""
    for number in range(pages):
        page = data[number * PAGE:(number + 1) * PAGE]
        need(page[:4] == b"EDIX", "an index page does not begin as one")
        one_version(page[4], page[5], "an index page", known=(1, 2))
        need(page[4] == data[4], "the pages of an index are of different versions")
        part = unseal("index", [key], b"", page[:8] + store + name + u32(number), page[8:])
        need(part is not None, f"page {number} of index {name.hex()} does not open")
        text += part
    return text, data[4] == 2


def sections(text):
    r = Reader(text)
    pages, documents = r.uint(4), r.uint(4)
    first, last, low, high = (r.uint(8) for _ in range(4))
    table = {}
    for _ in range(r.uint(2)):
        number, offset, length = r.uint(1), r.uint(8), r.uint(8)
        need(offset + length <= len(text) and number not in table, "a section lies outside or stands twice")
        table[number] = text[offset:offset + length]
    return documents, table


def column(r, documents):
    base, width = r.uint(8), r.uint(1)
    return [(base + r.uint(width)) & (1 << 64) - 1 for _ in range(documents)]


def block_table(data):
    r = Reader(data)
    blocks = []
    for _ in range(r.uint(4)):
        block = {"file": r.uint(1), "offset": r.varint(), "length": r.varint(), "r_block": r.take(16),
                 "class": r.varint(), "expiry": r.varint()}
        subjects, before = [], 0
        for _ in range(r.varint()):
            before = (before + r.varint()) & (1 << 64) - 1
            subjects.append(before)
        block["subjects"] = subjects
        blocks.append(block)
    r.end()
    return blocks


def posting_list(data, frequency, documents):
    if frequency > 32 and frequency >= -(-documents // 8):
        need(len(data) == -(-documents // 8), "a bitmap is not as long as its documents")
        docs = [i for i in range(8 * len(data)) if data[i // 8] >> (i % 8) & 1]
    else:
        r, docs = Reader(data), []
        for _ in range(frequency):
            docs.append(r.varint() + (docs[-1] + 1 if docs else 0))
        r.end()
    need(len(docs) == frequency and docs[-1] < documents, "a list holds other documents than it should")
    return docs


def runs(data, frequency):
    """Positions of a word, one list a document."""
    r, out = Reader(data), []
    for _ in range(frequency):
        positions, following = [], 0
        while True:
            value = shift = 0
            byte = r.uint(1)
            while byte & 0x80:
                value |= (byte & 0x7F) << shift
                shift += 7
                byte = r.uint(1)
            value |= (byte & 0x3F) << shift
            need(shift == 0 or value >> shift - 1, "a position is not in its shortest form")
            positions.append(following + value)
            following = positions[-1] + 1
            if byte & 0x40:
                break
        out.append(positions)
    r.end()
    return out


def dictionary(table, documents, with_words):
    """Terms in order: field, value, documents, and for words the positions in each."""
    r = Reader(table[3])
    count = r.uint(4)
    restarts = [r.uint(4) for _ in range(-(-count // 16))]
    first, term, placed, others = r.at, b"", 0, set()
    for number in range(count):
        shared, suffix, frequency = r.varint(), r.slice(), r.varint()
        if number % 16 == 0:
            need(restarts[number // 16] + first == begin(r, shared, suffix, frequency), "a restart stands elsewhere")
            need(shared == 0, "something is shared at a restart")
        need(shared <= len(term), "a term shares more than there is")
        before, term = term, term[:shared] + suffix
        need(before < term and frequency > 0, "terms are not in order or empty")
        if frequency <= 32:
            start = r.at
            for _ in range(frequency):
                r.varint()
            data = bytes(r.data[start:r.at])
        else:
            offset, length = r.varint(), r.varint()
            data = table[4][offset:offset + length]
        docs, positions = posting_list(data, frequency, documents), None
        if term[0] == 7:
            need(with_words, "a word in an index without words")
            if number % 16 == 0:
                need(r.varint() == placed, "positions of a word don't follow those of the word before")
            length = r.varint()
            of_other_kinds = r.varint() if length % 2 else 0
            need(of_other_kinds == sum(doc in others for doc in docs), "a word counts its documents of other kinds wrongly")
            need(length % 2 == (of_other_kinds > 0), "a word has no documents of other kinds, and says so")
            length //= 2
            positions = runs(table[16][placed:placed + length], frequency)
            placed += length
        elif term[0] == 6 and term[1:] not in DEFAULT_KINDS:
            others.update(docs)
        need(1 <= term[0] <= 7, "a term of an unknown field")
        yield term[0], term[1:], docs, positions
    r.end()
    need(not with_words or placed == len(table[16]), "positions of no word")


def begin(r, shared, suffix, frequency):
    """Where the entry began whose list comes next."""
    size = lambda v: max(1, -(-v.bit_length() // 7))
    return r.at - size(shared) - size(len(suffix)) - len(suffix) - size(frequency)


def ascii_words(body):
    """Words of an ASCII text, as docs/QUERY.md says: the n-th one stands at position n."""
    found = {}
    for at, word in enumerate(re.findall(rb"[0-9a-z_]+", body.encode().lower())):
        if len(word) > 255:
            word = word[:200] + b"\xff" + blake3.blake3(word).digest(16)
        found.setdefault(word, []).append(at)
    return found


def check_terms(table, documents, with_words, bodies):
    """The dictionary against the bodies, `None` for acts: all words of those in ASCII, the number of words of all."""
    found, counts = [{} for _ in range(documents)], [0] * documents
    for field, value, docs, positions in dictionary(table, documents, with_words):
        for doc, places in zip(docs, positions or []):
            found[doc][value] = places
            counts[doc] += len(places)
    if not with_words:
        need(not {16, 17, 18} & set(table), "an index without words has a section of words")
        return
    need(table[18] == bytes([1, 1]), "words of an unknown analyser")
    lengths = Reader(table[17])
    need(column(lengths, documents) == counts, "a document has another number of words than it should")
    lengths.end()
    for doc, body in enumerate(bodies):
        if body is None or not body:
            need(not found[doc], "words of a document without text")
        elif body.isascii():
            need(found[doc] == ascii_words(body), "the words of a document are not those of its body")
        else:
            # Two neighbours stand side by side, or with one place left free between them.
            places = sorted(at for positions in found[doc].values() for at in positions)
            steps = {b - a for a, b in zip(places, places[1:])}
            need(places and places[0] == 0 and steps <= {1, 2}, "the positions of a document have a hole")


def lz4_block(data, size):
    out, at = bytearray(), 0
    while True:
        token = data[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            while True:
                literals += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        out += data[at:at + literals]
        at += literals
        if at >= len(data):
            break
        offset = int.from_bytes(data[at:at + 2], "little")
        at += 2
        length = (token & 15) + 4
        if length == 19:
            while True:
                length += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        need(0 < offset <= len(out), "an LZ4 match points before the beginning")
        for _ in range(length):
            out.append(out[-offset])
    need(len(out) == size, "an LZ4 block has another length than it says")
    return bytes(out)


def read_block(body, store, name, block, people):
    secrets = [people.keys[n] for n in block["subjects"]] + [block["r_block"]]
    sealed = body[block["offset"]:block["offset"] + block["length"]]
    aad = b"body" + bytes([1, 1]) + store + name + u64(block["offset"]) + u64(block["length"] - 48)
    text = unseal("body", secrets, b"", aad, sealed)
    need(text is not None, f"the block at {block['offset']} of {name.hex()}.seg does not open")
    method, raw, length = text[0], int.from_bytes(text[1:5], "little"), int.from_bytes(text[5:9], "little")
    payload = text[9:9 + length]
    need(method in (0, 1) and not any(text[9 + length:]), "a body block is not padded with zeros")
    r = Reader(lz4_block(payload, raw) if method else payload)
    records = []
    for _ in range(r.varint()):
        records.append((r.varint(), r.take(16), r.slice()))
    r.end()
    return records


def read_segment(folder, store, words, r, people, found):
    key, name, pages, documents = r.take(32), r.take(16), r.uint(4), r.uint(4)
    r.uint(4)
    r.zigzag(), r.zigzag(), r.uint(8), r.uint(8)
    names = [r.take(16) for _ in range(r.varint())]
    r.end()
    text, with_words = read_index(folder, store, name, key, pages)
    need(words or not with_words, "an index with words in a store of format 1")
    count, table = sections(text)
    need(count == documents, "an index and the key tree count its documents differently")
    need(table[1] == table[2], "the two block tables of an index differ")
    bodies = []
    for body in names:
        with open(os.path.join(folder, body.hex() + ".seg"), "rb") as file:
            bodies.append(file.read())
        need(bodies[-1][:4] == b"EDSG", "a body file does not begin as one")
        one_version(bodies[-1][4], bodies[-1][5], "a body file")
        check_parity(bodies[-1], body.hex() + ".seg")
    blocks = block_table(table[1])
    opened = [read_block(bodies[b["file"]], store, names[b["file"]], b, people) for b in blocks]
    times, seqs = column(Reader(table[5]), documents), column(Reader(table[6]), documents)
    places = Reader(table[7])
    numbers, slots = column(places, documents), column(places, documents)
    before, texts = None, []
    for time, seq, block, slot in zip(times, seqs, numbers, slots):
        key = (signed(time), seq)
        need(before is None or before < key, "documents don't stand in the order of time and position")
        before = key
        place, salt, canonical = opened[block][slot]
        need(place == seq, "a record does not stand where the index says")
        found.append((seq, salt, canonical))
        told = cbor(Reader(canonical))
        texts.append(None if told.get(1, 1) >= 32 else told.get(9, ""))
    check_terms(table, documents, with_words, texts)


# ------------------------------------------------------------ 11. log

def leaf(salt, canonical):
    key = blake3.blake3(salt, derive_key_context=CONTEXT["leaf"]).digest()
    return hashlib.sha256(b"\0" + blake3.blake3(canonical, key=key).digest()).digest()


def tree_root(hashes):
    """RFC 6962, section 2.1."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(hashes[:split]) + tree_root(hashes[split:])).digest()


def check_levels(folder, hashes):
    """Levels above the leaves, and the parity of each: groups of 32 neighbours."""
    level = 0
    while hashes:
        with open(os.path.join(folder, "log", f"level-{level}"), "rb") as file:
            stored = file.read(32 * len(hashes))
        need(stored == b"".join(hashes), f"level {level} of the log does not follow from the leaves")
        with open(os.path.join(folder, "log", f"parity-{level}"), "rb") as file:
            parity = file.read()
        for group in range(-(-len(stored) // (32 * PAGE))):
            wanted = xor_pages(stored.ljust(len(stored) + PAGE, b"\0"), range(32 * group, 32 * group + 32))
            need(parity[group * PAGE:(group + 1) * PAGE] == wanted, f"parity page {group} of level {level} is wrong")
        hashes = [tree_root(hashes[i:i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1


def read_log(folder, head, found):
    size = head["leaves"]
    leaves = b""
    if size:
        with open(os.path.join(folder, "log", "level-0"), "rb") as file:
            leaves = file.read(32 * size)
    need(len(leaves) == 32 * size, "the log is shorter than HEAD says")
    hashes = [leaves[i:i + 32] for i in range(0, len(leaves), 32)]
    need(tree_root(hashes) == head["log_root"], "the leaves don't give the root that HEAD names")
    check_levels(folder, hashes)
    for seq, salt, canonical in found:
        need(seq >= size or hashes[seq] == leaf(salt, canonical), f"record {seq} is not the one the log commits to")
    return hashes


def read_change(r):
    """A change of the log's key that is not ended yet."""
    r.varint(), r.take(32)
    new = r.take(32)
    r.varint(), r.take(32), r.take(64), r.zigzag()
    return new


def read_log_keys(keyring, found):
    """Keys of the log, oldest first; each but those that stand longer than the list has its act in the log."""
    entries = {key: r for key, r in keyring.of_kind(7) if key in (b"\x02", b"\x08")}
    seed = entries[b"\x02"].take(32)
    entries[b"\x02"].end()
    signs = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if b"\x08" not in entries:
        return [signs], 0
    r = entries[b"\x08"]
    _, losses, keys, before = r.varint(), r.varint(), [], 0
    count = r.varint()
    need(count <= 16, "more keys of the log than are kept")
    for _ in range(count):
        r.varint()
        keys.append(r.take(32))
        begun = r.varint()
        need(before <= begun, "a key of the log began before the one that it follows")
        before = begun
        r.zigzag()
    waits, due = r.uint(1), None
    need(waits <= 2, "something unknown waits for the log's key")
    if waits == 1:
        r.take(32)
    if waits:
        new = read_change(r)
        due = new if waits == 2 else None
    r.end()
    need(not keys or keys[-1] == signs, "the key that signs is not the last of the log's keys")
    acts = {m[4]: m.get(9, "") for m in (cbor(Reader(canonical)) for _, _, canonical in found)}
    for key in keys[1:]:
        told = acts.get("log-key/" + key.hex()[:32])
        need(key == due or told is not None, "a change of the log's key stands nowhere in the log")
        need(told is None or told.startswith("escrowdb/log-key/v1\n"), "a change of the log's key has another form")
    return keys or [signs], losses


def check_signed_head(keyring, hashes, found, losses):
    """The head that was signed last, against the leaves of the log and those that the next roll writes."""
    begun = len(hashes)
    behind = {seq: leaf(salt, canonical) for seq, salt, canonical in found if seq >= begun}
    hashes = hashes + [behind.get(seq, bytes(32)) for seq in range(begun, max(behind, default=-1) + 1)]
    for key, r in keyring.of_kind(7):
        if key == b"\x09":
            size, root = r.uint(8), r.take(32)
            r.zigzag()
            r.end()
            need(size <= len(hashes), "a head was signed over more than is there")
            need(losses < read_losses(keyring)[1] or tree_root(hashes[:size]) == root, "another head was signed")
            return size
    return None


def read_losses(keyring):
    """How many records left the store because nothing brought them back, and how often hashes of the log did."""
    records = hashes = 0
    for key, r in keyring.of_kind(7):
        if key != b"\7":
            continue
        count = r.varint()
        need(count <= 16, "more losses than there may be")
        for _ in range(count):
            what, by = r.uint(1), r.uint(1)
            need(what in (1, 2) and by in (1, 2, 3, 4), "a loss of an unknown sort")
            r.take(16 if by == 3 else 0)
            r.zigzag(), r.varint()
            number, first, last = r.varint(), r.varint(), r.varint()
            need(number > 0 and first <= last, "a loss of nothing")
            r.take(32 if what == 2 else 0)
            records += number if what == 1 else 0
            hashes += what == 2
        r.end()
    return records, hashes


def check_counters(keyring, held):
    """Positions without a record were removed on request or lost."""
    for key, r in keyring.of_kind(7):
        if key == b"\3":
            r.uint(8), r.uint(8)
            seq, removed = r.uint(8), r.uint(8)
            r.end()
            lost, _ = read_losses(keyring)
            need(seq - held == removed + lost, f"{seq} positions, {held} records, {removed} removed, {lost} lost")


def add_late_tags(records, maps):
    """Tags that came or went later, of a record and of its edits; an edit that says nothing of tags has those of
    the version before."""
    known = {(one["conversation"], one["id"]): n for n, one in enumerate(records)}
    root, edits, later = {}, {}, {}
    for n, m in enumerate(maps):
        of = known.get((m[3], m.get(17))) if m.get(1, 1) in (3, 13) else None
        while of is not None and maps[of].get(1, 1) == 3:
            of = known.get((maps[of][3], maps[of][17]))
        root[n] = of
    for n, m in enumerate(maps):
        if root[n] is not None and m.get(1, 1) == 3:
            edits.setdefault(root[n], []).append(n)
        elif root[n] is not None:
            gone = json.loads(dict(m.get(14, [])).get("removed", "[]"))
            later.setdefault(root[n], {}).update({tag: True for tag in m.get(8, [])} | {tag: False for tag in gone})
    for of in set(edits) | set(later):
        before = records[of]["tags"]
        for n in [of] + edits.get(of, []):
            before = before if n != of and not records[n]["tags"] else records[n]["tags"]
            said = dict(sorted(later.get(of, {}).items()))
            tags = [tag for tag in before if said.get(tag, True)]
            records[n]["tags"] = tags + [tag for tag, there in said.items() if there and tag not in tags]


def released(records):
    """Positions of records that are not in quarantine, or not any more."""
    tags = {(m[3], m[17]) for _, m in records if m.get(1, 1) == 13 and "escrow:released" in m.get(8, [])}
    is_in = {seq for seq, m in records if m.get(11, 0) >= 1 << 31}
    for seq, m in records:
        need(seq not in is_in or 22 in m, "a record came into quarantine, and nobody knows when")
        late = m.get(1, 1) == 4 and m[2] + 86_400_000_000 < m.get(22, m[2])
        need(seq in is_in or 22 not in m or late, "a record says when it came, and is no late deletion")
    return {seq for seq, m in records if seq not in is_in or (m[3], m[4]) in tags}


def check_speaking(records):
    """What speaks of a record that was there before it has its subjects and its class."""
    before = {}
    for m in records:
        of = before.get((m[3], m.get(17))) if m.get(1, 1) in ABOUT_OTHERS else None
        if of:
            need(of.get(6) == m.get(6) and of.get(11, 0) % (1 << 31) == m.get(11, 0), "it has not its subjects, or its class")
        before.setdefault((m[3], m[4]), m)


def read_store(folder, slot):
    epoch, store, root = read_slot(slot)
    head = read_head(folder, epoch, store, root)
    keyring = Keyring(folder, store, head, root, epoch)
    people = People(keyring)
    check_periods(keyring, people)
    check_settings(keyring)
    found = []
    for _, r in keyring.of_kind(4):
        read_segment(folder, store, head["words"], r, people, found)
    check_counters(keyring, len(found))
    for _, r in sorted(keyring.of_kind(5), key=lambda e: e[0]):
        name, key = r.take(16), r.take(32)
        read_journal(folder, store, name, key, found)
    found.sort()
    need(len({seq for seq, _, _ in found}) == len(found), "two records stand at one position")
    # People who so far stand in a journal only are named by their own records.
    for _, _, canonical in found:
        person = cbor(Reader(canonical)).get(13)
        if person and person[1] not in people.names:
            people.names[person[1]] = person[3]
    hashes = read_log(folder, head, found)
    keys, losses = read_log_keys(keyring, found)
    signed = check_signed_head(keyring, hashes, found, losses)
    check_speaking([cbor(Reader(canonical)) for _, _, canonical in found])
    shown = released([(seq, cbor(Reader(canonical))) for seq, _, canonical in found])
    records = [record(seq, canonical, people) for seq, _, canonical in found]
    add_late_tags(records, [cbor(Reader(canonical)) for _, _, canonical in found])
    records = [one for one in records if one["seq"] in shown]
    told = f"{len(hashes)} leaves, {len(people.periods)} periods of acts, {len(keys)} keys of the log"
    told += "" if signed is None else f", a head signed over {signed}"
    # Details are shown to who asks for them only, and what is said of people to who asks about them.
    return [one for one in records if one["kind"] not in UNFOUND], told


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder")
    arguments.add_argument("slot")
    options = arguments.parse_args()
    try:
        records, told = read_store(options.folder, options.slot)
    except Bad as bad:
        print(f"reader: {bad}", file=sys.stderr)
        return 1
    for one in records:
        print(json.dumps(one, ensure_ascii=False))
    print(f"reader: {len(records)} records, {told}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
