"""Tables and quoted numbers of a comparison of systems."""

import tex
from measures import compared, median_trial, read, reference, rows

# The cells that the text names; a run that lacks one prints n/a for it.
SYSTEMS = {"flat": "flat", "lmdb-wal": "lmdb-wal", "rocksdb-wal": "rocksdb-wal", "zookeeper": "ZooKeeper"}
STEPS = ("set-16x100", "get-16x100", "create-16x100", "set-1x1", "get-1x1", "create-1x1", "kill-leader", "stop-leader",
         "restart-follower", "cold-start")
NAMES = ("throughput", "p50", "p99", "cpu", "silence", "full", "back", "cold", "memory", "disk")
PARTS = ("detect", "elect", "discover", "sync", "activate", "reconnect", "ramp")
VERDICTS = {"higher": "higher than", "lower": "lower than", "same": "not told apart from", None: "not comparable with"}
# Where the paper splits the table.
SECTIONS = {
    "load": lambda row: row.measure.name in (("p50", "p99") if is_lone(row) else ("throughput", "cpu")),
    "recovery": lambda row: row.measure.unit in ("ms", "MB"),
}


def is_lone(row):
    return row.step.endswith("-1x1")


def label(cell):
    return SYSTEMS.get(cell["label"], cell["label"])


def _value(row, cell, base):
    """Two lines of a table: the median with its ratio, and the interval."""
    middle = row.median(cell)
    if middle is None:
        return tex.MISSING, ""
    text = tex.number(middle)
    if cell != base and row.ratio(cell, base) is not None:
        same = row.verdict(cell, base) == "same"
        text += r" {\footnotesize(%s)}" % ("same" if same else r"$\times$" + tex.number(row.ratio(cell, base)[0]))
    below = tex.interval(row.interval(cell)) or "%d of the trials" % len(row.values[cell])
    return text, r"{\scriptsize %s}" % below


def comparison(run, section):
    """One table: a pair of lines a measure, a column a system, and the noise floor."""
    cells, base = compared(run), reference(run)
    lines, step = [], None
    for row in filter(SECTIONS[section], rows(run)):
        if row.step != step:
            lines.append(tex.escape(row.step))
            step = row.step
        pairs = [_value(row, cell["name"], base) for cell in cells]
        noise = r"$\pm$" + tex.percent(row.noise) if row.noise is not None else "--"
        lines.append([r"%s (%s)" % (tex.escape(row.measure.label), tex.escape(row.measure.unit))]
                     + [pair[0] for pair in pairs] + [noise])
        lines.append([""] + [pair[1] for pair in pairs] + [""])
    return tex.table("@{}l%sr@{}" % ("r" * len(cells)), [""] + [tex.escape(label(c)) for c in cells] + ["noise"], lines)


def _parts(run, cell, step):
    found = median_trial(run, cell, step, "failover")
    return (found[1].get("parts_ms") or {}) if found else {}


def quote_comparison(run, numbers):
    """Every figure the text may quote: CELL/STEP/NAME and, beside it, its interval, ratio and verdict."""
    base = reference(run)
    known = {(row.step, row.measure.name): row for row in rows(run)}
    for cell in SYSTEMS:
        for step in STEPS:
            for name in NAMES:
                _quote(numbers, "%s/%s/%s" % (cell, step, name), known.get((step, name)), cell, base)
        created = known.get(("create-1x1", "p50"))
        middle = created.median(cell) if created else None
        numbers.set(cell + "/create-1x1/p50-ms", tex.number(middle / 1000 if middle else None))
        for step in ("kill-leader", "stop-leader"):
            parts = _parts(run, cell, step)
            whole = sum(ms for part, ms in parts.items() if part != "ramp")
            for part in PARTS:
                numbers.set("%s/%s/part/%s" % (cell, step, part), tex.number(parts.get(part)))
            numbers.set("%s/%s/detect-share" % (cell, step), tex.percent(parts["detect"] / whole if whole else None))
            numbers.set("%s/%s/agree" % (cell, step), tex.number(
                sum(parts[part] for part in ("elect", "discover", "sync", "activate")) if parts else None))


def quote_outages(run, numbers):
    """Of the run at default settings, which may be absent: failover/CELL/STEP/silence, and the sizes of the run."""
    base = reference(run) if run else None
    known = {(row.step, row.measure.name): row for row in rows(run)} if run else {}
    for cell in SYSTEMS:
        for step in ("kill-leader", "stop-leader", "freeze-sync-leader"):
            _quote(numbers, "failover/%s/%s/silence" % (cell, step), known.get((step, "silence")), cell, base)
    numbers.set("failover/trials", str(run.plan["trials"]) if run else tex.MISSING)
    numbers.set("failover/tick", tex.number(run.cells[0]["tick_ms"] if run else None))
    numbers.set("failover/patience",
                tex.number(run.cells[0]["tick_ms"] * run.cells[0]["sync_limit_ticks"] if run else None))


def _quote(numbers, key, row, cell, base):
    ratio = row.ratio(cell, base) if row else None
    numbers.set(key, tex.number(row.median(cell) if row else None))
    numbers.set(key + "/interval", tex.interval(row.interval(cell)) if row and row.interval(cell) else tex.MISSING)
    numbers.set(key + "/x", tex.number(ratio[0] if ratio else None))
    numbers.set(key + "/x-interval", tex.interval(ratio[1:]) if ratio else tex.MISSING)
    numbers.set(key + "/verdict", VERDICTS[row.verdict(cell, base) if row else None])


def quote_run(run, numbers, prefix):
    """What was run, on what, and how well the run knows itself."""
    noises = [row.noise for row in rows(run) if row.noise is not None]
    commit = run.provenance["build"]["commit"] or "unknown"
    checks = {name: sum(trial.summary[name] for trial in run.trials)
              for name in ("checked", "lost_acked", "violations")}
    latency = run.calibration["fdatasync_4k"]
    loopback = run.calibration["loopback_round_trip"]
    facts = {
        "plan": tex.escape(run.plan["name"]),
        "question": tex.escape(run.plan["question"]),
        "trials": str(run.plan["trials"]),
        "trials-valid": str(sum(trial.valid for trial in run.trials)),
        "trials-all": str(len(run.trials)),
        "started": tex.escape(run.provenance["started_utc"].replace("T", " ").replace("Z", " UTC")),
        "date": tex.escape(run.provenance["started_utc"][:10]),
        "commit": tex.escape(commit[:8] + (", with changes not committed" if run.provenance["build"]["dirty"] else "")),
        "vivarium-version": tex.escape(run.provenance["systems"].get("vivarium", "not run")),
        "zookeeper-version": tex.escape(run.provenance["systems"].get("zookeeper", "not run")),
        "cpus": str(run.provenance["hardware"]["cpus_online"]),
        "cpu-model": tex.escape(run.provenance["hardware"]["cpu_model"]),
        "memory-gb": tex.number(run.provenance["hardware"]["memory_gb"]),
        "kernel": tex.escape(run.provenance["kernel"]["release"]),
        "distribution": tex.escape(run.provenance["kernel"]["distribution"]),
        "filesystem": tex.escape(run.provenance["disk"].get("filesystem", "an unnamed filesystem")),
        "sync-p50-us": tex.number(latency["p50_us"]),
        "sync-p99-us": tex.number(latency["p99_us"]),
        "loopback-p50-us": tex.number(loopback["p50_us"]),
        "steal-max": "%.1f" % max(trial.summary["steal_pct"] for trial in run.trials),
        "noise-median": tex.percent(sorted(noises)[len(noises) // 2] if noises else None),
        "noise-max": tex.percent(max(noises) if noises else None),
        "checked": tex.count(checks["checked"]),
        "lost": str(checks["lost_acked"]),
        "violations": str(checks["violations"]),
        "failures": failures(run),
    }
    for key, text in list(facts.items()) + list(_load_facts(run).items()):
        numbers.set("%s/%s" % (prefix, key), text)


def _load_facts(run):
    """What the servers were asked: of the first saturated load and the first fault."""
    load = next((step for step in run.steps if step["do"] == "load" and step["clients"] * step["pipeline"] > 1), {})
    kill = next((step for step in run.steps if step["do"] == "kill"), {})
    setups = [trial.of("setup")[0]["znodes"] for trial in run.trials if trial.of("setup")]
    return {
        "servers": str(run.cells[0]["servers"]),
        "value": tex.number(run.cells[0]["value_bytes"]),
        "znodes": tex.count(setups[0] if setups else None),
        "clients": tex.number(load.get("clients")),
        "pipeline": tex.number(load.get("pipeline")),
        "kill-rate": tex.number(kill.get("rate_per_s")),
        "measure-max": "%g" % (max(step.get("measure_ms", 0) for step in run.steps) / 1000),
    }


def failures(run):
    """Trials that do not count, with their reasons: never left out."""
    found = ["%s, trial %d: %s" % (trial.cell, trial.number, trial.why) for trial in run.trials if not trial.valid]
    present = {(trial.cell, trial.number) for trial in run.trials}
    found += ["%s, trial %d: absent" % (slot["cell"], slot["trial"]) for slot in run.plan["order"]
              if (slot["cell"], slot["trial"]) not in present]
    if not found:
        return "Every trial was valid."
    return "Not counted: " + "; ".join(tex.escape(text) for text in found) + "."


def fairness(run):
    """What every system was given. A difference that remains is visible here."""
    cells = compared(run)
    facts = (
        ("version", lambda cell: tex.escape(program(run, cell))),
        ("servers", lambda cell: str(cell["servers"])),
        ("every write synced", lambda cell: "yes" if cell["durability"] == "sync" else "no"),
        ("entries per snapshot", lambda cell: tex.number(cell["snapshot_entries"])),
        ("heap limit", lambda cell: "%d\\,MiB" % (cell["heap_bytes"] >> 20) if cell.get("heap_bytes") else "none"),
        ("tick (ms)", lambda cell: tex.number(cell["tick_ms"])),
        ("patience with a leader (ms)",
         lambda cell: tex.number(cell["tick_ms"] * cell["sync_limit_ticks"])),
        ("value (bytes)", lambda cell: tex.number(cell["value_bytes"])),
        ("valid trials", lambda cell: "%d of %d" % (len(run.valid_trials(cell["name"])), run.plan["trials"])),
    )
    lines = [[name] + [read_fact(cell) for cell in cells] for name, read_fact in facts]
    return tex.table("@{}l%s@{}" % ("r" * len(cells)), [""] + [tex.escape(label(cell)) for cell in cells], lines)


def program(run, cell):
    """The version of a cell's server, without the name that heads its column and the packager's suffix."""
    words = run.provenance["systems"].get(cell["system"], tex.MISSING).split(",")[0].split()
    return words[-1].split("-")[0]


def noise(run):
    """Both cells of the identical pair side by side."""
    pair = run.control_pair()
    if pair is None:
        return "This plan has no pair of identical cells.\n"
    lines = []
    for row in rows(run):
        if row.noise is None:
            continue
        figure = "%s (%s)" % (tex.escape(row.measure.label), tex.escape(row.measure.unit))
        lines.append([tex.escape(row.step), figure, tex.number(row.median(pair[0])), tex.number(row.median(pair[1])),
                      r"$\pm$" + tex.percent(row.noise)])
    return tex.table("@{}llrrr@{}", ["step", "figure", "once", "again", "noise"], lines)


def trial_values(run, cell, step, measure):
    """The single trials behind a median."""
    numbers = [read(trial, step, measure) for trial in run.valid_trials(cell)]
    return [value for value in numbers if value is not None]
