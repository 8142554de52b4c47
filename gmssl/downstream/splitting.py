"""Folds of cases: what is learnt from, what chooses the epoch, and what is scored; patients are never divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmssl.downstream.recipe import Conditions, Split
from gmssl.errors import DataError
from gmssl.evaluation.folds import split as deal
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import told

_VALIDATION, _LABELS, _TEST = 1, 2, 3
"""Streams of random numbers, so that one choice does not change the other."""


@dataclass(frozen=True)
class Fold:
    """Indices of cases, ascending, and the name of the fold in results."""

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """The training cases of a fold as one seed divides them; without validation the last epoch is taken."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


def folds_of(cases: Sequence[Case], split: Split, digests: Sequence[str]) -> list[Fold]:
    """The folds of a split, in a fixed order.

    Args:
        cases: all cases.
        split: how they are divided.
        digests: of each case's image; copies of an earlier image take no part, but where `test` names facts.

    Raises:
        DataError: a fact that no case has, an empty side, one patient on both sides, or fewer patients than folds.
    """
    if split.site is not None and all(value_of(case, split.site) is None for case in cases):
        raise DataError(
            f"split.site: no case has {split.site!r}; they have "
            f"{', '.join(sorted({fact for case in cases for fact in case.facts})) or 'no facts'}. Name one of these."
        )
    if isinstance(split.test, dict):
        test = _chosen(cases, split.test, "split.test")
        rest = [i for i in range(len(cases)) if i not in set(test)]
        train = _chosen(cases, split.train, "split.train") if split.train else rest
        validated = (
            set() if isinstance(split.validation, float) else set(_chosen(cases, split.validation, "split.validation"))
        )
        _refuse_divided(cases, [*train, *validated], test)
        return [_filled("test", train, test)]
    first: dict[str, int] = {}
    for index in _chosen(cases, split.train, "split.train") if split.train else range(len(cases)):
        first.setdefault(digests[index], index)
    known = sorted(first.values())
    if isinstance(split.test, float):
        test = _share(cases, known, split.test, [split.seed, _TEST], all_but=1)
        return [_apart(cases, "test", known, test, split)]
    if split.folds is not None:
        names = sorted({cases[i].label or "" for i in known})
        labels = [names.index(cases[i].label or "") for i in known]
        fold_of = deal(labels, [cases[i].patient for i in known], split.folds, split.seed).tolist()
        keys = [f"fold {number + 1}" for number in fold_of]
    else:
        assert split.leave_out is not None
        keys = [value_of(cases[i], split.leave_out) or "" for i in known]
        if "" in keys:
            raise DataError(
                f"split.leave_out: {cases[known[keys.index('')]].name} has no {split.leave_out!r}; it has "
                f"{', '.join(sorted(cases[0].facts)) or 'no facts'}. Name one that all cases have."
            )
    found = []
    for key in sorted(set(keys)):
        test = [i for i, other in zip(known, keys, strict=True) if other == key]
        found.append(_apart(cases, key, known, test, split))
    return found


def _apart(cases: Sequence[Case], name: str, known: Sequence[int], test: Sequence[int], split: Split) -> Fold:
    """The fold of test cases that were chosen among those that are known; validation cases may be beside these."""
    scored = set(test)
    train = [i for i in known if i not in scored]
    validated = [] if isinstance(split.validation, float) else _chosen(cases, split.validation, "split.validation")
    _refuse_divided(cases, [*train, *(i for i in validated if i not in scored)], test)
    return _filled(name, train, test)


def refuse_missing(cases: Sequence[Case], folds: Sequence[Fold]) -> None:
    """Refuse classes of which nothing is learnt, or nothing is scored: no number would say so.

    Raises:
        DataError: names them, and the fold.
    """
    learnt = [{cases[i].label for i in fold.train} for fold in folds]
    scored = [{cases[i].label for i in fold.test} for fold in folds]
    every = sorted(label for label in set().union(*learnt) - set().union(*scored) if label is not None)
    alone = set().union(*learnt, *scored)
    if len(alone) == 1 and None not in alone:
        raise DataError(f"all cases of the split have the label {alone.pop()!r}, so there is nothing to tell apart.")
    faults = [f"no scored case has the label {label!r}, which is learnt" for label in every]
    for fold, known, asked in zip(folds, learnt, scored, strict=True):
        new = sorted(label for label in asked - known if label is not None)
        faults += [f"fold {fold.name} scores cases of {label!r}, and has none to learn from" for label in new]
    if faults:
        raise DataError(told(faults, "Divide the cases otherwise (split), or leave the class out (cases.where)."))


def parts_of(cases: Sequence[Case], fold: Fold, split: Split, seed: int) -> Parts:
    """Divide the training cases of a fold, in shares of the patients of each label.

    Raises:
        DataError: nothing is left to learn from.
    """
    train = list(fold.train)
    if isinstance(split.validation, float):
        held = _share(cases, train, split.validation, [seed, _VALIDATION], all_but=1)
    else:
        held = [i for i in _chosen(cases, split.validation, "split.validation") if i not in set(fold.test)]
    train = [i for i in train if i not in set(held)]
    if split.labels < 1:
        train = _share(cases, train, split.labels, [seed, _LABELS], all_but=0)
    if not train:
        raise DataError(f"fold {fold.name}: no case is left to learn from. Give more cases, or less split.validation.")
    return Parts(tuple(sorted(train)), tuple(sorted(held)))


def _share(cases: Sequence[Case], indices: Sequence[int], share: float, seed: Sequence[int], all_but: int) -> list[int]:
    """The cases of a share of the units of each label: at least one unit, and at most all but some.

    A unit has the label of its first case.
    """
    if share == 0:
        return []
    units: dict[str, list[int]] = {}
    for index in indices:
        units.setdefault(cases[index].unit, []).append(index)
    by_label: dict[str, list[str]] = {}
    for unit, members in units.items():
        by_label.setdefault(cases[members[0]].label or "", []).append(unit)
    generator = np.random.default_rng(seed)
    kept: list[int] = []
    for label in sorted(by_label):
        order = generator.permutation(len(by_label[label]))
        for place in order[: min(max(1, round(share * len(order))), len(order) - all_but)]:
            kept += units[by_label[label][place]]
    return sorted(kept)


def value_of(case: Case, fact: str) -> str | None:
    """What is known of a case: its patient, its label or another fact."""
    return case.patient if fact == "patient" else case.label if fact == "label" else case.facts.get(fact)


def meets(case: Case, conditions: Mapping[str, str | tuple[str, ...]]) -> bool:
    """Whether a case has the facts that are asked for."""
    return all(
        value_of(case, fact) in ((wanted,) if isinstance(wanted, str) else wanted)
        for fact, wanted in conditions.items()
    )


def _chosen(cases: Sequence[Case], conditions: Conditions, place: str) -> list[int]:
    found = [index for index, case in enumerate(cases) if meets(case, conditions)]
    if not found:
        known = {fact: sorted({str(value_of(case, fact)) for case in cases})[:8] for fact in conditions}
        raise DataError(
            f"{place}: not one of {len(cases)} cases has {dict(conditions)}; they have {known}. Correct the conditions."
        )
    return found


def _filled(name: str, train: Sequence[int], test: Sequence[int]) -> Fold:
    if not train or not test:
        side = "learn from" if not train else "be scored"
        raise DataError(f"fold {name}: there is no case to {side}. Correct split.")
    return Fold(name, tuple(sorted(train)), tuple(sorted(test)))


def _refuse_divided(cases: Sequence[Case], train: Sequence[int], test: Sequence[int]) -> None:
    scored = {cases[i].unit for i in test}
    both = sorted({cases[i].unit for i in train} & scored)
    if both:
        raise DataError(
            told(
                [f"{unit} stands on both sides of the split" for unit in both],
                "Correct split (or cases.patient): what is learnt of a patient must not be tested on the same one.",
            )
        )
