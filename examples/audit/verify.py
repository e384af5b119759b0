#!/usr/bin/env python3
"""Checks a record of bot-bottle with nothing of bot-bottle: Python's own library, and openssl for the signatures.

usage: verify.py PLACE [--key audit.pub] [--allow-open]

PLACE is a record's directory or one of its files. --key is the public key of the host that made it: without it the
record is only checked against the key that it names itself, and that is said. Exit codes: 0 sealed, and by the key that
was given; 1 tampered with; 2 usage; 4 open, or sealed by a key that nobody vouched for (0 with --allow-open).
"""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")


class Tampered(Exception):
    pass


def number(value):
    """Numbers as ECMAScript writes them, in the range that records use: counts, and times to the microsecond."""
    return str(int(value)) if value == int(value) else repr(value)


def text(value):
    """A string as RFC 8785 has it: only what must be escaped is."""
    return re.sub("[\ud800-\udfff]", lambda half: "\\u%04x" % ord(half.group()), json.dumps(value, ensure_ascii=False))


def canonical(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(text(key) + ":" + canonical(value[key]) for key in keys) + "}"


def signed(key, message, signature):
    with tempfile.TemporaryDirectory() as scratch:
        paths = [os.path.join(scratch, name) for name in ("key", "message", "signature")]
        for path, content in zip(paths, (key, message.encode(), signature)):
            with open(path, "wb") as file:
                file.write(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
        done = subprocess.run(command + ["-inkey", paths[0], "-in", paths[1], "-sigfile", paths[2]], capture_output=True)
        return done.returncode == 0


def lines(place):
    """Each line with whether it has its end; only the very last may lack it."""
    files = [place]
    if os.path.isdir(place):
        files = [os.path.join(place, name) for name in sorted(os.listdir(place)) if re.fullmatch(r"\d{4}\.jsonl", name)]
    for file in files:
        with open(file, "rb") as content:
            for line in content:
                yield file, line[:-1] if line.endswith(b"\n") else line, line.endswith(b"\n")


def unique(pairs):
    if len({key for key, _ in pairs}) < len(pairs):
        raise Tampered("a key is there twice")
    return dict(pairs)


def check(place):
    count, last, opened, sealed, head, torn = 0, "0" * 64, None, False, None, 0
    for file, line, ended in lines(place):
        if torn or sealed:
            raise Tampered("something follows the %s in %s" % ("seal" if sealed else "line without an end", file))
        if not ended:
            torn = len(line)
            continue
        try:
            record = json.loads(line.decode("utf-8"), object_pairs_hook=unique)
            unhashed = {key: record[key] for key in ("at", "body", "kind", "prev", "seq")}
            claimed, body, kind = record["hash"], record["body"], record["kind"]
        except (ValueError, KeyError, TypeError):
            raise Tampered("line %d is not a record" % (count + 1))
        if record["seq"] != count or record["prev"] != last:
            raise Tampered("record %d does not follow the one before it" % count)
        if hashlib.sha256(canonical(unhashed).encode()).hexdigest() != claimed:
            raise Tampered("the hash of record %d is not that of its content" % count)
        if canonical(dict(unhashed, hash=claimed)).encode() != line:
            raise Tampered("record %d is not written in its one form" % count)
        if (kind == "opened") != (count == 0):
            raise Tampered("record %d opens it, or the first does not" % count)
        if kind == "opened":
            opened = body
            if hashlib.sha256(opened["publicKey"].encode()).hexdigest() != opened["keyId"]:
                raise Tampered("the key is not the one that its id names")
            if not base64.b64decode(opened["publicKey"]).startswith(SPKI_ED25519):
                raise Tampered("the key is not an Ed25519 key")
        if kind in ("head", "sealed"):
            message = "bot-bottle audit %s %d %s" % (kind, count, last)
            if kind == "sealed" and body["records"] != count:
                raise Tampered("the seal counts other records than there are")
            if not signed(base64.b64decode(opened["publicKey"]), message, base64.b64decode(body["signature"])):
                raise Tampered("the signature in record %d does not hold" % count)
            head, sealed = count, kind == "sealed"
        count, last = count + 1, claimed
    if opened is None:
        raise Tampered("it has no record that opens it")
    return count, opened, sealed, head, torn


def main(arguments):
    allow_open, key = "--allow-open" in arguments, None
    arguments = [argument for argument in arguments if argument != "--allow-open"]
    if "--key" in arguments:
        at = arguments.index("--key")
        with open(arguments[at + 1], "r", encoding="ascii") as pem:
            key = "".join(line.strip() for line in pem if "-----" not in line)
        del arguments[at : at + 2]
    if len(arguments) != 1:
        sys.stderr.write(__doc__)
        return 2
    try:
        count, opened, sealed, head, torn = check(arguments[0])
        if key is not None and key != opened["publicKey"]:
            raise Tampered("it is signed with another key than the one that was given")
    except Tampered as fault:
        print("tampered: %s" % fault)
        return 1
    vouched = "" if key is not None else ", by a key that nobody vouched for (--key)"
    cut = ", a last line of %d bytes cut short" % torn if torn else ""
    signed_head = "none" if head is None else "at %d" % head
    print("%s: %s, %d records%s" % (opened["slug"], "sealed" if sealed else "open", count, vouched)
          + ("" if sealed else ", last signed head %s%s" % (signed_head, cut)))
    return 0 if allow_open or (sealed and key is not None) else 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
