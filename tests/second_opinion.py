#!/usr/bin/env python3
"""Asks somebody else's program about evidence of a store: the package `tlog-scales` (C2SP checkpoints, cosignatures, proofs).

  python3 tests/second_opinion.py FILE --key K [--since FILE] [--witness K ...] [--leaf HASH]

FILE is a checkpoint, a proof that it continues another one, or a proof of a record, whose leaf `--leaf` names in hexadecimal
digits. The files are cut into lines here; signatures, keys and proofs are checked by the package alone. Exit code 1 if it
refuses one of them.
"""
import argparse
import sys

from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof
from tlog_scales.utils import b64dec


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--key", required=True)
    parser.add_argument("--since")
    parser.add_argument("--witness", action="append", default=[])
    parser.add_argument("--leaf")
    args = parser.parse_args()
    key = Vkey.from_string(args.key)
    head, begin, hashes = read(args.file)
    # Whose key may speak for the log the package leaves to whoever calls it.
    assert (key.sig_type, key.name) == (1, head.origin), "it is no key of this log"
    head.verify(key)
    # The key's id is the one that the package makes of name and key.
    assert Vkey(key.name, None, key.sig_type, key.pubkey).serialize() == args.key
    witnesses = [Vkey.from_string(witness) for witness in args.witness]
    assert len(VkeySet(*witnesses).verify(head.signatures, head)) == len(witnesses), "a witness did not sign"
    if args.since:
        kept, _, _ = read(args.since)
        kept.verify(key)
        assert begin == kept.size, "it begins at another head"
        ConsistencyProof(kept.size, head.size, hashes).check(kept.root_hash, head.root_hash)
    if args.leaf:
        InclusionProof(begin, head.size, hashes).check(bytes.fromhex(args.leaf), head.root_hash)


def read(name):
    """The checkpoint of a file, and the number and the hashes that stand above it."""
    with open(name, encoding="utf-8", newline="") as file:
        text = file.read()
    begin, hashes = None, []
    if text.startswith(("old ", "c2sp.org/tlog-proof@v1\n")):
        above, _, text = text.partition("\n\n")
        lines = above.split("\n")
        first = next(n for n, line in enumerate(lines) if line.startswith(("old ", "index ")))
        begin = int(lines[first].split(" ")[1])
        hashes = [b64dec(line) for line in lines[first + 1:]]
    return Checkpoint.from_text(text), begin, hashes


if __name__ == "__main__":
    try:
        main()
    except Exception as refused:  # Whatever the package raises.
        sys.exit(f"refused: {type(refused).__name__}: {refused}")
