"""Rows for people at a terminal, in columns that stand below each other."""

import unicodedata

GAP = "   "


def align(rows):
    """Each row as a line; columns are as wide as their widest cell."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(measure, column)) for column in columns]
    return [
        GAP.join(
            cell + " " * (width - measure(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def measure(text):
    """How many places of a terminal a text takes: wide signs take two, accents of their own none."""
    return sum(_measure_sign(sign) for sign in text)


def _measure_sign(sign):
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
