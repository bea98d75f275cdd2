"""How each column of the champion's snapshot is found again: what is counted for the check of shift."""

import textwrap
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.core.distribution import LEAST
from assay.gates.contract.builtin.coding import Cells, cells
from assay.gates.contract.builtin.facts import Facts, Profile, Values
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.personal import kind_of
from assay.stats.divergence import chi_squared, kolmogorov_smirnov

_TENTHS = 10
_FINE = 200
_CATEGORIES, _ROWS_EACH = 30, 5  # a rarer category is counted with those never seen, else these seemed to be new
_FREE_TEXT = 0.2
"""A column of text with more different values than this share of its rows is no set of categories."""
_NAMED = 5
_LONG = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """How a column of the reference is found again.

    Attributes
    ----------
    column
        Its name.
    used
        Whether the model or its audit needs it.
    was, now
        Its types; `now` is None where it is gone.
    unknown
        Whether the reference does not have it, though the model or its audit needs it: nothing else is known then.
    retyped
        Whether it was numbers and is text, say: then nothing else is compared.
    before, after
        Counts of sampled rows in the reference's cells; the last is for missing values.
    p_value
        Of the two-sample test, Kolmogorov and Smirnov's for numbers, Pearson's for categories.
    missing
        Rows without a value and rows, before and after; of all rows.
    new, known
        Sampled rows with a category that the reference does not have, or a number beyond its least and
        greatest, and sampled rows with a value.
    own, of_own
        Sampled rows of the reference that would be new to its other rows, and its sampled rows with a value.
    most
        What has moved most, in words: a number's median, or the category whose share has changed furthest.
    appeared
        A few of those categories that enough rows have to tell of no person, the most frequent first, or the
        numbers' own least and greatest.
    """

    column: str
    was: str
    now: str | None
    used: bool = True
    unknown: bool = False
    retyped: bool = False
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    p_value: float | None = None
    missing: tuple[int, int, int, int] = (0, 0, 0, 0)
    new: int = 0
    known: int = 0
    own: int = 0
    of_own: int = 0
    most: str = ""
    appeared: tuple[str, ...] = ()


def movements(look: Look) -> tuple[Movement, ...] | None:
    """Every column of the reference; of key, time and label only whether they are there. None without a reference.

    Those that are needed and that the reference does not have come after them.
    """
    if look.reference is None:
        return None
    then, now, roles = look.reference[1], look.facts, look.roles
    special = {roles.key, roles.time, roles.label, *roles.rekeyed}
    needed = {*look.features, *roles.features, *roles.sensitive, *special}
    found = (movement(name, then, now, compared=name not in special) for name in then.columns)
    compared = tuple(
        replace(
            each,
            used=not roles.features or each.column in needed,
            most="" if each.column in roles.declared else each.most,  # no value of what is to be a pseudonym
            appeared=() if each.column in roles.declared else each.appeared,
        )
        for each in found
    )
    missed = (now.columns[name] for name in look.used if name not in then.columns)
    return compared + tuple(Movement(column=each.name, was="", now=each.type, unknown=True) for each in missed)


def movement(name: str, then: Facts, now: Facts, *, compared: bool) -> Movement:
    """How one column of the reference is found again; `compared` also by its values."""
    was, column = then.columns[name], now.columns.get(name)
    found = Movement(column=name, was=was.type, now=None if column is None else column.type)
    if column is None or (column.kind != was.kind and now.profiles[name].present):
        return replace(found, retyped=column is not None)
    present = (then.profiles[name].present, now.profiles[name].present)
    found = replace(found, missing=(then.rows - present[0], then.rows, now.rows - present[1], now.rows))
    if not compared or was.kind == "other" or column.kind != was.kind or not all(present):
        return found
    found = _compared(found, then.sample[name], now.sample[name])
    return _beyond(found, then.profiles[name], then.sample[name], now.sample[name]) if was.kind == "number" else found


def _compared(found: Movement, then: Values, now: Values) -> Movement:
    found = replace(found, known=_known(now), of_own=_known(then))
    if then.numbers is not None:
        coarse, fine = cells(then, _TENTHS), cells(then, _FINE)
        # the last two cells are for text and for missing values, which a test of numbers does not know
        _, p = kolmogorov_smirnov(fine.counts(then)[:-2], fine.counts(now)[:-2])
    else:
        coarse = cells(then, _CATEGORIES, _ROWS_EACH)
        _, p = chi_squared(coarse.counts(then)[:-1], coarse.counts(now)[:-1])
        found = replace(_with_new(found, then, now), most=_furthest(coarse, then, now))
    before, after = (tuple(int(n) for n in coarse.counts(each)) for each in (then, now))
    return replace(found, before=before, after=after, p_value=p)


def _with_new(found: Movement, then: Values, now: Values) -> Movement:
    assert then.codes is not None
    assert now.codes is not None
    if len(then.texts) > _FREE_TEXT * max(1, found.of_own):
        return found
    counts, old = np.bincount(now.codes[now.codes >= 0], minlength=len(now.texts)), set(then.texts)
    new = sorted(((int(n), text) for n, text in zip(counts, now.texts, strict=True) if text not in old), reverse=True)
    once = int((np.bincount(then.codes[then.codes >= 0]) == 1).sum())
    shown = tuple(_shown(text) for rows, text in new[:_NAMED] if rows >= LEAST or kind_of(text))
    return replace(found, new=sum(n for n, _ in new), own=once, appeared=shown)


def _furthest(coarse: Cells, then: Values, now: Values) -> str:
    """The category whose share of the rows with a value has changed furthest."""
    assert coarse.places is not None
    before, after = (coarse.counts(each)[:-1] / _known(each) for each in (then, now))
    at = int(np.argmax(np.abs(after - before)))
    named = next((_shown(text) for text, place in coarse.places.items() if place == at), "all other values")
    return f"{named} is {after[at]:.3g} of the values, was {before[at]:.3g}"


def _shown(text: str) -> str:
    """A value for a verdict, which many people read: none that looks personal, and none at length."""
    kind = kind_of(text)
    return textwrap.shorten(text, _LONG, placeholder="...") if kind is None else f"({kind})"


def _beyond(found: Movement, profile: Profile, then: Values, now: Values) -> Movement:
    low, high, numbers = float(profile.low), float(profile.high), _numbers(now)
    strange = numbers[(numbers < low) | (numbers > high)]
    ends = (f"{strange.min():g}", f"{strange.max():g}") if len(strange) else ()
    own = sum(int(np.count_nonzero(_numbers(then) == end)) == 1 for end in {low, high})
    before, after = (np.nanquantile(_numbers(each), 0.5, method="lower") for each in (then, now))  # endless ones, too
    most = f"its median is {after:.4g}, was {before:.4g}"
    return replace(found, new=len(strange), own=own, most=most, appeared=tuple(dict.fromkeys(ends)))


def _known(values: Values) -> int:
    """How many rows have a value."""
    return int((values.codes >= 0).sum()) if values.codes is not None else int((~np.isnan(_numbers(values))).sum())


def _numbers(values: Values) -> Any:
    assert values.numbers is not None
    return values.numbers
