"""JSON Schema's `pattern`, as llama.cpp's grammar converter can be trusted with it."""

from __future__ import annotations

import re

MOST_REPETITIONS = 1000  # it refuses more than 2,000
LONGEST_PATTERN = 200

ATOM = re.compile(
    r"""(?P<what> \\[dws] | \\[-.+*?()\[\]{}|^$/] | [A-Za-z0-9\ _\-,:;@\#%&/=!<>~'.]
        | \[\^? (?: [^\]\[\\"^\x00-\x1f] | \\[dws.\-+*/()] )+ \] )
        (?P<often> \{\d+(?:,\d*)?\} | [?*+] )? \??""",
    re.VERBOSE,
)
CLASSES = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": " ", r"\-": r"\-"}
SET_OPERATION = re.compile(r"--|&&|\|\||~~")  # a warning in Python, and in other languages no plain characters
UNESCAPED = r'"\\\x00-\x1F'  # what may not stand in a JSON string as it is
FORBIDDEN = ('"', "\\", "\n", "\t")


def grammar_pattern(pattern: str) -> str | None:
    """None where the grammar would not mean the same, or could cost too much.

    Only anchored patterns pass, made of characters and classes, each repeated or not: nested repetition makes grammars
    that are slow to follow. What a pattern allows goes into the JSON text as it is, so that none may allow a quotation
    mark, a backslash or a control character: the answer would be no JSON.
    """
    inside = re.fullmatch(r"\^(.*)\$", pattern)
    if inside is None or len(pattern) > LONGEST_PATTERN or SET_OPERATION.search(pattern):
        return None
    written, at = [], 0
    while at < len(inside[1]):
        atom = ATOM.match(inside[1], at)
        if atom is None or not _compiles(atom["what"]):
            return None
        what, often = _grammar_class(atom["what"]), atom["often"] or ""
        if not _few_enough(often) or any(re.fullmatch(what, character) for character in FORBIDDEN):
            return None
        written.append(what + often)
        at = atom.end()
    return "^" + "".join(written) + "$"


def _grammar_class(what: str) -> str:
    if what == ".":
        return f"[^{UNESCAPED}]"
    if what in CLASSES and what != r"\-":
        return f"[{CLASSES[what]}]"
    if not what.startswith("["):
        return "/" if what == r"\/" else what
    negated = what.startswith("[^")
    body = re.sub(r"^-|(?<!\\)-$", r"\\-", what[2:-1] if negated else what[1:-1])
    body = re.sub(r"\\[^\\]", lambda found: CLASSES.get(found[0], found[0][1:]), body)
    return f"[^{body}{UNESCAPED}]" if negated else f"[{body}]"


def _few_enough(often: str) -> bool:
    counts = [int(count) for count in re.findall(r"\d+", often)]
    return all(count <= MOST_REPETITIONS for count in counts) and counts == sorted(counts)


def _compiles(what: str) -> bool:
    """A class may hold a range that runs backwards."""
    try:
        re.compile(what)
    except re.error:
        return False
    return True
