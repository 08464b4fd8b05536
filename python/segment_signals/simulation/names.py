"""Invented names: people, companies, sellers, products.

Company domains end in .example (RFC 2606), so no mail can reach anyone.
"""

import numpy as np

from segment_signals.simulation.draws import Ints


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
# Product index by company size band: what each band mostly buys.
PRODUCTS_BY_SIZE = ((0, 0, 3, 1), (1, 1, 3, 5), (1, 4, 4, 5), (2, 2, 4, 5))


def company_names(rng: np.random.Generator, count: int) -> tuple[list[str], list[str]]:
    """Names of `count` companies, all different, and a mail domain for each.

    Names that differ in their ending only share a domain. ValueError when more are asked for than there are
    combinations.
    """
    total = len(_FIRST_PARTS) * len(_SECOND_PARTS) * len(_ENDINGS)
    if count > total:
        raise ValueError(f"{count} companies were asked for, and only {total} names can be made. Ask for fewer.")
    names, domains = [], []
    for code in np.argsort(rng.random(total), kind="stable")[:count].tolist():
        rest, ending = divmod(code, len(_ENDINGS))
        first, second = divmod(rest, len(_SECOND_PARTS))
        stem = _FIRST_PARTS[first] + _SECOND_PARTS[second]
        names.append(f"{stem} {_ENDINGS[ending]}")
        domains.append(f"{stem.lower()}.example")
    return names, domains


def person_names(first: Ints, last: Ints) -> tuple[list[str], list[str]]:
    """First and last names from indexes taken modulo the lists."""
    return (
        [FIRST_NAMES[i % len(FIRST_NAMES)] for i in first.tolist()],
        [LAST_NAMES[i % len(LAST_NAMES)] for i in last.tolist()],
    )
