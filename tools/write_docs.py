"""Write the parts of the documentation that the code knows: python tools/write_docs.py (a test says when it is due)."""

from __future__ import annotations

from pathlib import Path

from airouter_core.profile.declarations import Parameter
from airouter_core.values.canonical import CANONICAL

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "parameters.md"
BEGIN, END = "<!-- parameters: begin -->", "<!-- parameters: end -->"


def parameter_table() -> str:
    """The canonical parameters as a table."""
    lines = ["| name | also | values | meaning |", "|---|---|---|---|"]
    for row in CANONICAL:
        aliases = ", ".join(f"`{alias}`" for alias in row.aliases) or "-"
        lines.append(f"| `{row.name}` | {aliases} | {_values(row)} | {row.description} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The guide with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{parameter_table()}\n{END}{after}"


def _values(row: Parameter) -> str:
    if row.choices:
        return ", ".join(row.choices)
    if row.above is not None:
        limits = f" above {row.above:g}"
    elif row.minimum is not None:
        limits = f" from {row.minimum:g}" + (f" to {row.maximum:g}" if row.maximum is not None else "")
    else:
        limits = ""
    return row.kind + limits + (f", in {row.unit}" if row.unit else "")


if __name__ == "__main__":
    GUIDE.write_text(with_table(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
    print(GUIDE)
