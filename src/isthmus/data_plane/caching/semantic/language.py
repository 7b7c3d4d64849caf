"""What a language is to the guard, and which forms of a word stand for one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

Phrases = tuple[tuple[re.Pattern[str], str], ...]


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """`marks`: words by which it is told. `phrases` are replaced first, in order. `dropped` words ask for nothing;
    `persons` and `auxiliaries` neither, but they must be of the same kinds in both questions. `prepositions` are each a
    set of kinds: two that share none say different things. `same`: words that stand for one another. `forms`: what a
    word may be another form of, itself among it, and `forms_of_doing` right behind "how". `asking` words stay where
    they are when what follows changes places; what begins with one of the `clauses` may, as what hangs on a
    preposition. `definite` articles tell "the time" from "time". `articles`: what tells a noun's gender, and the
    article it stands for. `openers` begin a question, and are no names. `frames` may stand around a question about
    words."""

    marks: frozenset[str]
    phrases: Phrases
    persons: Mapping[str, str]
    prepositions: Mapping[str, str]
    forms: Callable[[str], frozenset[str]]
    openers: frozenset[str]
    dropped: frozenset[str] = frozenset()
    definite: frozenset[str] = frozenset()
    articles: Mapping[str, str] = {}
    frames: Phrases = ()
    asking: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    auxiliaries: Mapping[str, str] = {}
    same: Mapping[str, str] = {}
    forms_of_doing: Callable[[str], frozenset[str]] | None = None

    def knows(self, word: str) -> bool:
        """Whether it is one of those that make a sentence, and no name."""
        return (
            word in self.openers
            or word in self.dropped
            or word in self.articles
            or word in self.prepositions
            or word in self.persons
            or word in self.auxiliaries
        )


STRONG = frozenset("abcmnsyx")
"""Kinds of prepositions that are never left out."""

TOWARDS = "t"
"""The kind of those that say where to: what follows them is compared by itself, since infinitives have them too."""

OWNER = "fo"
"""What an 's stands for."""

CLAUSE = "k"
"""Of what begins with one of the words that begin a clause."""


def phrases(*pairs: tuple[str, str]) -> Phrases:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def kinds(**kinds: str) -> dict[str, str]:
    return {word: kind for kind, words in kinds.items() for word in words.split()}


def articles(own: str, **fused: str) -> dict[str, str]:
    """Each stands for itself, but those that a preposition has taken up."""
    return {word: word for word in own.split()} | kinds(**fused)


def same(*groups: str) -> dict[str, str]:
    """Each group's first word stands for all of it."""
    return {word: group.split()[0] for group in groups for word in group.split()}


_VOWELS = frozenset("aeiouyäöüáéíóú")
_NO_PLURALS = words(
    "news means goods arms aids customs glasses odds species series less greens spirits contents manners damages works "
    "looks forces waters spectacles premises savings quarters compasses remains regards pants shorts jeans brains "
    "terms pains blues sales darts bowls clothes drafts draughts minutes clubs spades colours colors dues tails "
    "stocks bonds wages grounds proceeds troops ashes does his this its yes always perhaps bus gas plus versus"
)


def english(word: str) -> frozenset[str]:
    """No past: that something is open says nothing of whether it was opened."""
    found = {word}
    if word in _NO_PLURALS or word.endswith("ics") or _VOWELS.isdisjoint(word):
        return frozenset(found)
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        found.add(word[:-1])
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        found.add(word[:-2])
    if len(word) > 4 and word.endswith("ies"):
        found.add(word[:-3] + "y")
    return frozenset(found)


def english_doing(word: str) -> frozenset[str]:
    """Behind "how", and nowhere else: what is painting, what is paint?"""
    found = set(english(word))
    rest = word.removesuffix("ing")
    if rest != word and len(rest) > 2:
        found |= {rest, rest + "e"}
        if rest[-1] == rest[-2]:
            found.add(rest[:-1])
    return frozenset(found)


def germanic(word: str) -> frozenset[str]:
    """Of an infinitive or a plural in -en, what it may be the form of."""
    rest = word.removesuffix("en")
    if rest == word or len(rest) < 4:
        return frozenset({word})
    return frozenset({word, rest, rest + "e", rest + "t", rest + "st"})


_INFINITIVES = ("are", "ere", "ire", "ar", "er", "ir", "re")
_FINITE = ("o", "a", "e", "i", "as", "es", "")


def romance(word: str) -> frozenset[str]:
    """Of a noun its plural alone (a brother is no sister); of an infinitive, what may be said of somebody."""
    found = {word}
    if len(word) > 3 and word.endswith("s"):
        found.add(word[:-1])
    for ending in _INFINITIVES:
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 3:
            found |= {rest + finite for finite in _FINITE}
    return frozenset(found)
