"""Invented names: people, companies, sellers, products.

Company domains end in .example (RFC 2606), so no mail can reach anyone.
"""

import numpy as np

from segment_signals.simulation.draws import Ints
from segment_signals.simulation.tables import Text, join, labels


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Ada Aiko Alan Alice Amir Ana Andre Anna Arjun Ben Bianca Bruno Carla Carlos Chloe Clara Daan Daniel Diego Elena "
    "Elif Emil Emma Erik Eva Felix Fiona Gabriel Grace Hana Hannah Hugo Ines Iris Ivan Jack Jana Joao Jonas Julia "
    "Kai Karin Kenji Lara Laura Leo Lina Liam Lucas Lucia Luis Maria Marco Marie Mateo Maya Mei Mia Milan Mina Nadia "
    "Nina Noah Nora Olga Oliver Omar Oscar Paula Pedro Peter Priya Rafael Ren Rosa Ruth Sam Sara Sofia Sven Tara "
    "Thomas Tim Vera Victor Wei Yara Yuki Zoe"
)
LAST_NAMES = _words(
    "Abe Adams Almeida Alvarez Andersen Bakker Bauer Becker Bell Bernard Blanc Brandt Brown Castro Chan Chen Clark "
    "Costa Cruz Davis Dias Dubois Evans Fischer Foster Fournier Fraser Garcia Girard Gomez Gray Green Hansen Harris "
    "Hayashi Hill Hoffman Hughes Ito Jansen Johnson Jones Kato Keller Khan Kim King Klein Kobayashi Kumar Lambert "
    "Lang Lee Lewis Lopez Maier Martin Mendes Meyer Mills Moore Morales Moreau Mori Morgan Murphy Nakamura Nguyen "
    "Novak Oliveira Ortiz Parker Patel Perez Peters Pinto Ramos Reed Reyes Roberts Rossi Roux Ruiz Saito Sato "
    "Schmidt Scott Silva Singh Smit Smith Sousa Stewart Suzuki Takeda Tan Taylor Torres Turner Visser Vogel Walker "
    "Wang Ward Watson Weber White Wilson Wolf Wong Wood Wright Yamada Young"
)
TITLES = (
    ("Marketing Manager", 0.16),
    ("Sales Operations Manager", 0.14),
    ("Operations Manager", 0.13),
    ("Business Analyst", 0.12),
    ("IT Manager", 0.11),
    ("Director of Operations", 0.09),
    ("Head of Sales", 0.08),
    ("VP Sales", 0.06),
    ("VP Marketing", 0.04),
    ("Chief Financial Officer", 0.03),
    ("Chief Operating Officer", 0.02),
    ("Chief Executive Officer", 0.02),
)
# What a title says of the person's function.
PERSONAS = ("Marketing", "Sales", "Operations", "IT", "Finance", "Executive")
PERSONA_OF_TITLE = (0, 1, 2, 2, 3, 2, 1, 1, 0, 4, 5, 5)
_FIRST_PARTS = _words(
    "Alder Amber Arbor Aspen Basalt Beacon Birch Bramble Breeze Brook Canyon Cedar Cinder Clover Cobalt Copper Coral "
    "Crest Cypress Delta Dune Elm Ember Fern Fjord Flint Garnet Glade Granite Harbor Hazel Heath Heron Indigo Ivory "
    "Jasper Juniper Kestrel Lark Laurel Linden Lumen Maple Marsh Meadow Mesa Mistral Moss Nectar Oak Ochre Onyx Opal "
    "Osprey Pebble Pine Prairie Quarry Quartz Raven Reed Ridge River Robin Rowan Saffron Sage Sequoia Shale Sierra "
    "Silver Slate Sorrel Sparrow Spruce Summit Swift Tidal Timber Topaz"
)
_SECOND_PARTS = _words(
    "bank bay bell bend berg bloom bow bridge burn bury cliff coast cove croft dale deep den drift edge fall field "
    "flow ford forge gate glen grove hall haven hill hold hollow house keep lake land lane light line lock mark mere "
    "mill mont moor path peak pier point pond pool port reach ridge rise rock root shore side spring stead stone "
    "stream strand thorn tide top tower town trail vale view wall water way well wick wind wood works worth yard"
)
_ENDINGS = ("Group", "Labs", "Partners", "Systems")
PRODUCTS = (
    ("Insight Starter", "Insight", 6_000),
    ("Insight Team", "Insight", 18_000),
    ("Insight Enterprise", "Insight", 75_000),
    ("Connect", "Integration", 12_000),
    ("Connect Plus", "Integration", 40_000),
    ("Guard", "Security", 25_000),
)
# A seat's price a month, in any currency, of each product.
SEAT_PRICES = (15, 30, 60, 25, 45, 40)
# Product index by company size band: what each band mostly buys.
PRODUCTS_BY_SIZE = ((0, 0, 3, 1), (1, 1, 3, 5), (1, 4, 4, 5), (2, 2, 4, 5))


def company_names(rng: np.random.Generator, count: int) -> tuple[Text, Text]:
    """Names of `count` companies and a mail domain for each, all different."""
    stems = [first + second for first in _FIRST_PARTS for second in _SECOND_PARTS]
    rounds = -(-count // len(stems))
    code = np.argsort(rng.random(rounds * len(stems)), kind="stable")[:count]
    turn, stem = np.divmod(code, len(stems))
    turn, ending = np.divmod(turn, len(_ENDINGS))
    number = labels(["", *(str(i) for i in range(2, 2 + int(turn.max(initial=0))))], turn)
    name = join(labels(stems, stem), labels([f" {word}" for word in _ENDINGS], ending), number)
    # The first ending is the one that a company leaves out of its domain.
    mail = labels(["", *(f"-{word.lower()}" for word in _ENDINGS[1:])], ending)
    return name, join(labels([word.lower() for word in stems], stem), mail, number, ".example")


def person_names(first: Ints, last: Ints) -> tuple[Text, Text]:
    """First and last names from indexes."""
    return labels(FIRST_NAMES, first), labels(LAST_NAMES, last)


def mail_addresses(first: Ints, last: Ints, company: Ints, domain: Text) -> Text:
    """Addresses first.last@domain (n,); namesakes at one company are numbered, so that nobody shares one."""
    key = (company * len(FIRST_NAMES) + first) * len(LAST_NAMES) + last
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    rank = np.arange(len(key)) - np.repeat(starts, np.diff(np.append(starts, len(key))))
    number = np.empty(len(key), dtype=np.int64)
    number[order] = rank
    suffix = labels(["", *(str(i) for i in range(2, 2 + int(number.max(initial=0))))], number)
    return join(
        labels([f"{name.lower()}." for name in FIRST_NAMES], first),
        labels([name.lower() for name in LAST_NAMES], last),
        suffix,
        "@",
        domain.take(company),
    )
