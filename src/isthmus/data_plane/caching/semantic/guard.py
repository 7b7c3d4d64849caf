"""Whether two questions that are close as vectors ask the same, as far as their words can tell.

Small models place "enable" beside "disable" and 30 beside 60. So nothing but what `words.py` lists may differ between
the two: function words, ways to ask, plurals, a few synonyms. Numbers, units, names, negations, quotations, code and
every other word must be there on both sides, as they are written, in an order that says the same; of questions about
words, all of them. In doubt they differ: a wrong answer is
far worse than one that is asked for again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from isthmus.data_plane.caching.semantic.language import CLAUSE, OWNER, STRONG, TOWARDS, Language
from isthmus.data_plane.caching.semantic.words import ABOUT_WORDS, ENGLISH, FRENCH, LANGUAGES

_QUOTED = re.compile(r"\"[^\"]*\"|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|「[^「」]*」|`[^`]*`|(?<!\w)'[^']+'(?!\w)")
_MATTER = re.compile(r"\n|:\s")
"""Where a question ends and what it is about begins."""
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*\Z")
_AMOUNT = re.compile(r"([$€£¥]?)([0-9][0-9.,]*)([^\W\d_]{2,})?\Z")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+\Z")
_END = re.compile(r"(?<=\S)[.?…。\uff1f]+\Z")
_END_APART = re.compile(r"\s*[.?…]+\Z")
"""The same in French, which sets a space before it."""
_OPENING = "¿¡"
_CLOSING = ",;:?…。、\uff1f\uff01\uff0c"
_CLOSED = re.compile(r"([^\W\d_]{2,}(?:['-][^\W\d_]+)*)[,;:.?…]\Z")
"""A word with a mark of its sentence, which is no operator."""
_LETTER = re.compile(r"(?<![\w'])[^\W\d_](?![\w'])")
_BRACKETS = {")": "(", "]": "["}
_ELISION = re.compile(r"\b([cdjlmnst]|qu)'(?=\w)")
_HELPERS = "do|did|can|could|should|would|will|may|might|must|am|have|had|was|shall|need|want"
_I = re.compile(rf"\b((?:{_HELPERS}) )I\b|\bI(?= (?:{_HELPERS})\b|'(?:m|ve|d|ll)\b)")
"""Who asks, and no name of one letter."""
_SHORT = (
    (re.compile(r"\bcan't\b|\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|who|where|how|when|that|it|there)'s\b"), r"\1 is"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(i|you|we|they)'ve\b"), r"\1 have"),
)
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split()
_NUMBERS = {word: str(number) for number, word in enumerate(_COUNTED) if word != "one"}
_NEGATIONS = frozenset("not no never nicht kein keine nie ne pas jamais non nunca não niet geen нет не".split())
_MANNER = "how"
_HOLE = "\x00"
"""Stands in a text for what was quoted there."""
_QUOTED_LAST = re.compile(rf"{_HOLE} (?=[.?…\uff1f]+\Z)")
_MOVED_TERMS_MAX = 60
"""Of a longer question, no part may stand elsewhere: it is not looked for."""
_FEW_TERMS = 3
"""Of so few, an article makes another question: what is time, what is the time?"""


class Term(msgspec.Struct, frozen=True, gc=False):
    """A word that counts, and what it may be a form of. `after`: the kinds of the preposition before it; `article`:
    the one before it that tells its gender, by which it may be another noun (das Band, der Band)."""

    word: str
    forms: frozenset[str]
    after: str = ""
    definite: bool = False
    article: str = ""


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
    question = text if parting is None else text[: parting.start()]
    quoted = [found.group()[1:-1] for found in _QUOTED.finditer(question)]
    bare = _QUOTED_LAST.sub(_HOLE, " ".join(_QUOTED.sub(f" {_HOLE} ", question).split()))
    language = _language(bare)
    bare = _opened(bare, language)
    if language is None or ABOUT_WORDS.search(bare):
        return Reading(language, _as_they_stand(bare, quoted, language), frozenset(), matter)
    bare = (_END_APART if language is FRENCH else _END).sub("", bare)
    reckons = _reckons(bare, language)
    tokens = _tokens(_rephrased(bare, language), quoted, language, reckons=reckons)
    return _sorted(list(tokens), language, matter)


def _as_they_stand(text: str, quoted: Sequence[str], language: Language | None) -> list[Term]:
    """Of a question about words, or in a language that is not known, all of them: none is there for its sense alone."""
    asked = language is not None and text.split(" ", 1)[0] in language.asking
    for pattern, replacement in () if language is None else language.frames:
        text = pattern.sub(replacement, text)
    asks = language is None or text.split(" ", 1)[0] in language.openers
    if (
        asked or (asks and not ABOUT_WORDS.match(text)) or not text.endswith("?")
    ):  # translate to French that he came, or whether
        text = _END.sub("", text)
    holes = iter(quoted)
    words = [_quotation(next(holes)) + chunk[1:] if chunk[0] == _HOLE else chunk for chunk in text.split()]
    return [Term(word, frozenset({word})) for word in words]


def _quotation(text: str) -> str:
    """As no word reads: "love" is not love."""
    return f"{_HOLE}{text}"


def _opened(text: str, language: Language | None) -> str:
    """The capital that begins a sentence made small, and the English I: every other one counts (Polish, the House), and
    so does the first of a word that might be a name."""
    text = text.lstrip(_OPENING)
    if language is None:
        return text
    first, space, rest = text.partition(" ")
    small = first[:1].casefold() + first[1:]
    if len(first) > 1 and small.islower() and language.knows(re.split(r"[',]", small)[0]):
        text = f"{small}{space}{rest}"
    return _I.sub(r"\1i", text) if language is ENGLISH else text


def _reckons(text: str, language: Language) -> bool:
    """Whether it has numbers, or names of one letter, among which marks say what is reckoned."""
    if any(character.isdigit() for character in text) or not _NUMBERS.keys().isdisjoint(text.casefold().split()):
        return True
    return any(letter not in ("I", "i") and not language.knows(letter) for letter in _LETTER.findall(text))


def _straight(text: str) -> str:
    """One form of each letter (and no more: x² is not x2), one kind of apostrophe."""
    text = unicodedata.normalize("NFC", text).replace(_HOLE, " ")
    return text.replace("\u2019", "'").replace("\u2018", "'")


def _sorted(tokens: Sequence[tuple[str, bool]], language: Language, matter: str) -> Reading:
    terms: list[Term] = []
    kinds: set[str] = set()
    definite, preposition = False, ""
    article = ""
    for token, is_word in tokens:
        found = language.articles.get(token, "") if is_word else ""
        kind = language.persons.get(token) or language.auxiliaries.get(token) if is_word else None
        article = found or article
        if is_word and token in language.prepositions:
            if preposition:  # nothing stands between the two: it belongs to what is before it (sign in to)
                terms.append(Term(preposition, frozenset({preposition}), "", definite))
            preposition = token
        elif is_word and (found or kind is not None or token in language.dropped):
            definite = definite or token in language.definite
            kinds |= set() if kind is None else {kind}
        else:
            after = language.prepositions.get(preposition, "")
            asked = bool(terms) and terms[-1].word == _MANNER
            terms.append(_term(token, language, after, asked=asked, definite=definite, article=article))
            definite, preposition, article = False, "", ""
    if preposition or article:  # with nothing behind it, it says by itself what is asked: what is it for?
        terms.append(Term(preposition, frozenset({preposition}), "", definite, article))
    return Reading(language, terms, frozenset(kinds), matter)


def _term(token: str, language: Language, after: str, *, asked: bool, definite: bool, article: str) -> Term:
    """`asked`: how is asked of it, so that "the way of doing" may be meant. What has a capital has one form: it may be
    a name (HTTP, HTTPS)."""
    word = token.removesuffix("'s") if len(token) > 3 and not token.startswith(_HOLE) else token
    own = OWNER if word != token else CLAUSE if word in language.clauses else ""
    of_doing = language.forms_of_doing if asked else None
    found = (of_doing or language.forms)(word) if word.islower() else {word}
    forms = frozenset(language.same.get(form, form) for form in found)
    return Term(language.same.get(word, word), forms, after or own, definite, article)


def _language(text: str) -> Language | None:
    """The one that most of its words tell of; None: of none, or of several alike."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    counts = [sum(word in language.marks for word in words) for language in LANGUAGES]
    most = max(counts)
    if not most or (counts.count(most) > 1 and counts[0] < most):
        return None
    return LANGUAGES[counts.index(most)]


def _rephrased(text: str, language: Language) -> str:
    """Its ways to ask made one."""
    text = _shortened(text) if language is ENGLISH else text
    for pattern, replacement in language.phrases:
        text = " ".join(pattern.sub(replacement, text).split())
    return text if language is ENGLISH else _ELISION.sub(r"\1 ", text)


def _shortened(text: str) -> str:
    for pattern, replacement in _SHORT:
        text = pattern.sub(replacement, text)
    return text


def _tokens(text: str, quoted: Sequence[str], language: Language, *, reckons: bool) -> Iterator[tuple[str, bool]]:
    """Each with whether it is a word, of which another form may mean the same."""
    holes = iter(quoted)
    for chunk in text.split():
        bare = _CLOSED.sub(r"\1", chunk) if reckons else _bare(chunk)
        if bare.rstrip(_CLOSING) == _HOLE:
            yield _quotation(next(holes)), False
        elif _WORD.match(bare):
            yield _NUMBERS.get(bare, bare), True
        elif amount := _AMOUNT.match(bare):
            digits = amount[2].rstrip(".,")
            number = _number(digits) if language is ENGLISH else digits
            yield from ((part, False) for part in (amount[1], number, amount[2][len(digits) :], amount[3]) if part)
        else:
            yield bare or chunk, False


def _bare(chunk: str) -> str:
    """Without the marks of its sentence, and the brackets around it."""
    before = ""
    while chunk != before:
        before = chunk
        chunk = chunk.lstrip(_OPENING).rstrip(_CLOSING)
        if len(chunk) > 1 and chunk[-1] == "." and chunk[-2].isalpha():
            chunk = chunk[:-1]
        if chunk[-1:] in _BRACKETS and chunk.count(_BRACKETS[chunk[-1]]) < chunk.count(chunk[-1]):
            chunk = chunk[:-1]
        if chunk[:1] in _BRACKETS.values() and not any(end in chunk for end in _BRACKETS):
            chunk = chunk[1:]
        if chunk[:1] == "(" and chunk[-1:] == ")":
            chunk = chunk[1:-1]
    return chunk


def _number(digits: str) -> str:
    digits = digits.rstrip(".,")
    return digits.replace(",", "") if _THOUSANDS.match(digits) else digits


def _same_terms(one: Sequence[Term], other: Sequence[Term], asking: frozenset[str]) -> bool:
    """The same terms in the same order, or with one part of them moved whose place says nothing."""
    if not one or len(one) != len(other):
        return False
    if len(one) <= _FEW_TERMS and [term.definite for term in one] != [term.definite for term in other]:
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
    if one.article != other.article:
        return False
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
