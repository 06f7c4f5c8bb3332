"""A contact sheet in one HTML file: the pictures of every trial inside it, with their parameters, sortable."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_STYLE = """body { font: 14px sans-serif; margin: 1em; background: #fff; color: #222 }
table { border-collapse: collapse } td, th { border-bottom: 1px solid #ccc; padding: 6px; vertical-align: top }
th { cursor: pointer; text-align: left; position: sticky; top: 0; background: #eee } td.number { text-align: right }
figure { display: inline-block; margin: 0 6px 0 0 } figcaption { font-size: 12px; color: #555 }"""
_SORTING = """document.querySelectorAll("th[data-column]").forEach(function (head) {
  head.onclick = function () {
    var body = document.querySelector("tbody"), column = head.dataset.column, rows = Array.from(body.rows);
    var sign = head.dataset.sign = head.dataset.sign === "-1" ? "1" : "-1";
    rows.sort(function (a, b) { return sign * (a.dataset[column] - b.dataset[column]); });
    rows.forEach(function (row) { body.appendChild(row); });
  };
});"""


@dataclass(frozen=True)
class Trial:
    """One row of the sheet."""

    number: int
    parameters: dict[str, Any]
    pictures: tuple[tuple[str, float, bytes], ...]
    """(unit, best objective, the picture as a JPEG file's bytes) for each unit."""

    @property
    def objective(self) -> float:
        """The mean of the units' best objectives."""
        return sum(objective for _, objective, _ in self.pictures) / max(1, len(self.pictures))


def contact_sheet(title: str, command: str, trials: Sequence[Trial]) -> str:
    """Return the HTML; rows with the largest objective first. `command` tells how a row is saved as a preset."""
    rows = "\n".join(_row(trial) for trial in sorted(trials, key=lambda trial: -trial.objective))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p>Click on a column's head to sort. A high objective is no sign of a good picture: choose by looking. To keep a row:
<code>{escape(command)}</code></p>
<table><thead><tr><th data-column="trial">trial</th><th data-column="objective">objective</th><th>pictures</th>
<th>parameters</th></tr></thead><tbody>
{rows}
</tbody></table><script>{_SORTING}</script></body></html>
"""


def _row(trial: Trial) -> str:
    figures = "".join(
        f'<figure><img alt="{escape(unit)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{escape(unit)}: {objective:.3g}</figcaption></figure>"
        for unit, objective, data in trial.pictures
    )
    parameters = "<br>".join(f"{escape(key)}: {escape(str(value))}" for key, value in trial.parameters.items())
    return (
        f'<tr data-trial="{trial.number}" data-objective="{trial.objective:.6g}"><td class="number">{trial.number}</td>'
        f'<td class="number">{trial.objective:.4g}</td><td>{figures}</td><td>{parameters}</td></tr>'
    )
