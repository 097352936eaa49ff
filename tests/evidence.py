#!/usr/bin/env python3
"""Checks evidence of a store by docs/FORMAT.md alone (section 11, "What is shown to others"): without the store.

  python3 tests/evidence.py checkpoint FILE --key K | --policy POLICY [--since FILE]
  python3 tests/evidence.py proof FILE --key K | --policy POLICY
  python3 tests/evidence.py certificate FILE --key K | --policy POLICY
  python3 tests/evidence.py log-key FILE --key K | --policy POLICY           a change of the log's key, to be believed by the old one
  python3 tests/evidence.py export FILE --key K | --policy POLICY            with FILE.proof and FILE.manifest.json

Needs Python 3.9 and the packages `cryptography` (Ed25519) and `blake3`. Shares no code with the engine. Prints one JSON
object; exit code 1 if something is not as the page says.
"""
import argparse
import base64
import datetime
import hashlib
import json
import re
import sys
import unicodedata

import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CERTIFICATE = "escrowdb/erasure-certificate/v2"
PROOF = "c2sp.org/tlog-proof@v1"
DASH = "\u2014 "
COMMITMENT = "EscrowDB 2026-11-24 leaf commitment v1"
# Points of small order, by y: a key among them signs everything.
SMALL_ORDER = {0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18,
               0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
               0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826}


class Bad(Exception):
    """Something is not as the page says."""


def need(ok, what):
    if not ok:
        raise Bad(what)


def unbase64(text):
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except ValueError as e:
        raise Bad("not base64") from e
    need(base64.b64encode(data).decode() == text, "needless bits in base64")
    return data


def a_number(text):
    need(text.isascii() and text.isdigit() and str(int(text)) == text and int(text) < 2**64, "not a number")
    return int(text)


def a_hash(text):
    data = unbase64(text)
    need(len(data) == 32, "not a hash")
    return data


def is_name(text):
    return 0 < len(text.encode()) <= 1024 and "+" not in text and not any(c.isspace() or unicodedata.category(c) == "Cc" for c in text)


# ------------------------------------------------------------ keys, notes, checkpoints

class Key:
    """A key of a log (type 1) or of a witness (type 4)."""

    def __init__(self, text, kind=1):
        name, _, rest = text.partition("+")
        claimed, _, typed = rest.partition("+")
        typed = unbase64(typed)
        need(is_name(name) and len(typed) == 33 and typed[0] == kind, "not a key of that kind")
        y = int.from_bytes(typed[1:], "little") & (2**255 - 1)
        need(y not in SMALL_ORDER, "a key that signs everything")
        self.name, self.id = name, hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
        need(claimed == self.id.hex(), "the id is not that of name and key")
        self.kind, self.bytes = kind, typed[1:]
        self.public = Ed25519PublicKey.from_public_bytes(typed[1:])

    def signed(self, text, signature):
        if self.kind == 4:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            need(time < 2**63, "no such time")
            text = b"cosignature/v1\ntime %d\n" % time + text
        try:
            self.public.verify(signature, text)
            return len(signature) == 64
        except InvalidSignature:
            return False


class Policy:
    """Which logs, and who must have cosigned."""

    def __init__(self, data):
        self.logs, self.names, self.quorum = [], {}, ()
        need(data.endswith(b"\n") and all(c in (9, 10) or c >= 32 and c != 127 for c in data), "not a policy")
        members = set()
        for line in data[:-1].split(b"\n"):
            words = [w for w in line.replace(b"\t", b" ").split(b" ") if w]
            if not words or words[0].startswith(b"#"):
                continue
            if words[0] == b"log" and len(words) in (2, 3):
                self.logs.append(self.key(words[1], 1))
            elif words[0] == b"witness" and len(words) in (3, 4):
                self.name(words[1], self.key(words[2], 4))
            elif words[0] == b"group" and len(words) > 3:
                of = words[3:]
                need(all(w in self.names for w in of) and len(set(of)) == len(of) and not members & set(of), "members")
                members |= set(of)
                k = {b"all": len(of), b"any": 1}.get(words[2]) or a_number(words[2].decode("utf-8", "replace"))
                need(1 <= k <= len(of), "not so many members")
                self.name(words[1], (k, of))
            elif words[0] == b"quorum" and len(words) == 2:
                need(self.quorum == () and (words[1] == b"none" or words[1] in self.names), "not a quorum")
                self.quorum = None if words[1] == b"none" else words[1]
            else:
                raise Bad("not a line of a policy")
        need(self.quorum != (), "no quorum")
        for keys in [self.logs, self.witnesses(), self.logs + self.witnesses()]:
            need(len({k.bytes for k in keys}) == len(keys), "a key stands twice")

    @staticmethod
    def key(word, kind):
        try:
            return Key(word.decode("utf-8"), kind)
        except UnicodeDecodeError as e:
            raise Bad("not a key") from e

    def name(self, name, what):
        need(name != b"none" and name not in self.names, "the name is taken")
        self.names[name] = what

    def witnesses(self):
        return [w for w in self.names.values() if isinstance(w, Key)]

    def met(self, name, signed):
        what = self.names[name]
        if isinstance(what, Key):
            return what in signed
        return sum(self.met(member, signed) for member in what[1]) >= what[0]


def of_key(key):
    policy = Policy(b"quorum none\n")
    policy.logs = [key]
    return policy


def note(text, keys):
    """The text of a note, and which of the keys signed it."""
    need(all(c >= " " or c == "\n" for c in text), "control characters")
    at = text.rfind("\n\n")
    need(at >= 0 and text.endswith("\n"), "not a note")
    body, lines = text[:at + 1], text[at + 2:-1].split("\n")
    need(1 <= len(lines) <= 64, "too many signatures, or none")
    signed = set()
    for line in lines:
        need(line.startswith(DASH), "a line is no signature")
        name, _, encoded = line[len(DASH):].partition(" ")
        data = unbase64(encoded)
        need(is_name(name) and len(data) > 4, "a line is no signature")
        for key in keys:
            if name == key.name and data[:4] == key.id:
                need(key.signed(body.encode(), data[4:]), "the signature does not fit the text")
                signed.add(key)
    return body, signed


def checkpoint(text, policy):
    body, signed = note(text, policy.logs + policy.witnesses())
    lines = body[:-1].split("\n")
    need(len(lines) >= 3 and all(lines), "not a checkpoint")
    need(any(key in signed and key.name == lines[0] for key in policy.logs), "no key of the log signed it")
    need(policy.quorum is None or policy.met(policy.quorum, signed), "too few witnesses")
    size, root = a_number(lines[1]), a_hash(lines[2])
    need(size > 0 or root == hashlib.sha256().digest(), "a log without leaves has another root")
    return {"origin": lines[0], "size": size, "root": root}


def path(text):
    """Hashes, one a line, up to an empty line; and what stands behind it."""
    hashes = []
    while True:
        line, end, text = text.partition("\n")
        need(end, "cut")
        if not line:
            return hashes, text
        need(len(hashes) < 64, "too many hashes")
        hashes.append(a_hash(line))


# ------------------------------------------------------------ the tree (RFC 9162 sections 2.1.3.2 and 2.1.4.2)

def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf, index, size, hashes):
    need(index < size, "behind the end of the log")
    fn, sn, r = index, size - 1, leaf
    for p in hashes:
        need(sn != 0, "a hash too many")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "a hash is missing")
    return r


def continues(first, second, hashes):
    """Whether the second head continues the first."""
    if first["size"] == second["size"] or first["size"] == 0:
        need(not hashes, "a hash too many")
        need(first["size"] == 0 or first["root"] == second["root"], "two heads of one size")
        return
    need(first["size"] < second["size"], "the later one is shorter")
    hashes = list(hashes)
    if first["size"] & (first["size"] - 1) == 0:
        hashes.insert(0, first["root"])
    need(hashes, "a hash is missing")
    fn, sn = first["size"] - 1, second["size"] - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = hashes[0]
    for c in hashes[1:]:
        need(sn != 0, "a hash too many")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and fr == first["root"] and sr == second["root"], "it does not continue the earlier one")


# ------------------------------------------------------------ the commands

def read(name):
    with open(name, "rb") as f:
        try:
            return f.read().decode("utf-8", "strict")
        except UnicodeDecodeError as e:
            raise Bad("not UTF-8") from e


def check_checkpoint(args, policy):
    text, steps = read(args.file), None
    if text.startswith("old "):
        line, _, rest = text.partition("\n")
        hashes, text = path(rest)
        steps = (a_number(line[len("old "):]), hashes)
    head = checkpoint(text, policy)
    if args.since:
        # Who kept the earlier one needs the log's signature only.
        kept = Policy(b"quorum none\n")
        kept.logs = policy.logs
        earlier = checkpoint(read(args.since), kept)
        need(steps is None or steps[0] == earlier["size"], "the proof begins at another head")
        need(steps is not None or earlier == head, "no proof that it continues the earlier one")
        continues(earlier, head, steps[1] if steps else [])
    return {"origin": head["origin"], "size": head["size"], "root": head["root"].hex(), "continues": bool(args.since)}


def check_proof(args, policy):
    found, canonical = proof(read(args.file), policy)
    return {**found, "canonical": canonical.hex()}


def proof(text, policy):
    """Where the record stands, and its canonical bytes."""
    lines = text.split("\n", 3)
    need(len(lines) == 4 and lines[0] == PROOF and lines[1].startswith("extra ") and lines[2].startswith("index "),
         "not a proof of a record")
    opening, index = unbase64(lines[1][len("extra "):]), a_number(lines[2][len("index "):])
    need(len(opening) >= 17 and opening[0] == 1, "it opens no record")
    salt, canonical = opening[1:17], opening[17:]
    hashes, rest = path(lines[3])
    head = checkpoint(rest, policy)
    leaf = leaf_of(salt, canonical)
    need(root_of(leaf, index, head["size"], hashes) == head["root"], "the record is not at that place of the log")
    return {"origin": head["origin"], "size": head["size"], "root": head["root"].hex(), "seq": index, "leaf": leaf.hex()}, canonical


# ------------------------------------------------------------ changes of the log's key

def check_log_key(args, policy):
    text = read(args.file)
    body, signed = note(text, policy.logs)
    lines = body[:-1].split("\n")
    need(len(lines) == 5 and lines[0] == "escrowdb/log-key/v1", "not a change of a log's key")
    new, size, root = Key(lines[2]), a_number(lines[3]), a_hash(lines[4])
    need(any(key.name == lines[1] and key.bytes != new.bytes for key in signed), "the old key did not sign it")
    need(new in note(text, [new])[1], "the new key did not sign it")
    return {"origin": lines[1], "key": lines[2], "continues": new.name == lines[1], "size": size, "root": root.hex()}


# ------------------------------------------------------------ exports

KINDS = {"message": 1, "action": 2, "edit": 3, "delete": 4, "reaction": 5, "join": 6, "leave": 7, "file": 8, "call": 9,
         "system": 10, "person": 11, "context": 12, "tag": 13, "erased": 32, "opened": 33, "searched": 34, "exported": 35, "rule": 36,
         "import": 37}
ABOUT = ("edit", "delete", "reaction", "tag")
MEMBERS = ["id", "conversation", "author", "subjects", "time", "channel", "kind", "tags", "body", "reply_to"]


class Raw(bytes):
    """CBOR as it stands."""


def cbor(value):
    def head(major, n):
        if n < 24:
            return bytes([major << 5 | n])
        for extra, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 1 << 8 * width:
                return bytes([major << 5 | extra]) + n.to_bytes(width, "big")
        raise Bad("a number too large")
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in sorted(value.items()))


def uncbor(data, at):
    """The value at a place, and the place behind it."""
    need(at < len(data), "CBOR is cut")
    major, n = data[at] >> 5, data[at] & 31
    at += 1
    need(major < 6 and n < 28, "CBOR that records don't have")
    if n >= 24:
        width = 1 << n - 24
        n, at = int.from_bytes(data[at:at + width], "big"), at + width
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        need(at + n <= len(data), "CBOR is cut")
        piece = data[at:at + n]
        return (piece if major == 2 else piece.decode()), at + n
    need(n <= len(data), "a false count")
    if major == 4:
        items = []
        for _ in range(n):
            item, at = uncbor(data, at)
            items.append(item)
        return items, at
    entries = {}
    for _ in range(n):
        key, at = uncbor(data, at)
        start = at
        value, at = uncbor(data, at)
        entries[key] = Raw(data[start:at]) if isinstance(key, int) and key >= 16 else value
    return entries, at


def record_of(data):
    try:
        record, end = uncbor(data, 0)
    except (UnicodeDecodeError, RecursionError) as e:
        raise Bad("not a record") from e
    need(end == len(data) and isinstance(record, dict) and cbor(record) == data, "not the one form of a record")
    return record


def leaf_of(salt, canonical):
    hidden = blake3.blake3(canonical, key=blake3.blake3(salt, derive_key_context=COMMITMENT).digest()).digest()
    return hashlib.sha256(b"\x00" + hidden).digest()


def quoted(text):
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(short.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text) + '"'


def json_text(value):
    return "null" if value is None else quoted(value) if isinstance(value, str) else \
        "[" + ",".join(map(quoted, value)) + "]"


def micros(text):
    m = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}|\d{6}))?Z", text, re.ASCII)
    need(m, "not a time")
    try:
        days = datetime.date(*map(int, m.group(1, 2, 3))).toordinal() - datetime.date(1970, 1, 1).toordinal()
    except ValueError as e:
        raise Bad("not a time") from e
    h, mi, s = map(int, m.group(4, 5, 6))
    need(h < 24 and mi < 60 and s < 60, "not a time")
    part = m.group(7) or ""
    need(not part or int(part) != 0 and not (len(part) == 6 and part.endswith("000")), "a time longer than it needs to be")
    return ((days * 24 + h) * 60 + mi) * 60_000_000 + s * 1_000_000 + int(part.ljust(6, "0") or 0)


def pairs(line):
    """Members of an object; further fields as their text, which JSON readers throw away."""
    decoder, found = json.JSONDecoder(), []
    need(line.startswith("{") and line.endswith("}"), "not an object")
    at = 1
    try:
        while at < len(line):
            name, at = json.decoder.scanstring(line, at + 1, True)
            need(line[at] == ":", "not an object")
            start = at + 1
            value, at = decoder.raw_decode(line, start + len(line[start:]) - len(line[start:].lstrip(" \t")))
            found.append((name, value, line[start:at]))
            rest = line[at:].lstrip(" \t")
            if rest == "}":
                return found
            at = len(line) - len(rest) + 1
    except (ValueError, IndexError, RecursionError) as e:
        raise Bad("not JSON") from e
    raise Bad("not an object")


def proves(line, r, names):
    """Whether a line of the file is that of the record."""
    members = pairs(line)
    need([name for name, _, _ in members[:10]] == MEMBERS, "not a line of an export")
    shown = {name: value for name, value, _ in members[:10]}
    rest = record_of(r["rest"]) if r["rest"] else {}
    if r["rest"]:
        bare = {k: v for k, v in rest.items() if k in (11, 12, 13, 14) or k >= 16}
        need(bare and cbor({2: 0, 3: "", 4: "", 5: 0, **bare}) == r["rest"], "a rest that holds what lines show")
        rest = bare
    further, target = members[10:], None
    if further and further[0][0] == "target" and shown["kind"] in ABOUT:
        target = further.pop(0)[1]
    extra = rest.get(14) or [[name, text] for name, _, text in further]
    need(shown["author"] == names.get(r["author"]), "another author")
    need(shown["subjects"] == [names[n] for n in r["subjects"] if n in names], "other subjects")
    need(shown["kind"] in KINDS, "an unknown kind")
    printed = ",".join(f'"{name}":{json_text(shown[name])}' for name in MEMBERS)
    printed += f',"target":{json_text(target)}' if target is not None else ""
    printed += "".join(f",{quoted(name)}:{text}" for name, text in extra)
    need("{" + printed + "}" == line, "not the one form of the line")
    record = {1: KINDS[shown["kind"]], 2: micros(shown["time"]), 3: shown["conversation"], 4: shown["id"], 5: r["author"],
              6: r["subjects"], 7: shown["channel"], 8: shown["tags"], 9: shown["body"], 10: shown["reply_to"],
              14: extra, **({17: target} if target is not None else {}), **{k: v for k, v in rest.items() if k != 14}}
    defaults = {1: 1, 6: [], 7: "", 8: [], 9: "", 10: None, 14: []}
    record = {k: v for k, v in record.items() if k not in defaults or v != defaults[k]}
    need(leaf_of(r["salt"], cbor(record)) == r["leaf"], "not what the log holds")


def fold(start, end, leaves, nodes):
    """The root over a part of the tree, from known leaves and the nodes over everything else."""
    if not leaves:
        need(nodes, "a node is missing")
        return nodes.pop()
    if end - start == 1:
        return leaves[0][1]
    half = 1 << (end - start - 1).bit_length() - 1
    left = [leaf for leaf in leaves if leaf[0] < start + half]
    return node(fold(start, start + half, left, nodes), fold(start + half, end, leaves[len(left):], nodes))


def manifest(text, policy):
    need(text.endswith("}\n") and text.count("\n") == 1, "not one line")
    body, mark, signature = text[:-2].rpartition(',"signature":')
    need(mark, "not signed")
    try:
        says, lines = json.loads(body + "}"), json.loads(signature)
    except ValueError as e:
        raise Bad("not JSON") from e
    need(isinstance(lines, str) and quoted(lines) == signature, "not the one form of a signature")
    _, signed = note(f"escrowdb/export/v1\n{body}}}\n\n{lines}", policy.logs)
    origin = says["checkpoint"].partition("\n")[0]
    need(any(key in signed and key.name == origin for key in policy.logs), "the key of the log did not sign it")
    version = 2 if "package" not in says else 4 if "told" in (says["package"] or {}) else 3
    need(says["version"] == version and says["signed"] is True, "another version")
    return says


def is_file(data, says):
    need(len(data) == says["bytes"] and hashlib.sha256(data).hexdigest() == says["sha256"], "not the file that was signed")


def check_export(args, policy):
    says = manifest(read(args.file + ".manifest.json"), policy)
    head = checkpoint(says["checkpoint"], policy)
    with open(args.file, "rb") as f:
        data = f.read()
    is_file(data, says)
    found = {"origin": head["origin"], "size": head["size"], "root": head["root"].hex(), "count": says["count"]}
    if says["proof"] is None:
        return {**found, "proved": 0, "people": 0}
    text = read(args.file + ".proof")
    is_file(text.encode(), says["proof"])
    lines = text.split("\n")
    of_form, has_lines = lines[0] == "escrowdb/export-proof/v2", says["format"] == "jsonl"
    need((of_form or lines[0] == "escrowdb/export-proof/v1") and lines[1] == f"size {head['size']}" and lines.pop() == "",
         "not a proof")
    need(of_form or has_lines, "a form without lines")
    if of_form:
        form = lines[2].split(" ")
        need(form[:2] == ["form", says["format"]] and len(form) in (3, 4) and a_number(form[2]) > 0, "another form")
        need(len(form) == 3 or len(unbase64(form[3])) == 16, "not a salt")
    leaves, names, records, nodes, people, words, told, opened = {}, {}, [], [], 0, 0, [], set()

    def known(seq, leaf):
        need(leaves.setdefault(seq, leaf) == leaf and seq < head["size"], "a position that can't be")

    for line in lines[3 if of_form else 2:]:
        kind, *fields = line.split(" ")
        need(kind == "n" or not nodes, "a line behind the nodes")
        need(kind in "ns" or not told, "a record behind what is told")
        if kind == "n" and len(fields) == 1:
            nodes.append(a_hash(fields[0]))
        elif kind == "p" and len(fields) == 3:
            canonical = unbase64(fields[2])
            record = record_of(canonical)
            need(record.get(1) == 11 and record[13][1] not in names, "not who somebody is")
            names[record[13][1]] = record[13][3][0]
            known(a_number(fields[0]), leaf_of(unbase64(fields[1]), canonical))
            people += 1
        elif kind == "u" and len(fields) == 2:
            need(a_number(fields[0]) not in names, "a number twice")
            names[a_number(fields[0])] = unbase64(fields[1]).decode()
        elif kind == "o" and len(fields) == 3 and of_form and not has_lines:
            need(a_number(fields[0]) not in opened, "a position twice")
            opened.add(a_number(fields[0]))
            record_of(unbase64(fields[2]))
            known(a_number(fields[0]), leaf_of(unbase64(fields[1]), unbase64(fields[2])))
        elif kind == "x" and len(fields) == 1 and of_form:
            records.append({"seq": None, "word": unbase64(fields[0])})
            words += 1
        elif kind == "s" and len(fields) == 1 and of_form:
            told.append(unbase64(fields[0]))
        elif kind == "r" and len(fields) in (6, 7) and has_lines:
            subjects = [] if fields[5] == "-" else [a_number(n) for n in fields[5].split(",")]
            need(sorted(set(subjects)) == subjects, "subjects don't ascend")
            need(all(r["seq"] != a_number(fields[0]) for r in records[-1:]), "a position twice")
            records.append({"seq": a_number(fields[0]), "salt": unbase64(fields[1]), "leaf": a_hash(fields[2]),
                            "mark": unbase64(fields[3]), "author": a_number(fields[4]), "subjects": subjects,
                            "rest": unbase64(fields[6]) if len(fields) == 7 else b""})
            known(records[-1]["seq"], records[-1]["leaf"])
        else:
            raise Bad("not a line of a proof")
    need(len({r["seq"] for r in records if "mark" in r}) == len(records) - words, "a position twice")
    need(len(names) - people == says["proof"]["named"] and people == says["proof"]["people"], "other people")
    sections = [json.loads(line)["section"] + "s" for line in told]
    counts = (says.get("package") or {}).get("told") or {}
    need(all(sections.count(name) == n for name, n in counts.items()) and sum(counts.values()) == len(told), "not as much told as was signed")
    nodes.reverse()
    root = fold(0, head["size"], sorted(leaves.items()), nodes) if head["size"] else hashlib.sha256().digest()
    need(root == head["root"] and not nodes, "the proof does not lead to the checkpoint")
    if not has_lines:
        need(len(opened) + words == says["count"], "not as many records as were signed")
        return {**found, "proved": len(opened), "people": people, "words": words}
    texts = data.split(b"\n")
    need(texts.pop() == b"" and len(texts) == len(records) + len(told) and len(records) == says["count"],
         "not as many lines as records")
    need(texts[len(records):] == told, "something else is told than was exported")
    for text, r in zip(texts, records):
        if "word" in r:
            need(text == r["word"], "another line than was exported")
            continue
        need(hashlib.sha256(text + b"\n").digest()[:6] == r["mark"], "another line than was exported")
        proves(text.decode(), r, names)
    return {**found, "proved": len(records) - words, "people": people, **({"words": words} if of_form else {})}


# ------------------------------------------------------------ certificates of erasures

class Bytes:
    """What a body holds, byte after byte (section 2)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "cut")
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            need(value < 2**64, "a varint is too large")
            if byte < 128:
                need(byte or not shift, "a varint is longer than it must be")
                return value
            shift += 7

    def text(self):
        return self.take(self.varint()).decode()

    def time(self):
        n = self.varint()
        return n >> 1 ^ -(n & 1)

    def list(self, each):
        return [each() for _ in range(self.varint())]


def json_list(items):
    return "[" + ",".join(items) + "]"


def json_time(micros):
    second, fraction = divmod(micros, 1_000_000)
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second)
    rest = "" if not fraction else f".{fraction // 1000:03}" if fraction % 1000 == 0 else f".{fraction:06}"
    return f'"{at.year:04}-{at:%m-%dT%H:%M:%S}{rest}Z"'


GROUNDS = [None, "not-needed", "consent-withdrawn", "objection", "unlawful", "legal-obligation", "child", "retention", "other"]
NOT_PROVED = ["copies of the slot file made before the erasure", "copies, exports and screenshots outside the store",
              "names that others typed into their own messages"]
NOT_PROVED_C = "physical erasure of the slot's old sectors on flash or copy-on-write file systems (grade C)"
NOT_PROVED_COW = ("that the slot's old sectors are overwritten: its file system writes elsewhere, "
                  "and a snapshot of it keeps them")


def claim(request, body, reason, evidence):
    """The line of a certificate up to its signature, from the body of the record `erased`."""
    b = Bytes(body)
    version, what = b.u8(), b.u8()
    need(version in (1, 2) and 1 <= what <= 3, "an act of an unknown sort")
    handles = b.list(lambda: b.take(16).hex())
    removed, lost, content, forgotten, index, journal, before, after, committed, destroyed, late = (b.varint() for _ in range(11))
    committed, destroyed = (n - 2**64 if n >= 2**63 else n for n in (committed, destroyed))
    grade, origin = b.text(), b.text()
    system, ground, approvers, retained, backups = "", 0, [], [], []
    if version == 2:
        system, ground = b.text(), b.u8()
        approvers = b.list(b.varint)
        retained = b.list(lambda: (b.take(16).hex(), b.time()))
        backups = b.list(lambda: (b.varint(), b.time()))
    need(b.at == len(body) and ground < len(GROUNDS), "an act of an unknown sort")
    limits = NOT_PROVED + [NOT_PROVED_C] * (grade == "C")
    limits += [NOT_PROVED_COW] * (system in ("btrfs", "zfs", "bcachefs", "f2fs", "nilfs2"))
    residual = json_time(max(until for _, until in backups)) if backups else "null"
    parts = [
        ("type", json_text(CERTIFICATE)), ("signed", "true"), ("origin", json_text(origin)), ("request", json_text(request)),
        ("erased", json_text(["person", "conversation", "record", "acts", "details"][what - 1])), ("handles", json_list(map(json_text, handles))),
        ("records_removed", removed), ("records_lost", lost), ("people_forgotten", forgotten),
        ("keys_destroyed", f'{{"root":1,"content":{content},"index":{index},"journal":{journal}}}'), ("segments_rekeyed", index),
        ("epoch", f'{{"before":{before},"after":{after}}}'), ("committed", json_time(committed)), ("destroyed", json_time(destroyed)),
        ("destroyed_not_later_than", "true" if late else "false"), ("slot_grade", json_text(grade)),
        ("slot_file_system", json_text(system or None)),
        ("backups", json_list(f'{{"epoch":{epoch},"until":{json_time(until)}}}' for epoch, until in backups)),
        ("residual_until", residual),
        ("retained_as_evidence", json_list(f'{{"handle":"{handle}","until":{json_time(until)}}}' for handle, until in retained)),
        ("basis", json_text(GROUNDS[ground])), ("approvers", json_list(map(str, approvers))), ("reason", json_text(reason)),
        ("does_not_prove", json_list(map(json_text, limits))), ("proof", json_text(evidence)),
    ]
    return "{" + ",".join(f'"{name}":{value}' for name, value in parts)


def check_certificate(args, policy):
    file = read(args.file)
    try:
        parts = json.loads(file)
        evidence, signature, reason = parts["proof"], parts["signature"], parts["reason"]
        need(isinstance(evidence, str) and isinstance(signature, str) and "\n" not in signature, "no certificate")
    except (ValueError, KeyError, TypeError) as e:
        raise Bad("no certificate") from e
    found, canonical = proof(evidence, policy)
    record = record_of(canonical)
    need((record.get(1), record[3], record[5], record.get(6)) == (32, "", 0, [0]), "no act of the store")
    need(record[4].startswith("erased/"), "no erasure")
    line = claim(record[4][len("erased/"):], bytes.fromhex(record[9]), reason, evidence)
    need(file == line + ',"signature":' + json_text(signature) + "}\n", "it says something else than the log")
    _, signed = note(f"{CERTIFICATE}\n{line}}}\n\n{signature}\n", policy.logs)
    need(any(key.name == found["origin"] for key in signed), "the log's key did not sign it")
    return {**found, "erased": parts["erased"], "handles": parts["handles"], "records_removed": parts["records_removed"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["checkpoint", "proof", "log-key", "export", "certificate"])
    parser.add_argument("file")
    trust = parser.add_mutually_exclusive_group(required=True)
    trust.add_argument("--key")
    trust.add_argument("--policy")
    parser.add_argument("--since")
    args = parser.parse_args()
    try:
        if args.policy:
            with open(args.policy, "rb") as f:
                policy = Policy(f.read())
        else:
            policy = of_key(Key(args.key))
        check = {"checkpoint": check_checkpoint, "proof": check_proof, "log-key": check_log_key,
                 "export": check_export, "certificate": check_certificate}[args.what]
        found = check(args, policy)
    except (Bad, KeyError, TypeError, ValueError, OverflowError) as e:
        print(f"not verified: {e}", file=sys.stderr)
        sys.exit(1)
    print(json.dumps({"ok": True, **found}))


if __name__ == "__main__":
    main()
