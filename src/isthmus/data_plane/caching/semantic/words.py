"""What two questions may differ in and still ask the same, language by language. Only what stands here may differ: a
language that has no place here is never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

Phrases = tuple[tuple[re.Pattern[str], str], ...]


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """`marks`: words by which it is told. `phrases` are replaced first, in order. `dropped` words ask for nothing;
    `persons` and `auxiliaries` neither, but they must be of the same kinds in both questions. `prepositions` are each a
    set of kinds: two that share none say different things. `same`: words that stand for one another. `forms`: what a
    word may be another form of, itself among it. `definite` articles tell "the time" from "time". With one of the
    `verbatim` words in it, the words of a question are its matter, and none is dropped. `asking` words stay where they
    are when what follows changes places; what begins with one of the `clauses` may, as what hangs on a preposition."""

    marks: frozenset[str]
    phrases: Phrases
    dropped: frozenset[str]
    persons: Mapping[str, str]
    prepositions: Mapping[str, str]
    forms: Callable[[str], frozenset[str]]
    definite: frozenset[str]
    verbatim: frozenset[str]
    asking: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    auxiliaries: Mapping[str, str] = {}
    same: Mapping[str, str] = {}


STRONG = frozenset("abcmnsyx")
"""Kinds of prepositions that are never left out."""

TOWARDS = "t"
"""The kind of those that say where to: what follows them is compared by itself, since infinitives have them too."""

OWNER = "fo"
"""What an 's stands for."""

CLAUSE = "k"
"""Of what begins with one of the words that begin a clause."""


def _phrases(*pairs: tuple[str, str]) -> Phrases:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _kinds(**kinds: str) -> dict[str, str]:
    return {word: kind for kind, words in kinds.items() for word in words.split()}


def _same(*groups: str) -> dict[str, str]:
    """Each group's first word stands for all of it."""
    return {word: group.split()[0] for group in groups for word in group.split()}


_VOWELS = frozenset("aeiouyäöüáéíóú")
_NO_PLURALS = _words("news means goods arms aids customs glasses odds species series less")


def _english(word: str) -> frozenset[str]:
    found = {word}
    if word in _NO_PLURALS or _VOWELS.isdisjoint(word):
        return frozenset(found)
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        found.add(word[:-1])
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        found.add(word[:-2])
    if len(word) > 4 and word.endswith(("ies", "ied")):
        found.add(word[:-3] + "y")
    for ending in ("ed", "ing"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2:
            found |= {rest, rest + "e"}
            if rest[-1] == rest[-2]:
                found.add(rest[:-1])
    return frozenset(found)


def _germanic(word: str) -> frozenset[str]:
    """Of an infinitive or a plural in -en, what it may be the form of."""
    rest = word.removesuffix("en")
    if rest == word or len(rest) < 4:
        return frozenset({word})
    return frozenset({word, rest, rest + "e", rest + "t", rest + "st"})


_INFINITIVES = ("are", "ere", "ire", "ar", "er", "ir", "re")
_FINITE = ("o", "a", "e", "i", "as", "es", "")


def _romance(word: str) -> frozenset[str]:
    """Of a noun its plural alone (a brother is no sister); of an infinitive, what may be said of somebody."""
    found = {word}
    if len(word) > 3 and word.endswith("s"):
        found.add(word[:-1])
    for ending in _INFINITIVES:
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 3:
            found |= {rest + finite for finite in _FINITE}
    return frozenset(found)


_ASKED = r"(?=(?:what|how|why|when|where|who|which)\b)"
ENGLISH = Language(
    marks=_words("the what how is are do does of my which who why when where can write in a an and to"),
    phrases=_phrases(
        (r"\b(?:please|kindly)\b,?", ""),
        (r"^\W*(?:can|could|would|will) you (?=[a-z])", ""),
        (r"^\W*i(?: would|'d)? (?:want|like|need)(?: you)? to (?:know|understand|learn) " + _ASKED, ""),
        (r"\bi(?: would|'d)? (?:want|like) to\b", ""),
        (r"\b(?:explain|describe)(?: to me)? " + _ASKED, ""),
        (r"\b(?:tell|show|teach) me " + _ASKED, ""),
        (r"^\W*(?:tell me|give me|calculate|compute|determine|find) the\b", "what is the"),
        (r"^\W*(?:explain|define)(?: to me)?\b", "what is"),
        (r"\bhow (?:do|would|can|should) (?:you|i|one|we) (?:say|translate) (.+) in (?=\w+$)", r"translate \1 into "),
        (r"\bwhat is the (?:meaning|definition) of (.+?)(?=[?.!]|$)", r"what does \1 mean"),
        (r"\bwhat is the reason(?: why| that)?\b(?! of| for)", "why"),
        (r"\bwhat is the cause of\b", "what causes"),
        (
            r"\bwhat (?:is|are) (?:the|a)(?: (?:best|right|correct|proper|usual))? "
            r"(?:way|ways|method|steps|step|process|procedure)(?: (?:for|of))? (?:to\b|(?=\w+ing\b))",
            "how",
        ),
        (r"\bwhat (?:do|must|should|can) (?:i|we)(?: (?:have|need))?(?: to)? do (?:to|in order to)\b", "how"),
        (r"\bhow (?:do|can|could|should|would) (?:i|we|one|someone|people)(?: do (?:that|this|it)\b)?", "how"),
        (r"\bhow (?:to|do|does|did|can|could|should|would|is|are)\b", "how"),
        (r"^which (\w+) is the (most \w+|\w+est)\b", r"what is the \2 \1"),
        (r"\bhow much (?:is|are)(?= [\d$€£])", "what is"),
        (r"\b(?:is it possible|am i able)(?: for me)? to\b", "can i"),
        (r"\bwhere can i find\b", "where are"),
        (r"\bwhere (?:do|can|could|should|would) (?:i|we|one)\b", "where"),
        (r"\b(?:do you (?:have|offer)|are there)\b", "is there"),
        (r"\b(?:turn|switch)(?:ing|ed)? on\b", "enable"),
        (r"\b(?:turn|switch)(?:ing|ed)? off\b", "disable"),
        (r"\bget(?:ting)? rid of\b", "remove"),
        (r"\bget in touch with\b", "contact"),
        (r"\bat the same time\b", "simultaneously"),
        (r"\bnumber of\b", "how many"),
    ),
    asking=_words("how why when where"),
    clauses=_words("after before if when while without during until since"),
    dropped=_words("a an the just so then what which also there and"),
    persons=_kinds(first="i my mine", we="we our ours", second="you your yours"),
    auxiliaries=_kinds(be="is are be been being am", do="do does", have="has have"),
    prepositions={
        "of": "o",
        "for": "f",
        "in": "ow",
        "on": "p",
        "at": "l",
        "with": "w",
        "using": "w",
        "to": "t",
        "into": "t",
        "onto": "t",
        "about": "a",
        "between": "b",
        "as": "c",
        "from": "m",
        "than": "n",
        "by": "y",
    },
    same=_same(
        "delete erase",
        "enable activate",
        "disable deactivate",
        "picture photo photograph image",
        "buy purchase",
        "begin start",
        "fix repair",
        "gift present",
        "big large",
        "biggest largest",
        "whether if",
        "lower reduce decrease",
        "raise increase",
        "movie film",
        "docs documentation",
        "config configuration",
        "app application",
        "loop iterate",
        "maximum max",
        "minimum min",
        "was were",
        "whom who",
    ),
    forms=_english,
    definite=_words("the"),
    verbatim=_words("translate spell pronounce rewrite rephrase paraphrase summarize summarise correct proofread"),
)

GERMAN = Language(
    marks=_words("der die das wie was ist ich mein meine wo warum und ein eine den im man kann"),
    phrases=_phrases(
        (r"\bbitte\b", ""),
        (r"^\W*(?:kannst du|können sie|könntest du|könnten sie) (?:mir )?", ""),
        (r"\b(?:erklär(?:e|en)?|sag(?:e|en)?|zeig(?:e|en)?)(?: sie)?(?: mir)? ?,? ?(?=(?:was|wie|warum|wo|wer)\b)", ""),
        (r"\bwie (?:kann|können|muss|soll|könnte) (?:ich|man|wir) (.+) (\w+en)$", r"wie \2 \1"),
        (r"\bwie (\w{3,}?)(?:e|en|t) (?:ich|man|wir)\b", r"wie \1en"),
        (r"^wie (?:heißt|heißen)(?= (?:der|die|das)\b)", "was ist"),
        (r"\bwo (?:kann ich|können wir|kann man) (.+) finden\b", r"wo finde \1"),
        (r"\bwo (?:finde ich|finden wir|findet man)\b", "wo finde"),
        (r"\bwas (?:bedeutet|heißt)\b", "was bedeutet"),
    ),
    dropped=_words("der die das den dem des ein eine einen einem einer eines und was welche welcher welches"),
    persons=_kinds(
        first="ich mein meine meinen meinem meiner",
        we="wir unser unsere",
        second="du sie ihr dein deine deinen ihre ihren",
    ),
    auxiliaries=_kinds(be="ist sind", have="hat haben", called="heißt heißen"),
    prepositions={
        **_kinds(p="auf an am", l="bei", t="nach zu zum zur", m="von aus vom", y="durch", a="über", n="als"),
        **_kinds(ow="in im", f="für", w="mit", b="zwischen"),
    },
    forms=_germanic,
    definite=_words("der die das den dem des"),
    verbatim=_words("übersetze übersetzen übersetz buchstabiere korrigiere zusammenfassen fasse"),
)

FRENCH = Language(
    marks=_words("le la les est comment quelle quel je mon ma de du pourquoi où une des combien qui"),
    phrases=_phrases(
        (r"\bs'il (?:vous|te) pla[iî]t\b", ""),
        (r"^\W*(?:dites-moi|dis-moi|peux-tu|pouvez-vous)(?: m'expliquer| me dire)?\b", ""),
        (r"\best-ce (?:que|qu)\b", ""),
        (r"\bcomment +(?:je peux|puis-je|peut-on|dois-je|on peut|faire pour)\b", "comment"),
        (r"\bcomment +(?:fait-on|on fait|je fais)\b", "comment faire"),
        (r"\boù +(?:puis-je|peut-on|je peux) trouver\b", "où sont"),
        (r"\b(?:c'est quoi|quelle est|quel est)\b", "quel"),
    ),
    dropped=_words("le la les l un une et quel quelle quels quelles"),
    persons=_kinds(first="je j mon ma mes", we="nous notre nos", second="tu vous ton ta tes votre vos"),
    auxiliaries=_kinds(be="est sont", have="a ont ai"),
    prepositions=_kinds(
        mo="de du d des", p="sur", lt="à au aux", ow="en dans", f="pour", w="avec", b="entre", n="que", y="par"
    ),
    forms=_romance,
    definite=_words("le la les l"),
    verbatim=_words("traduis traduisez traduire résume résumez corrige corrigez"),
)

SPANISH = Language(
    marks=_words("el los es cómo cuál qué mi dónde por quién cuántos cuánto una del puedo la las"),
    phrases=_phrases(
        (r"\bpor favor\b", ""),
        (r"^\W*(?:dime|dígame|puedes|podrías|puede)(?: explicarme| decirme)?\b", ""),
        (r"\bcómo (?:puedo|se puede|podemos|hago para|debo)\b", "cómo"),
        (r"\bdónde (?:puedo encontrar|se encuentra|se encuentran|está|están)\b", "dónde"),
        (r"\b(?:cuál|cuáles) (?:es|son)\b", "cuál"),
    ),
    dropped=_words("el la los las un una y cuál cuáles qué"),
    persons=_kinds(first="yo mi mis", we="nuestro nuestra", second="tú tu tus usted su sus"),
    auxiliaries=_kinds(be="es son", have="tiene tienen"),
    prepositions=_kinds(mo="de del desde", p="sobre", t="a al", ow="en", f="para", w="con", b="entre", y="por"),
    forms=_romance,
    definite=_words("el la los las"),
    verbatim=_words("traduce traduzca traducir resume resuma corrige"),
)

ITALIAN = Language(
    marks=_words("il come qual è della quanto mio dove perché gli posso di faccio si"),
    phrases=_phrases(
        (r"\bper favore\b", ""),
        (r"^\W*(?:dimmi|puoi|potresti|può)(?: spiegarmi| dirmi)?\b", ""),
        (r"\bcome (?:posso|si può|faccio (?:a|ad)|devo|si(?! fa\b))\b", "come"),
        (r"\bcome (?:si fa|faccio)\b", "come fare"),
        (r"\bdove (?:posso trovare|si trova|si trovano|è|sono)\b", "dove"),
    ),
    dropped=_words("il lo la i gli le l un una e qual quale quali"),
    persons=_kinds(first="io mio mia miei mie", we="nostro nostra", second="tu tuo tua tuoi tue lei suo sua"),
    auxiliaries=_kinds(be="è sono", have="ha hanno"),
    prepositions={
        **_kinds(o="di del della dello dei delle degli d", m="da dal dalla", lt="a ad al alla ai", p="su sul"),
        **_kinds(ow="in nel nella", f="per", w="con", b="tra fra", n="che"),
    },
    forms=_romance,
    definite=_words("il lo la i gli le l"),
    verbatim=_words("traduci traduca tradurre riassumi correggi"),
)

PORTUGUESE = Language(
    marks=_words("o como qual é de minha meu onde posso em da do são uma você"),
    phrases=_phrases(
        (r"\bpor favor\b", ""),
        (r"^\W*(?:diga-me|me diga|pode|você pode)(?: me explicar| me dizer)?\b", ""),
        (r"\bcomo (?:posso|se pode|faço para|devo)\b", "como"),
        (r"\bonde (?:posso encontrar|fica|ficam|está|estão)\b", "onde"),
    ),
    dropped=_words("o a os as um uma e qual quais"),
    persons=_kinds(first="eu meu minha meus minhas", we="nosso nossa", second="você tu teu tua seu sua"),
    auxiliaries=_kinds(be="é são", have="tem têm"),
    prepositions={
        **_kinds(mo="de do da dos das", t="ao à", ow="em no na nos nas", f="para", w="com", b="entre", y="por"),
        **_kinds(p="sobre", n="que"),
    },
    forms=_romance,
    definite=_words("o a os as"),
    verbatim=_words("traduza traduz traduzir resuma corrija"),
)

DUTCH = Language(
    marks=_words("de het een hoe wat is mijn ik waar van kan"),
    phrases=_phrases(
        (r"\balstublieft\b", ""),
        (r"^\W*(?:kun je|kunt u|kan je) (?:mij |me )?(?:vertellen|uitleggen)\b", ""),
        (r"\bhoe (?:kan|moet|kunnen) (?:ik|men|we) (.+) (\w+en)$", r"hoe \2 \1"),
        (r"\bhoe (\w+) (?:ik|men|we)\b", r"hoe \1"),
        (r"\bhoe heet\b", "wat is"),
    ),
    dropped=_words("de het een en wat welke"),
    persons=_kinds(first="ik mijn", we="we wij ons onze", second="je jij jouw u uw"),
    auxiliaries=_kinds(be="is zijn", have="heeft hebben"),
    prepositions=_kinds(
        mo="van uit",
        t="naar",
        p="op aan",
        l="bij",
        ow="in",
        f="voor",
        w="met",
        b="tussen",
        n="dan",
        y="door",
        a="over",
    ),
    forms=_germanic,
    definite=_words("de het"),
    verbatim=_words("vertaal vertalen corrigeer"),
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, ITALIAN, PORTUGUESE, DUTCH)
