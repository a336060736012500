"""A clean item master, and records put into it that are the same item written otherwise.

The ways of writing otherwise are those that people and systems have: typing errors, abbreviations,
other order, case and marks, sizes in another notation, words that say nothing.
"""

import random
import re
from collections.abc import Callable

import pandas as pd

_KINDS = "Tomato|Chicken Noodle|Mushroom|Lentil|Pumpkin|Minestrone|Onion|Clam Chowder|Beef Barley"
_FORMS = "Soup|Stew|Broth|Sauce|Ready Meal"
_THINGS = "Shampoo|Conditioner|Shower Gel|Hand Soap|Dish Liquid|Softener|Glass Cleaner|Polish"
_SCENTS = "Lavender|Lemon|Ocean|Vanilla|Jasmine|Green Apple|Almond|Rosemary|Unscented"
_TOOLS = "Hammer|Screwdriver|Wrench|Pliers|Chisel|Hacksaw|Spirit Level|Utility Knife|Tape Measure"
_MARKS = "Professional|Compact|Insulated|Magnetic|Heavy Duty|Folding|Ergonomic|Stainless"
_BRANDS = "Northfield|Calder & Sons|Brightwater|Oakham|Petersen|Redhouse|Silverlake|Tamworth"
_SIZES = ("250 ml", "500 ml", "750 ml", "1 l"), ("10.5 oz", "14.5 oz", "19 oz"), ("15 cm", "20 cm")


def catalogue() -> pd.DataFrame:
    """Items that all differ in a word or in size, neighbours of each other on purpose."""
    rows = []
    for names, others, sizes, category in (
        (_SCENTS, _THINGS, _SIZES[0], "care"), (_KINDS, _FORMS, _SIZES[1], "food"),
        (_MARKS, _TOOLS, _SIZES[2], "tools"),
    ):  # fmt: skip
        for number, (one, other) in enumerate(
            (a, b) for a in names.split("|") for b in others.split("|")
        ):
            brand = _BRANDS.split("|")[number % 8]
            rows += [(f"{brand} {one} {other}, {size}", brand, category) for size in sizes]
    frame = pd.DataFrame(rows, columns=["description", "brand", "category"])
    return frame.assign(item_id=[f"C{i:05d}" for i in range(len(frame))])


def typing_error(text: str, rng: random.Random) -> str:
    word = _long_word(text, rng, 5)
    at = rng.randrange(1, len(word) - 1)
    letter = rng.choice("abcdefghijklmnoprstu")
    changed = rng.choice([
        word[:at] + word[at + 1 :], word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :],
    ])  # fmt: skip
    return text.replace(word, changed, 1)


def without_vowels(text: str, rng: random.Random) -> str:
    word = _long_word(text, rng, 5)
    return text.replace(word, word[0] + re.sub("[aeiou]", "", word[1:]), 1)


def cut_short(text: str, rng: random.Random) -> str:
    word = _long_word(text, rng, 6)
    return text.replace(word, word[: rng.randint(4, 5)] + rng.choice(["", "."]), 1)


def other_order(text: str, rng: random.Random) -> str:
    words = text.replace(",", "").split()
    size = [word for word in words if re.match(r"[\d.]+$", word)]
    place = words.index(size[0]) if size else len(words)
    names = words[:place]
    moved = rng.randint(1, max(1, len(names) - 1))
    return " ".join(names[moved:] + names[:moved] + words[place:])


def other_case_and_marks(text: str, rng: random.Random) -> str:
    return rng.choice([str.upper, str.lower])(text.replace(",", rng.choice([" -", "", ";", " /"])))


def size_otherwise(text: str, rng: random.Random) -> str:
    said = {"250 ml": "25cl", "500 ml": "0.5 L", "750 ml": "750ML", "1 l": "1000 ml",
            "10.5 oz": "10.5OZ", "14.5 oz": "14.5 OZ.", "19 oz": "19oz", "15 cm": "150 mm",
            "20 cm": "200mm"}  # fmt: skip
    for size, other in said.items():
        if text.endswith(size):
            return text.removesuffix(size) + other
    return re.sub(r"(\d) (\w+)$", r"\1\2", text)


def words_that_say_nothing(text: str, rng: random.Random) -> str:
    return rng.choice(["NEW {}", "{} (new)", "The {}"]).format(text)


def several_at_once(text: str, rng: random.Random) -> str:
    return other_case_and_marks(typing_error(size_otherwise(text, rng), rng), rng)


WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    typing_error, without_vowels, cut_short, other_order, other_case_and_marks, size_otherwise,
    words_that_say_nothing, several_at_once,
)  # fmt: skip


def seeded(items: pd.DataFrame, seed: int, each: int) -> tuple[pd.DataFrame, dict[str, tuple]]:
    """The items with `each` duplicates of every way; by their ids, the item and the way."""
    rng = random.Random(seed)
    long = [i for i, text in enumerate(items["description"]) if re.search("[A-Za-z]{6}", text)]
    chosen = rng.sample(long, each * len(WAYS))
    rows, truth = [], {}
    for number, position in enumerate(chosen):
        row, way = items.iloc[position].to_dict(), WAYS[number % len(WAYS)]
        name = f"X{number:05d}"
        truth[name] = (row["item_id"], way.__name__)
        rows.append({**row, "item_id": name, "description": way(row["description"], rng)})
    return pd.concat([items, pd.DataFrame(rows)], ignore_index=True), truth


def _long_word(text: str, rng: random.Random, least: int) -> str:
    words = [word for word in re.findall(r"[A-Za-z]+", text) if len(word) >= least]
    return rng.choice(words or re.findall(r"[A-Za-z]+", text))
