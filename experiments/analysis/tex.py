"""Text for LaTeX: escaped; numbers with three significant digits; tables; the file of numbers that the text quotes."""

import math

MISSING = "n/a"
_SPECIAL = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
            "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "µ": r"\textmu{}", "±": r"$\pm$",
            "<": r"\textless{}", ">": r"\textgreater{}", "é": r"\'e", "·": r"$\cdot$"}


def escape(text):
    return "".join(_SPECIAL.get(character, character) for character in str(text))


def number(value):
    """Three significant digits, thousands apart: 103 000, 312, 4.53."""
    if value is None or math.isnan(value):
        return MISSING
    if value == 0 or (isinstance(value, int) and abs(value) < 1000):
        return "%d" % value
    if abs(value) >= 1000:
        unit = 10 ** max(0, math.floor(math.log10(abs(value))) - 2)
        return "{:,}".format(int(round(value / unit) * unit)).replace(",", r"\,")
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return "%.*f" % (digits, value)


def count(value):
    """All digits: 1 259 006."""
    return MISSING if value is None else "{:,}".format(value).replace(",", r"\,")


def percent(share):
    if share is None:
        return MISSING
    return r"%.*f\,\%%" % (0 if abs(share) >= 0.1 or share == 0 else 1, 100 * share)


def interval(pair):
    return "" if pair is None else "[%s, %s]" % (number(pair[0]), number(pair[1]))


def table(columns, head, lines):
    """A tabular. `lines` are lists of cells, or a string that spans the table as a heading."""
    text = [r"\begin{tabular}{%s}" % columns, r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    for line in lines:
        if isinstance(line, str):
            text.append(r"\addlinespace[2pt]\multicolumn{%d}{@{}l}{\itshape %s} \\" % (len(head), line))
        else:
            text.append(" & ".join(line) + r" \\")
    return "\n".join(text + [r"\bottomrule", r"\end{tabular}", ""])


class Numbers:
    r"""What the text may quote, as \V{key}. A key that is not defined stops LaTeX."""

    def __init__(self):
        self.values = {}

    def set(self, key, text):
        if key in self.values:
            raise ValueError("%s is defined twice" % key)
        self.values[key] = text

    def render(self):
        lines = [r"\newcommand{\defineV}[2]{\expandafter\def\csname V:#1\endcsname{#2}}",
                 r"\newcommand{\V}[1]{\ifcsname V:#1\endcsname\csname V:#1\endcsname"
                 r"\else\PackageError{vivarium}{no number called #1}{}\fi}"]
        lines += [r"\defineV{%s}{%s}" % (key, self.values[key]) for key in sorted(self.values)]
        return "\n".join(lines) + "\n"
