"""What two questions may differ in and still ask the same, language by language. Only what stands here may differ: a
language that has no place here is never guessed at.
"""

from __future__ import annotations

import re

from isthmus.data_plane.caching.semantic.language import (
    Language,
    articles,
    english,
    english_doing,
    germanic,
    kinds,
    phrases,
    romance,
    same,
    words,
)

ABOUT_WORDS = re.compile(
    r"\b(?:"
    r"translat|spell|pronounc|pronunc|rewrit|rewrote|rephras|paraphras|summar|correct|proofread|sa(?:y|ys|id|ying)\b"
    r"|letters?\b|vowel|consonant|syllab|verb|noun|plural|singular|tenses?\b|gramm|words?\b|mean(?:s|t|ing|ings)?\b"
    r"|defin|synonym|antonym|opposite|rhym|adjective|adverb|pronoun|preposition|conjunction|article|punctuat|apostroph"
    r"|hyphen|commas?\b|capitali|uppercase|lowercase|abbrev|acronym|anagram|palindrom|conjugat|inflect|participle"
    r"|gerund|infinitiv|suffix|prefix|etymolog|homonym|homophon|phras|sentence|idiom|slang|character|alphabet"
    r"|stands? for\b|express|text|typo"
    r"|übersetz|buchstab|sag(?:e|t|st|en)\b|sprich|sprech|spricht|ausspr|wort|wörter|bedeut|heiß|reim(?:t|en?)?\b|mehrzahl"
    r"|einzahl|zeitform|silbe|satz|sätze|fass|zusammenfass|korrigier|schreib|laut|definier"
    r"|tradu[ic]|épel|épèl|prononc|di(?:re|t|tes|s)\b|mots?\b(?! de passe)|lettre|signifi|verbe|plurie|singul|rim[eai]"
    r"|résum|corrig|orthogr|conjug|défin|expression|écri[rvt]"
    r"|deletre|pronunci|deci[rm]|dice|dig[ao]\b(?!-me)|palabra|letra|significa|sinónim|sustantiv|escrib|defin"
    r"|compit|riassum|corregg|parol[ae]\b|lettere|scriv|sinonim|sostantiv|dir[ei]\b|si dice|vuol dire|parafras"
    r"|soletr|pronúnc|dizer|diz\b|diz-se|palavra|substantiv|escrev|resum|corrij"
    r"|vertaal|vertal|spel|uitspr|zeg(?:t|gen)?\b|woord|beteken|rijm|meervoud|enkelvoud|zin(?:nen)?\b|schrijf|schrijv"
    r"|englis[hc]h?|inglés|ingles|inglês|anglais|engels|german|deutsch|allemand|alem[áã]|tedesco|duits"
    r"|french|französisch|français|franc[eê]s|francés|frans|spanish|spanisch|espagnol|español|espanhol|spagnol|spaans"
    r"|italian|italien|italiaans|portugu|portoghe|dutch|niederländ|néerland|neerland|oland|holand|holland|nederlands"
    r"|latin|greek|griechisch|russian|russisch|chinese|chinesisch|mandarin|japanese|japanisch|korean|koreanisch|arabic"
    r"|arabisch|hindi|hebrew|turkish|türkisch|polish|polnisch|swedish|danish|norwegian|finnish|czech|ukrain|hungarian"
    r")",
    re.IGNORECASE,
)
"""What asks about words, in any of the languages: there no word may differ, since none is there for its sense alone."""


_ASKED = r"(?=(?:what|how|why|when|where|who|which)\b)"
ENGLISH = Language(
    marks=words(
        "the what how is are do does of my which who why when where can write in a an and to translate "
        "spell pronounce rewrite rephrase paraphrase summarize summarise correct proofread"
    ),
    phrases=phrases(
        (r"^please,? |, please$", ""),
        (r"^(?:can|could|would|will) you (?:please |kindly )?(?=[a-z])", ""),
        (r"^\W*i(?: would|'d)? (?:want|like|need)(?: you)? to (?:know|understand|learn) " + _ASKED, ""),
        (r"^\W*i(?: would|'d)? (?:want|like) to\b", ""),
        (r"\b(?:explain|describe)(?: to me)? " + _ASKED, ""),
        (r"\b(?:tell|show|teach) me " + _ASKED, ""),
        (r"^\W*(?:tell me|give me|calculate|compute|determine|find) the\b", "what is the"),
        (r"^\W*(?:explain|define)(?: to me)?\b", "what is"),
        (r"\bwhat is the reason(?: why| that)?\b(?! of| for)", "why"),
        (r"\bwhat is the cause of\b", "what causes"),
        (
            r"\bwhat (?:is|are) (?:the|a)(?: (?:best|right|correct|proper|usual))? "
            r"(?:way|ways|method|steps|step|process|procedure)(?: (?:for|of))? (?:to\b|(?=\w+ing\b))",
            "how",
        ),
        (r"\bwhat (?:do|must|should|can) (?:i|we)(?: (?:have|need))?(?: to)? do (?:to|in order to)\b", "how"),
        (r"\bhow (?:do|can|could|should|would) (?:i|we|one|someone|people)(?: do (?:that|this|it)\b)?", "how"),
        (r"\bhow (?:to|do|does|can|is|are)\b", "how"),
        (r"^which (\w+) is the (most \w+|\w+est)\b", r"what is the \2 \1"),
        (r"\bhow much (?:is|are)(?= [\d$€£])", "what is"),
        (r"\b(?:is it possible|am i able)(?: for me)? to\b", "can i"),
        (r"\bwhere can i find\b", "where are"),
        (r"\bwhere (?:do|can|could|should|would) (?:i|we|one)\b", "where"),
        (r"^(how many \w+) are there$", r"\1"),
        (r"\b(?:do you (?:have|offer)|are there)\b", "is there"),
        (r"\b(?:turn|switch) on\b", "enable"),
        (r"\b(?:turn|switch) off\b", "disable"),
        (r"\bget rid of\b", "remove"),
        (r"\bget in touch with\b", "contact"),
        (r"\bat the same time\b", "simultaneously"),
        (r"^what is the number of\b", "how many"),
    ),
    frames=phrases(
        (r"^(?:please,? )?(?:(?:can|could|would|will) you (?:please )?)?(?=(?:translate|spell|summari[sz]e) )", ""),
        (r"^how (?:do|would|can|should) (?:i|one|we|you) say (?=.* in \w+\W*$)", "how do you say "),
        (r"^how do you say \x00 in (?=\w+\W*$)", "translate \x00 into "),
        (r"^(translate (?:\x00|this \w+|the following \w+)) to (?=\w+\W*$)", r"\1 into "),
        (r"^what is the (?:meaning|definition) of (.+?)(?=\W*$)", r"what does \1 mean"),
        (r"^tell me (?=the )", "what is "),
    ),
    asking=words("how why when where what which"),
    clauses=words("after before if when while without during until since"),
    dropped=words("a an the"),
    persons=kinds(first="i my mine", we="we our ours", second="you your yours"),
    auxiliaries=kinds(be="is are be been being am", do="do does", have="has have"),
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
    same=same(
        "delete erase",
        "enable activate",
        "disable deactivate",
        "picture photo photograph image",
        "buy purchase",
        "begin start",
        "fix repair",
        "big large",
        "biggest largest",
        "whether if",
        "reduce decrease",
        "movie film",
        "docs documentation",
        "config configuration",
        "loop iterate",
        "maximum max",
        "minimum min",
        "was were",
        "what which",
        "whom who",
    ),
    forms=english,
    forms_of_doing=english_doing,
    definite=words("the"),
    openers=words(
        "how what which who why when where is are was were do does did can could should would will may must "
        "has have please tell show teach explain describe define give calculate compute determine find "
        "translate spell pronounce rewrite rephrase paraphrase summarize summarise correct proofread write "
        "create make list compare sort count in on at after before if for with while my your our the i it "
        "there convert solve"
    ),
)

GERMAN = Language(
    marks=words(
        "der die das wie was ist ich mein meine wo warum und ein eine den im man kann übersetze übersetzen "
        "übersetz buchstabiere korrigiere zusammenfassen fasse"
    ),
    phrases=phrases(
        (r"\bbitte\b", ""),
        (r"^\W*(?:kannst du|können Sie|könntest du|könnten Sie) (?:mir )?", ""),
        (r"\b(?:erklär(?:e|en)?|sag(?:e|en)?|zeig(?:e|en)?)(?: Sie)?(?: mir)? ?,? ?(?=(?:was|wie|warum|wo|wer)\b)", ""),
        (r"\bwie (?:kann|können|muss|soll|könnte) (?:ich|man|wir) (.+) (\w+en)$", r"wie \2 \1"),
        (r"\bwie (\w{3,}?)(?:e|en|t) (?:ich|man|wir)\b", r"wie \1en"),
        (r"^wie (?:heißt|heißen)(?= (?:der|die|das)\b)", "was ist"),
        (r"\bwo (?:kann ich|können wir|kann man) (.+) finden\b", r"wo finde \1"),
        (r"\bwo (?:finde ich|finden wir|findet man)\b", "wo finde"),
        (r"\bwas (?:bedeutet|heißt)\b", "was bedeutet"),
    ),
    articles=articles(
        "der die das den dem des ein eine einen einem einer eines welche welcher welches welchen welchem "
        "mein meine meinen meinem meiner meines dein deine deinen deinem deiner Ihr Ihre Ihren Ihrem Ihrer "
        "unser unsere unseren unserem unserer",
        dem="zum am im vom beim",
        der="zur",
        das="ins ans",
    ),
    persons=kinds(
        first="ich mein meine meinen meinem meiner meines",
        we="wir unser unsere unseren unserem unserer",
        second="du Sie Ihr Ihre Ihren Ihrem Ihrer dein deine deinen deinem deiner",
    ),
    auxiliaries=kinds(be="ist sind", have="hat haben", called="heißt heißen"),
    prepositions={
        **kinds(p="auf an am ans", l="bei beim", t="nach zu zum zur", m="von aus vom", y="durch", a="über", n="als"),
        **kinds(ow="in im ins", f="für", w="mit", b="zwischen"),
    },
    forms=germanic,
    openers=words(
        "was wie wo wann warum wer wen wem kann kannst können könntest könnten bitte erkläre sag sage zeig "
        "zeige ist sind hat gibt darf muss soll"
    ),
)

FRENCH = Language(
    marks=words(
        "le la les est comment quelle quel je mon ma de du pourquoi où une des combien qui traduis "
        "traduisez traduire résume résumez corrige corrigez"
    ),
    phrases=phrases(
        (r"\bs'il (?:vous|te) pla[iî]t\b", ""),
        (r"^\W*(?:dites-moi|dis-moi|peux-tu|pouvez-vous)(?: m'expliquer| me dire)?\b", ""),
        (r"\best-ce (?:que|qu)\b", ""),
        (r"\bcomment +(?:je peux|puis-je|peut-on|dois-je|on peut|faire pour)\b", "comment"),
        (r"\bcomment +(?:fait-on|on fait|je fais)\b", "comment faire"),
        (r"\boù +(?:puis-je|peut-on|je peux) trouver\b", "où sont"),
        (r"\b(?:c'est quoi|quelle est|quel est)\b", "quel"),
    ),
    articles=articles(
        "le la les l un une quel quelle quels quelles mon ma mes ton ta tes notre nos votre vos",
        le="du au",
        les="des aux",
    ),
    persons=kinds(first="je j mon ma mes", we="nous notre nos", second="tu vous ton ta tes votre vos"),
    auxiliaries=kinds(be="est sont", have="a ont ai"),
    prepositions=kinds(
        mo="de du d des", p="sur", lt="à au aux", ow="en dans", f="pour", w="avec", b="entre", n="que", y="par"
    ),
    forms=romance,
    openers=words(
        "comment pourquoi où quand qui combien que quoi est-ce puis-je peut-on dites-moi dis-moi peux-tu "
        "pouvez-vous c'est c dois-je s"
    ),
)

SPANISH = Language(
    marks=words(
        "el los es cómo cuál qué mi dónde por quién cuántos cuánto una del puedo la las traduce traduzca "
        "traducir resume resuma corrige"
    ),
    phrases=phrases(
        (r"\bpor favor\b", ""),
        (r"^\W*(?:dime|dígame|puedes|podrías|puede)(?: explicarme| decirme)?\b", ""),
        (r"\bcómo (?:puedo|se puede|podemos|hago para|debo)\b", "cómo"),
        (r"\bdónde (?:puedo encontrar|se encuentra|se encuentran|está|están)\b", "dónde"),
        (r"\b(?:cuál|cuáles) (?:es|son)\b", "cuál"),
    ),
    articles=articles(
        "el la los las un una nuestro nuestra",
        el="del al",
    ),
    persons=kinds(first="yo mi mis", we="nuestro nuestra", second="tú tu tus usted su sus"),
    auxiliaries=kinds(be="es son", have="tiene tienen"),
    prepositions=kinds(mo="de del desde", p="sobre", t="a al", ow="en", f="para", w="con", b="entre", y="por"),
    forms=romance,
    openers=words(
        "cómo dónde cuándo cuánto cuánta cuántos cuántas quién por qué cuál puedo puede puedes podrías dime dígame hay"
    ),
)

ITALIAN = Language(
    marks=words(
        "il come qual è della quanto mio dove perché gli posso di faccio si traduci traduca tradurre riassumi correggi"
    ),
    phrases=phrases(
        (r"\bper favore\b", ""),
        (r"^\W*(?:dimmi|puoi|potresti|può)(?: spiegarmi| dirmi)?\b", ""),
        (r"\bcome (?:posso|si può|faccio (?:a|ad)|devo|si(?! fa\b))\b", "come"),
        (r"\bcome (?:si fa|faccio)\b", "come fare"),
        (r"\bdove (?:posso trovare|si trova|si trovano|è|sono)\b", "dove"),
    ),
    articles=articles(
        "il lo la i gli le l un una mio mia miei mie nostro nostra tuo tua tuoi tue suo sua",
        il="del dal al sul nel",
        lo="dello",
        la="della dalla alla nella",
        i="dei ai",
        gli="degli",
        le="delle",
    ),
    persons=kinds(first="io mio mia miei mie", we="nostro nostra", second="tu tuo tua tuoi tue lei suo sua"),
    auxiliaries=kinds(be="è sono", have="ha hanno"),
    prepositions={
        **kinds(o="di del della dello dei delle degli d", m="da dal dalla", lt="a ad al alla ai", p="su sul"),
        **kinds(ow="in nel nella", f="per", w="con", b="tra fra", n="che"),
    },
    forms=romance,
    openers=words(
        "come dove quando quanto quanta quanti quante chi perché qual quale quali posso puoi potresti può dimmi cosa"
    ),
)

PORTUGUESE = Language(
    marks=words("o como qual é de minha meu onde posso em da do são uma você traduza traduz traduzir resuma corrija"),
    phrases=phrases(
        (r"\bpor favor\b", ""),
        (r"^\W*(?:diga-me|me diga|pode|você pode)(?: me explicar| me dizer)?\b", ""),
        (r"\bcomo (?:posso|se pode|faço para|devo)\b", "como"),
        (r"\bonde (?:posso encontrar|fica|ficam|está|estão)\b", "onde"),
    ),
    articles=articles(
        "o a os as um uma meu minha meus minhas nosso nossa teu tua seu sua",
        o="do ao no",
        a="da à na",
        os="dos nos",
        **{"as": "das nas"},
    ),
    persons=kinds(first="eu meu minha meus minhas", we="nosso nossa", second="você tu teu tua seu sua"),
    auxiliaries=kinds(be="é são", have="tem têm"),
    prepositions={
        **kinds(mo="de do da dos das", t="ao à", ow="em no na nos nas", f="para", w="com", b="entre", y="por"),
        **kinds(p="sobre", n="que"),
    },
    forms=romance,
    openers=words("como onde quando quanto quanta quantos quantas quem por qual quais posso pode diga-me você"),
)

DUTCH = Language(
    marks=words("de het een hoe wat is mijn ik waar van kan vertaal vertalen corrigeer"),
    phrases=phrases(
        (r"\balstublieft\b", ""),
        (r"^\W*(?:kun je|kunt u|kan je) (?:mij |me )?(?:vertellen|uitleggen)\b", ""),
        (r"\bhoe (?:kan|moet|kunnen) (?:ik|men|we) (.+) (\w+en)$", r"hoe \2 \1"),
        (r"\bhoe (\w+) (?:ik|men|we)\b", r"hoe \1"),
        (r"\bhoe heet\b", "wat is"),
    ),
    articles=articles(
        "de het een welk welke ons onze",
    ),
    persons=kinds(first="ik mijn", we="we wij ons onze", second="je jij jouw u uw"),
    auxiliaries=kinds(be="is zijn", have="heeft hebben"),
    prepositions=kinds(
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
    forms=germanic,
    openers=words("hoe wat waar wanneer waarom wie kan kun kunt is zijn heeft mag moet"),
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, ITALIAN, PORTUGUESE, DUTCH)
