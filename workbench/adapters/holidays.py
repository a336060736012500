"""Public holidays of the United States and days that move grocery demand, computed by rule.

Sources: 5 U.S.C. 6103 for the federal holidays and their observance on a neighbouring weekday;
the Gregorian Easter by the algorithm of Meeus, Jones and Butcher.
"""

from datetime import date, timedelta
from typing import Final

PUBLIC: Final = "public_holiday"
OBSERVANCE: Final = "observance"
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6


def united_states(year: int) -> list[tuple[date, str, str]]:
    """Day, event and type of each holiday and observance of a year, in order of day and event."""
    fixed = [
        (date(year, 1, 1), "New Year's Day"),
        (date(year, 7, 4), "Independence Day"),
        (date(year, 11, 11), "Veterans Day"),
        (date(year, 12, 25), "Christmas Day"),
    ]
    if year >= 2021:
        fixed.append((date(year, 6, 19), "Juneteenth"))
    floating = [
        (_nth(year, 1, _MONDAY, 3), "Martin Luther King Jr. Day"),
        (_nth(year, 2, _MONDAY, 3), "Presidents' Day"),
        (_last(year, 5, _MONDAY), "Memorial Day"),
        (_nth(year, 9, _MONDAY, 1), "Labor Day"),
        (_nth(year, 10, _MONDAY, 2), "Columbus Day"),
        (_nth(year, 11, _THURSDAY, 4), "Thanksgiving"),
    ]
    public = [(day, name, PUBLIC) for day, name in fixed + floating]
    shifted = [(_observed(day), f"{name} (observed)", PUBLIC) for day, name in fixed]
    shifted = [entry for entry, (day, _) in zip(shifted, fixed, strict=True) if entry[0] != day]
    return sorted(public + shifted + _observances(year))


def _observances(year: int) -> list[tuple[date, str, str]]:
    thanksgiving, easter = _nth(year, 11, _THURSDAY, 4), easter_sunday(year)
    days = [
        (date(year, 2, 14), "Valentine's Day"),
        (easter - timedelta(days=2), "Good Friday"),
        (easter, "Easter Sunday"),
        (_nth(year, 5, _SUNDAY, 2), "Mother's Day"),
        (_nth(year, 6, _SUNDAY, 3), "Father's Day"),
        (date(year, 10, 31), "Halloween"),
        (thanksgiving - timedelta(days=1), "Thanksgiving Eve"),
        (thanksgiving + timedelta(days=1), "Day after Thanksgiving"),
        (date(year, 12, 24), "Christmas Eve"),
        (date(year, 12, 31), "New Year's Eve"),
    ]
    return [(day, name, OBSERVANCE) for day, name in days]


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last(year: int, month: int, weekday: int) -> date:
    last = date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def _observed(day: date) -> date:
    """A Saturday's holiday is observed on Friday, a Sunday's on Monday."""
    shift = {_SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0)
    return day + timedelta(days=shift)


def easter_sunday(year: int) -> date:
    """Gregorian Easter; letters are those of the published algorithm."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    j, k = divmod(c, 4)
    m = (a + 11 * h) // 319
    r = (2 * e + 2 * j - k - h + m + 32) % 7
    month = (h - m + r + 90) // 25
    return date(year, month, (h - m + r + month + 19) % 32)
