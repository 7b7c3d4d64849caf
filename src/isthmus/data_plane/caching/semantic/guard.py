"""Whether two questions that are close as vectors ask the same, as far as their words can tell.

Small models place "enable" beside "disable" and 30 beside 60. So nothing but what `words.py` lists may differ between
the two: function words, ways to ask, inflection, a few synonyms. Numbers, units, names, negations, quotations, code and
every other word must be there on both sides, in an order that says the same. In doubt they differ: a wrong answer is
far worse than one that is asked for again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from isthmus.data_plane.caching.semantic.words import CLAUSE, ENGLISH, LANGUAGES, OWNER, STRONG, TOWARDS, Language

_QUOTED = re.compile(r"\"[^\"]*\"|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|「[^「」]*」|`[^`]*`|(?<!\w)'[^']+'(?!\w)")
_MATTER = re.compile(r"\n|:\s")
"""Where a question ends and what it is about begins."""
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*\Z")
_AMOUNT = re.compile(r"([$€£¥]?)([0-9][0-9.,]*)(%|°?[^\W\d_]*)\Z")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+\Z")
_UNIT = re.compile(r"[0-9.,]*[kKMGTPmµn]i?(?:[bBWVAgmHhs]|Hz|[bB]it/?s|[bB]ps)\Z")
"""Their case says how much."""
_CODE = re.compile(r"[`{}<>=;\\]|\w\(|\)\.|[a-z][A-Z]|\w_\w|_\w|\w::\w|\w\.\w+\(")
_END = ".?…。\uff1f \t"
_OPENING = "¿¡"
_CLOSING = ",;:?…。、\uff1f\uff01\uff0c"
_BRACKETS = {")": "(", "]": "["}
_ELISION = re.compile(r"\b([cdjlmnst]|qu)'(?=\w)")
_SHORT = (
    (re.compile(r"\bcan't\b|\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|who|where|how|when|that|it|there)'s\b"), r"\1 is"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(i|you|we|they)'ve\b"), r"\1 have"),
)
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split()
_NUMBERS = {word: str(number) for number, word in enumerate(_COUNTED)}
_NEGATIONS = frozenset("not no never nicht kein keine nie ne pas jamais non nunca não niet geen нет не".split())
_LOWER = frozenset({"it", "us", "who"})
_HOLE = "\x00"
"""Stands in a text for what was quoted there."""
_MOVED_TERMS_MAX = 60
"""Of a longer question, no part may stand elsewhere: it is not looked for."""
_FEW_TERMS = 2
"""Of so few, an article makes another question: what is time, what is the time?"""


class Term(msgspec.Struct, frozen=True, gc=False):
    """A word that counts, and what it may be a form of. `after`: the kinds of the preposition before it."""

    word: str
    forms: frozenset[str]
    after: str
    definite: bool


class Reading(msgspec.Struct, frozen=True):
    """One question. `kinds`: of persons and auxiliaries. `matter`: what must be the same to the letter."""

    language: Language | None
    terms: Sequence[Term]
    kinds: frozenset[str]
    matter: str


def agree(one: str, other: str) -> bool:
    """Whether the answer to the one answers the other."""
    return ask_same(read(one), read(other))


def ask_same(mine: Reading, others: Reading) -> bool:
    """The same of two that have been read."""
    if mine.language is not others.language or mine.matter != others.matter or mine.kinds != others.kinds:
        return False
    asking = frozenset[str]() if mine.language is None else mine.language.asking
    return _same_terms(mine.terms, others.terms, asking) and _same_goals(mine.terms, others.terms)


def figures_agree(one: str, other: str) -> bool:
    """The same of two answers, of which less can be asked: their numbers and their negations."""
    return _figures(one) == _figures(other)


def _figures(text: str) -> tuple[frozenset[str], bool]:
    text = _straight(text).casefold()
    numbers = frozenset(_number(found) for found in re.findall(r"[0-9][0-9.,]*", text))
    return numbers, not _NEGATIONS.isdisjoint(re.findall(r"[^\W\d_]+", _shortened(text)))


def read(text: str) -> Reading:
    text = _straight(text).strip()
    parting = _MATTER.search(text)
    matter = "" if parting is None else text[parting.end() :]
    question = (text if parting is None else text[: parting.start()]).rstrip(_END)
    quoted = [found.group()[1:-1] for found in _QUOTED.finditer(question)]
    bare = _QUOTED.sub(f" {_HOLE} ", question)
    language = _language(bare)
    tokens = _tokens(_rephrased(bare, language), quoted)
    if language is None:
        terms = [Term(token, frozenset({token}), "", False) for token, _ in tokens]
        return Reading(None, terms, frozenset(), matter)
    return _sorted(list(tokens), language, _names(bare), matter)


def _names(text: str) -> frozenset[str]:
    """Words that are written large where a sentence goes on: no other form of them means the same (HTTP, HTTPS)."""
    chunks = [] if text.isupper() else text.split()[1:]
    return frozenset(_bare(chunk).casefold().removesuffix("'s") for chunk in chunks if chunk[0].isupper())


def _straight(text: str) -> str:
    """One form of each letter (and no more: x² is not x2), one kind of apostrophe."""
    text = unicodedata.normalize("NFC", text).replace(_HOLE, " ")
    return text.replace("\u2019", "'").replace("\u2018", "'")


def _sorted(tokens: Sequence[tuple[str, bool]], language: Language, names: frozenset[str], matter: str) -> Reading:
    verbatim = any(token in language.verbatim for token, _ in tokens)
    terms: list[Term] = []
    kinds: set[str] = set()
    after, definite = "", False
    for token, is_word in tokens:
        if is_word and token in language.prepositions:
            after = language.prepositions[token]
            continue
        if is_word and not verbatim and token in language.dropped:
            definite = definite or token in language.definite
            continue
        kind = language.persons.get(token) or language.auxiliaries.get(token)
        if is_word and not verbatim and kind is not None:
            kinds.add(kind)
            continue
        word = token.removesuffix("'s") if is_word else token
        own = OWNER if word != token else CLAUSE if word in language.clauses else ""
        forms = language.forms(word) if is_word and word not in names else frozenset({word})
        forms = frozenset(language.same.get(form, form) for form in forms)
        terms.append(Term(language.same.get(word, word), forms, after or own, definite))
        after, definite = "", False
    return Reading(language, terms, frozenset(kinds), matter)


def _language(text: str) -> Language | None:
    """The one that most of its words tell of; None: of none, or of several alike."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    counts = [sum(word in language.marks or word in language.verbatim for word in words) for language in LANGUAGES]
    most = max(counts)
    if not most or (counts.count(most) > 1 and counts[0] < most):
        return None
    return LANGUAGES[counts.index(most)]


def _rephrased(text: str, language: Language | None) -> str:
    """What is no code in small letters, and its ways to ask made one."""
    chunks = text.split()
    shouted = text.isupper()
    text = " ".join(_small(chunk, shouted or place == 0, language) for place, chunk in enumerate(chunks))
    if language is None:
        return text
    text = _shortened(text) if language is ENGLISH else text
    for pattern, replacement in language.phrases:
        text = " ".join(pattern.sub(replacement, text).split())
    return text if language is ENGLISH else _ELISION.sub(r"\1 ", text)


def _small(chunk: str, may_be_large: bool, language: Language | None) -> str:
    """`may_be_large`: its capitals say nothing where it stands."""
    bare = chunk.strip(_OPENING + _CLOSING + ".")
    if _CODE.search(chunk) or _UNIT.match(bare):
        return chunk
    if language is not None and bare.isupper() and not may_be_large and bare != "I":
        word = bare.casefold()
        if word in _LOWER or word in language.dropped or word in language.prepositions or word in language.auxiliaries:
            return chunk  # IT is not it, and vitamin A no vitamin
    return chunk.casefold()


def _shortened(text: str) -> str:
    for pattern, replacement in _SHORT:
        text = pattern.sub(replacement, text)
    return text


def _tokens(text: str, quoted: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each with whether it is a word, of which another form may mean the same."""
    holes = iter(quoted)
    for chunk in text.split():
        bare = _bare(chunk)
        if bare == _HOLE:
            yield next(holes), False
        elif _WORD.match(bare):
            if _is_apart(bare):
                yield from ((character, False) for character in bare)
            else:
                yield from ((_NUMBERS.get(part, part), True) for part in bare.split("-"))
        elif amount := _AMOUNT.match(bare):
            yield from ((part, False) for part in (amount[1], _number(amount[2]), amount[3]) if part)
        elif bare:
            yield bare, False


def _bare(chunk: str) -> str:
    """Without the marks of its sentence, and the brackets around it."""
    before = ""
    while chunk != before:
        before = chunk
        chunk = chunk.lstrip(_OPENING).rstrip(_CLOSING)
        if len(chunk) > 1 and chunk[-1] in ".!" and chunk[-2].isalpha():
            chunk = chunk[:-1]
        if chunk[-1:] in _BRACKETS and chunk.count(_BRACKETS[chunk[-1]]) < chunk.count(chunk[-1]):
            chunk = chunk[:-1]
        if chunk[:1] in _BRACKETS.values() and not any(end in chunk for end in _BRACKETS):
            chunk = chunk[1:]
        if chunk[:1] == "(" and chunk[-1:] == ")":
            chunk = chunk[1:-1]
    return chunk


def _is_apart(word: str) -> bool:
    """Written without spaces between the words."""
    return any("\u0e00" <= character <= "\u0eff" or "\u3040" <= character <= "\u9fff" for character in word)


def _number(digits: str) -> str:
    digits = digits.rstrip(".,")
    return digits.replace(",", "") if _THOUSANDS.match(digits) else digits


def _same_terms(one: Sequence[Term], other: Sequence[Term], asking: frozenset[str]) -> bool:
    """The same terms in the same order, or with one part of them moved whose place says nothing."""
    if not one or len(one) != len(other):
        return False
    if len(one) <= _FEW_TERMS and one[0].definite != other[0].definite:
        return False
    if len(one) > _FEW_TERMS and one[0].word == other[0].word and one[0].word in asking:
        return _same_order(one[1:], other[1:])
    return _same_order(one, other)


def _same_order(one: Sequence[Term], other: Sequence[Term]) -> bool:
    for shift in range(len(one) if len(one) <= _MOVED_TERMS_MAX else 1):
        turned = (*other[shift:], *other[:shift])
        if all(_alike(*pair, moved=shift > 0) for pair in zip(one, turned, strict=True)):
            return shift == 0 or _may_move(one, turned, shift)
    return False


def _may_move(one: Sequence[Term], turned: Sequence[Term], shift: int) -> bool:
    """Of the two parts that have changed places, one hangs on a preposition either way."""
    parting = len(one) - shift
    return any(bool(one[start].after and turned[start].after) for start in (0, parting))


def _alike(one: Term, other: Term, *, moved: bool) -> bool:
    if one.word != other.word and one.definite and other.definite:
        return False  # the tower is not the towers
    if one.word not in other.forms and other.word not in one.forms:
        return False
    if one.after and other.after:
        return not set(one.after).isdisjoint(other.after)
    left_out = one.after or other.after
    return not left_out if not moved else STRONG.isdisjoint(left_out)


def _same_goals(one: Sequence[Term], other: Sequence[Term]) -> bool:
    """From where to where: the words alone are the same either way."""
    mine, others = ([term for term in terms if TOWARDS in term.after] for terms in (one, other))
    if not mine or not others:
        return True
    return len(mine) == len(others) and all(_alike(*pair, moved=False) for pair in zip(mine, others, strict=True))
