"""What two questions may differ in, and what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.data_plane.caching.semantic.guard import agree, figures_agree

MISLEADING = Path(__file__).parent / "misleading.txt"
SAME = """
How do I reset my password? | how can I reset my password
How do I reset my password? | Could you please tell me how to reset my password?
What's the way to sort a list in Python? | How to sort a list in Python
In Python, how do I sort a list? | How can I sort a list in Python?
After ordering, can I change my address? | Can I change my address after ordering?
How does garbage collection work in Java? | How does Java's garbage collection work?
Which planet is the largest in the solar system? | What is the largest planet in the solar system?
How do I turn on dark mode? | How do I enable dark mode?
What is photosynthesis? | Can you explain photosynthesis?
Translate "Good Morning" into French. | How do you say "Good Morning" in French?
Please translate good morning to French | Translate good morning to French.
What is the plural of "ox"? | Tell me the plural of "ox".
How many continents are there? | What is the number of continents?
C'est quoi la capitale de l'Espagne ? | Quelle est la capitale de l'Espagne ?
How many grams are 1,000 kg? | How many grams are 1000kg?
How do I return an item? | How do I return items?
What is the sum of two and two? | What is the sum of 2 and 2?
My parcel hasn\u2019t arrived. | My parcel has not arrived
Wie kann ich mein Abo kündigen? | Wie kündige ich mein Abo?
¿Cómo puedo cancelar mi pedido? | ¿Cómo cancelo mi pedido?
Comment est-ce que je peux annuler ma commande ? | Comment puis-je annuler ma commande ?
Как сбросить пароль? | Как сбросить пароль
法国的首都是哪里\uff1f | 法国的首都是哪里
"""

OTHER = """
Can I return it within 30 days? | Can I return it within 60 days?
Can I return it within 30 days? | Can I return it within 30 weeks?
Is the meeting at 3 am? | Is the meeting at 3 pm?
What day is 03/04/2025? | What day is 04/03/2025?
Can I pay by card? | Can't I pay by card?
Which animals are mammals? | Which animals are not mammals?
How do I turn notifications on? | How do I turn notifications off?
How do I turn on notifications? | How do I turn off notifications?
What is the capital of France? | What is the capital of Spain?
Translate "good morning" into French. | Translate "good evening" into French.
Translate "gift" into French. | Translate "Gift" into French.
What does `x == y` do? | What does `x != y` do?
What does a != b mean? | What does a = b mean?
What does list.append() do? | What does list.extend() do?
What is __init__ for? | What is __new__ for?
What is x² for x = 3? | What is x2 for x = 3?
What is 5!? | What is 5?
What is .5 of 10? | What is 5 of 10?
How long do 10 MB take? | How long do 10 Mb take?
Who leads IT here? | Who leads it here?
What is vitamin A? | What is vitamin?
What is my name? | What is your name?
What is my IP address? | What is an IP address?
Who am I? | Who are you?
What is the time? | What is time?
What does a doctor do? | What is a doctor?
What do doctors use? | What are doctors?
Give me a joke. | What is a joke?
How does it work? | How do I work?
Who is charged? | Who is charging?
Who is the king? | Who was the king?
Who follows me? | Who do I follow?
What is in the box? | What is on the box?
Write a poem about Java. | Write a poem in Java.
Find flights to Paris. | Find flights from Paris.
How do I pay Bob? | How do I pay for Bob?
How do I write to a file? | How do I write a file?
Convert 10 USD to EUR. | Convert 10 EUR to USD.
USD to EUR | EUR to USD
Is Python faster than Java? | Is Java faster than Python?
Is a whale a fish? | Is a fish a whale?
What did the lion do to the mouse? | What did the mouse do to the lion?
Translate the cat into French. | Translate a cat into French.
Translate to French: the cat sat. | Translate to French: a cat sat.
What can I do? | What should I do?
What did I decide? | What did we decide?
How do I write tests for React? | How do I write tests in React?
How do planes fly? | How to fly planes
Who did he hire? | Who hired him?
What does HTTP stand for? | What does HTTPS stand for?
what is http | what is https
How do I open Windows? | How do I open a window?
What is the height of the tower? | What is the height of the towers?
How do friends of Ann help Bob? | How do friends of Bob help Ann?
How do I eat before I swim? | How do I swim before I eat?
What does Bob do while Ann reads? | What does Ann do while Bob reads?
Has the invoice been paid? | Has the invoice been sent?
How do I use Java in Python? | How do I use Python in Java?
¿Dónde está mi hermano? | ¿Dónde está mi hermana?
Wie komme ich von Bonn nach Köln? | Wie komme ich von Köln nach Bonn?
Comment aller de Lyon à Nice ? | Comment aller de Nice à Lyon ?
How do I reset my password? | Wie setze ich mein Passwort zurück?
Как включить уведомления? | Как выключить уведомления?
如何打开通知\uff1f | 如何关闭通知\uff1f
What do you have? | What are you?
What is it for? | What is it about?
Where is he from? | Where is he?
How do I sign in? | How do I sign on?
How did Rome fall? | How would Rome fall?
How does he win? | How did he win?
Why do I want to hurt my dog? | Why do I hurt my dog?
Translate I love you to French. | Translate I loved you to French.
How far is 5m? | How far is 5M?
5m | 5M
What is mW? | What is MW?
What is 5 mW? | What is 5 MW?
How do I print A? | How do I print a?
polish | Polish
Polish sausage | polish sausage
What is polish? | What is Polish?
How do I go to the Capital? | How do I go to the capital?
How do you say please in German? | How do you say in German?
How do I greet in German, please | How do I greet in German
Wie sagt man bitte auf Deutsch? | Wie sagt man auf Deutsch?
Comment dit-on s'il vous plaît en anglais ? | Comment dit-on en anglais ?
¿Cómo se dice por favor en inglés? | ¿Cómo se dice en inglés?
Come si dice per favore in inglese? | Come si dice in inglese?
Como se diz por favor em inglês? | Como se diz em inglês?
Hoe zeg je alstublieft in het Engels? | Hoe zeg je in het Engels?
Translate to French he came. | Translate to French he came?
What does "not" mean? | What does not mean?
Count the letters in strawberry | Count the letters in strawberries
Is run a verb? | Is running a verb?
What is x-y if x=2, y=1? | What is x y if x=2, y=1?
What is n! for n = 5? | What is n for n = 5?
What is beta!? | What is beta?
What is alpha-beta? | What is alpha beta?
What is 3 (2)? | What is 3 2?
What is 3, 2? | What is 3 2?
What is 5 . 3? | What is 5 3?
What is 5 % 3? | What is 5% 3?
What is sin (x)? | What is sin x?
What is y'? | What is y?
Was sind 1,000 kg? | Was sind 1000 kg?
Was kostet das Band? | Was kostet der Band?
Was kostet das? | Was kostet der?
Was kostet die See? | Was kostet der See?
Wie komme ich zum See? | Wie komme ich zur See?
Wo ist mein Steuer? | Wo ist meine Steuer?
Welche Steuer ist das? | Welches Steuer ist das?
Où est le livre ? | Où est la livre ?
Où est mon poste ? | Où est ma poste ?
¿Dónde está el capital? | ¿Dónde está la capital?
¿Cuándo llega del capital? | ¿Cuándo llega de la capital?
Come è il capitale? | Come è la capitale?
Onde está o capital? | Onde está a capital?
Hoe groot is de bal? | Hoe groot is het bal?
Was kann ich essen? | Kann ich essen?
Is the shop open? | Is the shop opened?
Who turned on the light? | Who turns on the light?
What is painting? | What is paint?
What can I eat? | Can I eat?
What is a just war? | What is a war?
What is a gift? | What is a present?
How do I sign in to it? | How do I sign on to it?
How does one count? | How does 1 count?
"""


def lines(text: str) -> list[list[str]]:
    return [line.split(" | ") for line in text.strip().splitlines()]


@pytest.mark.parametrize("one,other", lines(SAME))
def test_what_may_differ(one: str, other: str) -> None:
    assert agree(one, other) and agree(other, one)


@pytest.mark.parametrize("one,other", lines(OTHER))
def test_what_may_not(one: str, other: str) -> None:
    assert not agree(one, other) and not agree(other, one)


def test_pairs_made_to_mislead_it() -> None:
    """When it was finished, it took six of the first 130, and then twelve of those that somebody else made."""
    found = lines(MISLEADING.read_text(encoding="utf-8"))
    assert len(found) == 142
    assert [one for one, other in found if agree(one, other)] == []


def test_what_a_question_is_about_is_the_same_to_the_letter() -> None:
    asked = "Please explain what this does:\n  if a:\n    b()"
    assert agree(asked, asked.replace("Please explain", "Tell me"))
    assert not agree(asked, asked.replace("    b", "  b"))
    assert not agree(asked, asked.replace("a:", "A:"))


ALPHABET = st.text(st.sampled_from("aA1 .?!'\"`:()[-_n\n$%éß。\x00"), max_size=30) | st.text(max_size=30)


@settings(max_examples=300, deadline=None)
@given(ALPHABET, ALPHABET)
def test_whatever_is_asked(one: str, other: str) -> None:
    assert agree(one, other) == agree(other, one)
    figures_agree(one, other)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["Order %d is late", "%d", "Is %d odd?"]))
def test_numbers_are_never_mixed_up(one: int, other: int, text: str) -> None:
    assert agree(text % one, text % other) == (one == other)


@pytest.mark.parametrize(
    "one,other,agrees",
    [
        ("It takes 30 days.", "30 days are what it takes", True),
        ("It takes 30 days.", "It takes 60 days.", False),
        ("You can return it.", "You can't return it.", False),
        ("It costs 1,000.", "The price is 1000", True),
    ],
)
def test_answers_agree_in_their_figures(one: str, other: str, agrees: bool) -> None:
    assert figures_agree(one, other) is agrees
