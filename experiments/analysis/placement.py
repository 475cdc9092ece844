"""What a run of partition schemes says: balance, movement and cost of every scheme and number of bins."""

import tex
from intervals import median

SCHEMES = ("whole", "modulo", "ring", "ring-bounded", "hrw", "jump", "maglev", "static")
BINS = (3, 5, 9)
FIELDS = ("load_max", "moved_join", "moved_leave", "moved_return", "ideal_join", "ideal_leave", "lookup_ns",
          "build_us", "memory_bytes")


def medians(run):
    """{(scheme, bins): {field: median over trials}} in the plan's order, the control left out."""
    found = {}
    for cell in run.cells:
        records = [trial.of("placement")[0] for trial in run.valid_trials(cell["name"]) if trial.of("placement")]
        if cell["control"] or not records:
            continue
        found[cell["scheme"], cell["bins"]] = {
            field: median([record[field] for record in records]) for field in FIELDS if field in records[0]
        }
    return found


def formula_join(bins):
    """Share of the keys that h(x) = (x mod p) + 1 moves when p becomes p + 1: all but one in p + 1."""
    return bins / (bins + 1)


def formula_leave(bins):
    """Share of the keys it moves when p becomes p - 1: all but one in p."""
    return (bins - 1) / bins


def table(run, bins):
    """One line a scheme, for that number of bins."""
    lines = []
    for (scheme, count), values in medians(run).items():
        if count != bins:
            continue
        lines.append([tex.escape(scheme), "%.3f" % values["load_max"]]
                     + [tex.percent(values[field]) for field in ("moved_join", "moved_leave", "moved_return")]
                     + [tex.number(values["lookup_ns"]), tex.number(values["build_us"]),
                        tex.number(values["memory_bytes"] / 1000)])
    head = ["scheme", "fullest", "join", "leave", "return", "ns", "\\textmu s", "kB"]
    return tex.table("@{}lrrrrrrr@{}", head, lines)


def quote(run, numbers):
    """SCHEME/BINS/FIELD for the text; n/a without a run."""
    found = medians(run) if run else {}
    for scheme in SCHEMES:
        for bins in BINS:
            values = found.get((scheme, bins), {})
            for field in FIELDS:
                share = field.startswith(("moved", "ideal"))
                text = tex.percent(values.get(field)) if share else tex.number(values.get(field))
                numbers.set("%s/%d/%s" % (scheme, bins, field.replace("_", "-")), text)
