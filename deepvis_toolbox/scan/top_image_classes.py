"""Which classes a unit stands for, by its top pictures alone: what half of them propose and the others confirm.

Of a scan that held no pictures out, a ranking (AUPRC) cannot be made: it keeps which pictures are a unit's top ones,
and how often each class occurs among all. If a unit cared for no class, its top pictures would be drawn from the data
set by lot. So every other one of them proposes classes, and those in between confirm: how likely are so many of the
class among them by chance (the hypergeometric distribution)? The confirming half has no part in the choice of what it
is asked to confirm, however many classes there are. Over all proposals in a layer, Benjamini and Hochberg's procedure
keeps the share of those that chance confirms at `FALSE_SHARE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from deepvis_toolbox.scan.proposals import FALSE_SHARE, PROPOSED_BY, UnitClass, corrected, labels_that_count
from deepvis_toolbox.scan.top_images import TopImages


class _Proposal(NamedTuple):
    unit: int
    label: int
    share: float
    confirmed: int
    """How many pictures of the confirming half are of this class."""
    rest: int
    """How many labelled pictures there are beside the proposing half."""
    rest_of_class: int
    confirming: int
    """How many pictures confirm."""


def unit_classes(top: TopImages, layer: str) -> list[tuple[UnitClass, ...]]:
    """Return for each unit of a scanned layer its classes, the largest share first; empty where none beats chance."""
    labels = top.labels[top.was_read]
    known = Counter(labels[labels >= 0].tolist())
    ranked = labels_that_count(top, layer)
    proposals = [one for unit, row in enumerate(ranked) for one in _proposals(unit, row[row >= 0], known)]
    found: list[list[UnitClass]] = [[] for _ in ranked]
    for proposal, chance in zip(proposals, corrected(_chances(proposals)), strict=True):
        if chance <= FALSE_SHARE:
            found[proposal.unit].append(UnitClass(proposal.label, proposal.share, chance))
    return [tuple(sorted(each, key=lambda one: (-one.share, one.label))) for each in found]


def why_no_classes(top: TopImages) -> str:
    """Return why no unit of the scan can have a class, a sentence; empty where some can."""
    labels = top.labels[top.was_read]
    known = np.unique(labels[labels >= 0], return_counts=True)[1]
    if not known.size:
        return "the scan's pictures have no labels; a list of pictures (--images FILE.txt) may say their classes"
    if known.size == 1:
        return "all labelled pictures of the scan are of one class"
    count = top.manifest["identity"]["top"]
    confirming = count // 2
    chances = np.asarray(hypergeom.sf(np.minimum(known, confirming) - 1, known.sum(), known, confirming))
    if count // 2 + count % 2 < PROPOSED_BY or chances.min() > FALSE_SHARE:
        return f"{count} top pictures a unit are too few to tell classes from chance; scan with a larger --count"
    return ""


def _proposals(unit: int, labels: NDArray[np.int64], known: Counter[int]) -> Iterator[_Proposal]:
    """Give what one half of a unit's top pictures proposes: `labels`, best first."""
    proposing, confirming = Counter(labels[::2].tolist()), Counter(labels[1::2].tolist())
    for label, count in proposing.items() if confirming else ():
        if count >= PROPOSED_BY:
            seen = confirming[label]
            rest = known.total() - proposing.total()
            share = (count + seen) / len(labels)
            yield _Proposal(unit, label, share, seen, rest, known[label] - count, confirming.total())


def _chances(proposals: list[_Proposal]) -> list[float]:
    """Return how likely each is confirmed so well by chance."""
    if not proposals:
        return []
    confirmed, rest, rest_of_class, confirming = np.array([each[3:] for each in proposals]).T
    chances = hypergeom.sf(confirmed - 1, rest, rest_of_class, confirming)
    return [float(each) for each in np.nan_to_num(chances, nan=1.0)]  # no number where a result lists a picture twice
