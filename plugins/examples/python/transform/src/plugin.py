"""A transform in Python: dates in the Japanese calendar, and postal codes.

`wareki` is two-way and keeps both laws: where the other side still means the same day, it is given
back as it was. A value that does not convert becomes null, never an error.
"""

import re
import unicodedata
from datetime import date

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Batch,
    Error_Unsupported,
    Row,
    Value_Date,
    Value_Null,
    Value_Text,
)

# First days, the latest era first. Before 1873 the calendar was another one.
ERAS = [
    ("令和", date(2019, 5, 1)),
    ("平成", date(1989, 1, 8)),
    ("昭和", date(1926, 12, 25)),
    ("大正", date(1912, 7, 30)),
    ("明治", date(1868, 1, 25)),
]
GREGORIAN = date(1873, 1, 1)
WAREKI = re.compile(r"(令和|平成|昭和|大正|明治)(元|\d{1,2})年(\d{1,2})月(\d{1,2})日")
POSTCODE = re.compile(r"〒?\s*(\d{3})-?(\d{4})")


def text_of(cell):
    """The text of a cell in the usual width; nothing for what has none."""
    if isinstance(cell, (Value_Text, Value_Date)):
        return unicodedata.normalize("NFKC", cell.value).strip()
    return ""


def to_wareki(cell):
    try:
        day = date.fromisoformat(text_of(cell))
    except ValueError:
        return None
    if day < GREGORIAN:
        return None
    name, first = next(era for era in ERAS if era[1] <= day)
    year = day.year - first.year + 1
    return Value_Text(f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日")


def from_wareki(cell):
    found = WAREKI.fullmatch(text_of(cell))
    if not found:
        return None
    name, year, month, day = found.groups()
    first = dict(ERAS)[name]
    year = first.year - 1 + (1 if year == "元" else int(year))
    try:
        return Value_Date(date(year, int(month), int(day)).isoformat())
    except ValueError:
        return None


def postcode(cell):
    # NFKC leaves the long dashes that people type for a hyphen.
    found = POSTCODE.fullmatch(re.sub("[‐‑‒–—―ー−]", "-", text_of(cell)))
    return Value_Text("-".join(found.groups())) if found else None


def present(convert):
    """Absent stays absent; what does not convert is null."""
    return lambda cell: None if cell is None else convert(cell) or Value_Null()


FORWARD = {"wareki": ("wareki", present(to_wareki)), "postcode": ("postcode", present(postcode))}


def rows(batch, column, cells):
    """One row out per row in, in order, with this one column."""
    pairs = zip(batch.rows, cells)
    made = [Row(row.id, row.version, row.modified, [cell], row.facts) for row, cell in pairs]
    return Batch([column], made)


class Transform(exports.Transform):
    def forward(self, function, parameters, input, old):
        if function not in FORWARD:
            raise Err(Error_Unsupported(f"no function {function}"))
        column, convert = FORWARD[function]
        return rows(input, column, [convert(row.cells[0]) for row in input.rows])

    def backward(self, function, parameters, input, old):
        if function != "wareki":
            raise Err(Error_Unsupported(f"no function {function} backward"))
        forward = present(to_wareki)
        before = [row.cells[0] for row in old.rows] or [None] * len(input.rows)
        return rows(
            input,
            "date",
            [
                was if forward(was) == cell else present(from_wareki)(cell)
                for row, was in zip(input.rows, before)
                for cell in row.cells
            ],
        )

    def merge(self, function, parameters, base, left, right):
        raise Err(Error_Unsupported("no function merges"))
