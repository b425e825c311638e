"""Recognize columns that name a group of rows, such as a customer, and columns of the time of a row."""

from __future__ import annotations

import numpy as np

from mlpcli.data.features.profiles import Profile, words_of

ID_WORDS = frozenset(["id", "ids", "uuid", "guid", "identifier", "nr", "no", "number", "num", "code", "key"])
WHO = frozenset(
    [
        "account", "animal", "applicant", "athlete", "borrower", "child", "client", "customer", "device",
        "donor", "driver", "employee", "family", "household", "machine", "member", "mouse", "owner",
        "participant", "patient", "person", "player", "plot", "policyholder", "pupil", "rat", "respondent",
        "sensor", "session", "speaker", "student", "subject", "user", "vehicle", "visitor", "worker",
    ]
)  # fmt: skip
"""What rows are repeated measurements of, if it is the whole name, or the word before one of `ID_WORDS`."""

LEVELS = frozenset(
    [
        "airline", "airport", "area", "bin", "bracket", "branch", "brand", "carrier", "category", "channel",
        "city", "class", "classification", "color", "colour", "continent", "country", "county", "course",
        "currency", "department", "dept", "district", "division", "education", "genre", "grade", "group",
        "industry", "item", "job", "kind", "label", "language", "level", "line", "location", "make",
        "market", "model", "month", "occupation", "product", "profession", "quarter", "race", "rank",
        "region", "school", "sector", "segment", "shop", "site", "size", "state", "station", "status",
        "store", "street", "sub", "subclass", "title", "type", "version", "week", "year", "zip", "zone",
    ]
)  # fmt: skip
"""What a table has few of, all of them known when predicting: `store_id` is a category."""

MIN_GROUPS, MIN_IDS = 5, 10
"""Fewer distinct values are a category: of columns that are called after someone, and of other ids."""

ROWS_PER_GROUP = 2
LARGEST_GROUP = 0.5
"""A value of more rows than this share is no group."""

TIME_WORDS = frozenset(["date", "datetime", "timestamp", "time", "day", "month", "week", "at"])
TIME_WORDS |= {
    "datum",
    "zeit",
    "zeitpunkt",
    "zeitstempel",
    "stichtag",
    "fecha",
    "jour",
    "giorno",
    "tijd",
    "dato",
}
OF_A_LIFE = frozenset(
    [
        "birth", "birthday", "born", "built", "construction", "death", "died", "dob", "due", "ended",
        "expiration", "expiry", "expires", "founded", "hire", "hired", "joined", "manufactured", "modified",
        "opened", "renewal", "retired", "updated",
    ]
)  # fmt: skip
"""Words of dates that are a property of what a row is about, and not its own time."""

MIN_TIMES = 10
"""Fewer distinct dates are a category."""


def is_called_group(name: str) -> bool:
    """Return whether a name is that of someone or something with several rows: `patient`, `user_id`."""
    words = words_of(name)
    if not words or LEVELS & {*words}:
        return False
    if len(words) > 1 and words[-1] in ID_WORDS:
        return words[-1] in ("id", "ids", "uuid", "guid", "identifier") or words[-2] in WHO
    return words in (["id"], ["uuid"]) or (words[-1] in WHO and len(words) <= 2)


def looks_like_group(profile: Profile) -> bool:
    """Return whether a column looks like one of groups: by its name, and with several rows for each value.

    Args:
        profile: of the column.
    """
    if not is_called_group(profile.name) or profile.content not in ("numbers", "texts"):
        return False
    named = bool(WHO & {*words_of(profile.name)})
    if profile.distinct < (MIN_GROUPS if named else MIN_IDS):
        return False
    if profile.numbers is not None:
        known = profile.known
        if bool((known.astype(np.float64) % 1 != 0).any()):
            return False
        largest = int(np.unique(known, return_counts=True)[1].max())
    else:
        largest = max(profile.counts.values())
    several = profile.present >= ROWS_PER_GROUP * profile.distinct
    return several and largest <= LARGEST_GROUP * profile.present


def is_called_time(name: str) -> bool:
    """Return whether a name is that of the time of a row: `date`, `order_date`, `created_at`."""
    words = {*words_of(name)}
    return bool(words & TIME_WORDS) and not words & OF_A_LIFE


def is_of_a_life(name: str) -> bool:
    """Return whether a name is that of a date that is a property of what the row is about: `birth_date`."""
    return bool(OF_A_LIFE & {*words_of(name)})
