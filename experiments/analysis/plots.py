"""The figures of the paper, as PDF. Needs Debian's python3-matplotlib."""

import os

import matplotlib

matplotlib.use("pdf")
import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen first)

import placement  # noqa: E402
from measures import compared, median_trial, rows  # noqa: E402
from tables import label, trial_values  # noqa: E402

WIDTH = 7.0  # inches, the page's text
COLUMN = 3.35  # inches, one of its two columns
COLOURS = ("#0072B2", "#009E73", "#E69F00", "#666666", "#CC79A7", "#56B4E9")
PART_COLOURS = ("#D55E00", "#0072B2", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#999999")
GREY = "#bbbbbb"
plt.rcParams.update({"font.family": "STIXGeneral", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False,
                     "axes.grid": True, "grid.color": "#e5e5e5", "axes.axisbelow": True, "pdf.fonttype": 42,
                     "legend.frameon": False})


def _save(figure, folder, name):
    figure.savefig(os.path.join(folder, name + ".pdf"), bbox_inches="tight", metadata={"CreationDate": None})
    plt.close(figure)


def _colours(run):
    return {cell["name"]: COLOURS[i % len(COLOURS)] for i, cell in enumerate(compared(run))}


def _unfinished(axes, text):
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#666666")


def throughput(run, folder):
    """Saturated throughput and what an operation costs: medians, 95 % intervals, single trials."""
    loads = [step["name"] for step in run.steps if step["do"] == "load" and not step["name"].endswith("-1x1")]
    known = {(row.step, row.measure.name): row for row in rows(run)}
    colours = _colours(run)
    figure, both = plt.subplots(1, 2, figsize=(WIDTH, 1.8))
    titles = (("throughput", "operations per second"), ("cpu", "server CPU, µs per operation"))
    for axes, (name, title) in zip(both, titles):
        for i, cell in enumerate(compared(run)):
            for j, step in enumerate(loads):
                row = known.get((step, name))
                if row is None or row.median(cell["name"]) is None:
                    continue
                x = j + 0.18 * (i - (len(colours) - 1) / 2)
                low, high = row.interval(cell["name"]) or [row.median(cell["name"])] * 2
                axes.plot([x, x], [low, high], color=colours[cell["name"]], linewidth=1.2)
                axes.plot([x] * len(row.values[cell["name"]]), trial_values(run, cell["name"], step, row.measure), ".",
                          color=colours[cell["name"]], markersize=3, alpha=0.6)
                axes.plot([x], [row.median(cell["name"])], "o", color=colours[cell["name"]], markersize=4.5,
                          label=label(cell) if j == 0 else None)
        axes.set_yscale("log")
        axes.set_xticks(range(len(loads)), loads)
        axes.set_title(title, fontsize=8)
        axes.grid(axis="x", visible=False)
    handles, names = both[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncol=len(names), bbox_to_anchor=(0.5, -0.16))
    _save(figure, folder, "throughput")


def _merged_latencies(run, cell, step):
    """Sorted [(microseconds, share of requests that took at most so long)] over all valid trials."""
    counts = {}
    for trial in run.valid_trials(cell):
        for record in trial.of("hist"):
            if record["step"] == step:
                for lowest, count in record["counts"]:
                    counts[lowest] = counts.get(lowest, 0) + count
    total, reached, points = sum(counts.values()), 0, []
    for lowest in sorted(counts):
        reached += counts[lowest]
        points.append((max(lowest, 1), reached / total))
    return points


def latency(run, folder):
    """The whole distribution a lone client sees."""
    steps = [step["name"] for step in run.steps if step["name"].endswith("-1x1")]
    figure, panels = plt.subplots(1, max(1, len(steps)), figsize=(WIDTH, 1.6), sharey=True, squeeze=False)
    colours = _colours(run)
    for axes, step in zip(panels[0], steps):
        for cell in compared(run):
            points = _merged_latencies(run, cell["name"], step)
            if points:
                axes.step([p[0] for p in points], [100 * p[1] for p in points], where="post", linewidth=1.1,
                          color=colours[cell["name"]], label=label(cell))
        axes.set_xscale("log")
        axes.set_title(step, fontsize=8)
        axes.set_xlabel("latency, µs")
    panels[0][0].set_ylabel("% of requests at most")
    handles, names = panels[0][0].get_legend_handles_labels()
    if names:
        figure.legend(handles, names, loc="lower center", ncol=len(names), bbox_to_anchor=(0.5, -0.32))
    else:
        _unfinished(panels[0][0], "not measured")
    _save(figure, folder, "latency")


def _recovery_bars(axes, run, step, kind, with_wholes, without=()):
    """One bar a system: the parts of the median trial, or its whole where the system emits no milestones."""
    cells = compared(run)[::-1]
    drawn = {}
    for y, cell in enumerate(cells):
        found = median_trial(run, cell["name"], step, kind)
        parts = [(name, ms) for name, ms in ((found[1]["parts_ms"] or {}) if found else {}).items()
                 if name not in ("ramp", "warm")]
        left = 0
        for i, (name, ms) in enumerate(parts):
            if name in without:
                continue
            drawn[name.replace("_", " ")] = axes.barh(y, ms, left=left, height=0.6, color=PART_COLOURS[i])
            left += ms
        if found and not parts and with_wholes:
            left = found[1]["whole_ms"]
            axes.barh(y, left, height=0.6, color="white", edgecolor=GREY, hatch="////")
        if parts or with_wholes:
            axes.text(left, y, " %.0f" % left if found else " n/a", va="center", fontsize=7)
        else:
            axes.text(0, y, " no parts known", va="center", fontsize=7, color="#666666")
    axes.set_yticks(range(len(cells)), [label(cell) for cell in cells] if with_wholes else [""] * len(cells))
    axes.set_ylim(-0.5, len(cells) - 0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.12)
    return drawn


def recovery(run, folder):
    """Three recoveries: left all systems on one scale, right the parts of those that tell them."""
    titles = {"kill": "leader killed, ms to the first acknowledged write",
              "stop": "leader hangs (SIGSTOP), ms to the first acknowledged write",
              "term": "leader told to stop (SIGTERM), ms to the first acknowledged write",
              "freeze-sync": "no sync of the leader's disk ends, longest time in ms without an acknowledged write",
              "cold-start": "all servers started cold, ms to the first read"}
    wanted = [step for step in run.steps if step["do"] == "cold-start" or step.get("target") == "leader"]
    count = max(1, len(wanted))
    figure, panels = plt.subplots(count, 2, figsize=(WIDTH, 1.15 * count), squeeze=False)
    for (left, right), step in zip(panels, wanted):
        kind = "cold" if step["do"] == "cold-start" else "failover"
        _recovery_bars(left, run, step["name"], kind, with_wholes=True)
        without = ("detect",) if step["do"] == "stop" else ()
        drawn = _recovery_bars(right, run, step["name"], kind, with_wholes=False, without=without)
        left.set_title(titles[step["do"]], fontsize=8, loc="left")
        title = "enlarged, after detection" if without else "enlarged"
        right.set_title(title, fontsize=8, loc="right", color="#666666")
        if drawn:
            right.legend(drawn.values(), drawn, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7,
                         handlelength=1)
    figure.tight_layout()
    _save(figure, folder, "recovery")


def timeline(run, folder):
    """Acknowledged writes in every tenth of a second round the kill of a leader, from each system's median trial."""
    kills = [step for step in run.steps if step["do"] == "kill" and step["target"] == "leader"]
    cells = compared(run)
    figure, panels = plt.subplots(len(cells), 1, figsize=(COLUMN, 0.75 * len(cells)), sharex=True, sharey=True,
                                  squeeze=False)
    colours = _colours(run)
    for axes, cell in zip(panels[:, 0], cells):
        found = median_trial(run, cell["name"], kills[0]["name"], "failover") if kills else None
        axes.set_title(label(cell), fontsize=8, loc="left", pad=2)
        axes.axvline(0, color="#D55E00", linewidth=1)
        axes.grid(visible=False)
        if found is None:
            _unfinished(axes, "not measured")
            continue
        trial, what = found
        tenths = trial.first("tenths", step=kills[0]["name"])
        fault_ns = trial.first("event", step=kills[0]["name"], code="FAULT")["ns"]
        # The last tenth is cut short by the end of the step.
        seconds = [(tenths["start_ns"] - fault_ns) / 1e9 + i / 10 for i in range(len(tenths["acked"]) - 1)]
        axes.bar(seconds, tenths["acked"][:-1], width=0.1, align="edge", color=colours[cell["name"]])
        axes.axvline(what["whole_ms"] / 1000, color="black", linewidth=0.8, linestyle=":")
    if kills:
        axes = panels[0, 0]
        axes.set_xlim(-kills[0]["before_ms"] / 1000, None)
        rate = kills[0].get("rate_per_s", 0) / 10
        for axes in panels[:, 0] if rate else ():
            axes.axhline(rate, color="black", linewidth=0.5)
            axes.set_ylim(0, 3 * rate)
    panels[-1, 0].set_xlabel("seconds since the leader was killed")
    figure.supylabel("writes acknowledged in 100 ms", fontsize=8, x=0.02)
    figure.tight_layout(h_pad=0.4)
    _save(figure, folder, "timeline")


def movement(run, folder):
    """Share of the keys that moves when a server joins, against the number of servers."""
    figure, axes = plt.subplots(figsize=(COLUMN, 1.9))
    found = placement.medians(run)
    bins = sorted({count for _, count in found})
    line = [bins[0] + (bins[-1] - bins[0]) * i / 50 for i in range(51)]
    axes.plot(line, [100 * placement.formula_join(p) for p in line], color="black", linewidth=0.8,
              label="arithmetic of (x mod p) + 1")
    axes.plot(line, [100 / (p + 1) for p in line], color="black", linewidth=0.8, linestyle=":", label="least possible")
    for i, scheme in enumerate(s for s in placement.SCHEMES if s not in ("whole", "static")):
        points = [(count, 100 * found[scheme, count]["moved_join"]) for count in bins if (scheme, count) in found]
        axes.plot([p[0] for p in points], [p[1] for p in points], "os^vDP"[i % 6], markersize=4,
                  color=PART_COLOURS[i % len(PART_COLOURS)], label=scheme)
    axes.set_ylim(0, 100)
    axes.set_xticks(bins)
    axes.set_xlabel("servers before one joins")
    axes.set_ylabel("% of keys moved")
    axes.legend(loc="center", bbox_to_anchor=(0.5, 0.47), fontsize=7, ncol=2, handlelength=1.5)
    _save(figure, folder, "movement")


def comparison(run, folder):
    for draw in (throughput, latency, recovery, timeline):
        draw(run, folder)
