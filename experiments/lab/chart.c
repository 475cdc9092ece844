#include "experiments/lab/chart.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 560, HEIGHT = 300, LEFT = 64, RIGHT = 16, TOP = 34, BOTTOM = 44, EVEN_TICKS = 5 };

const char *viv_series_colour(size_t series)
{
    static const char *const colours[VIV_SERIES_COLOURS] = {"#2563eb", "#059669", "#d97706",
                                                            "#be185d", "#475569", "#7c3aed"};
    return colours[series % VIV_SERIES_COLOURS];
}

void viv_html_text(struct viv_buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            viv_buffer_printf(out, "&lt;");
            break;
        case '>':
            viv_buffer_printf(out, "&gt;");
            break;
        case '&':
            viv_buffer_printf(out, "&amp;");
            break;
        case '"':
            viv_buffer_printf(out, "&quot;");
            break;
        default:
            viv_buffer_append(out, text, 1);
        }
    }
}

/* Place of a value on an axis, 0 to 1. */
static double place(const struct viv_axis *axis, double value)
{
    double low = axis->is_log ? log10(axis->min) : axis->min;
    double high = axis->is_log ? log10(axis->max) : axis->max;
    double at = axis->is_log ? log10(value > axis->min ? value : axis->min) : value;
    double share = (at - low) / (high - low);
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static double x_of(const struct viv_chart *chart, double value)
{
    return LEFT + place(&chart->x, value) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct viv_chart *chart, double value)
{
    return HEIGHT - BOTTOM - place(&chart->y, value) * (HEIGHT - TOP - BOTTOM);
}

static void short_number(double value, char *text, size_t size)
{
    if (value >= 1e6) {
        snprintf(text, size, "%gM", value / 1e6);
    } else if (value >= 1e3) {
        snprintf(text, size, "%gk", value / 1e3);
    } else {
        snprintf(text, size, "%g", value);
    }
}

static void x_tick(const struct viv_chart *chart, double at, const char *text)
{
    viv_buffer_printf(chart->out,
                      "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      x_of(chart, at), TOP, x_of(chart, at), HEIGHT - BOTTOM, x_of(chart, at), HEIGHT - BOTTOM + 15,
                      text);
}

static void y_tick(const struct viv_chart *chart, double at)
{
    char text[32];
    short_number(at, text, sizeof text);
    viv_buffer_printf(chart->out,
                      "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                      LEFT, y_of(chart, at), WIDTH - RIGHT, y_of(chart, at), LEFT - 6, y_of(chart, at) + 4, text);
}

/* A round step that gives about EVEN_TICKS ticks: 1, 2 or 5 times a power of ten. */
static double round_step(double range)
{
    double raw = range / EVEN_TICKS;
    double power = pow(10, floor(log10(raw)));
    double lead = raw / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static void y_ticks(const struct viv_chart *chart)
{
    if (chart->y.is_log) {
        for (double at = pow(10, ceil(log10(chart->y.min))); at <= chart->y.max * 1.001; at *= 10) {
            y_tick(chart, at);
        }
        return;
    }
    double step = round_step(chart->y.max - chart->y.min);
    for (double at = ceil(chart->y.min / step) * step; at <= chart->y.max * 1.001; at += step) {
        y_tick(chart, at);
    }
}

void viv_chart_begin(const struct viv_chart *chart, const char *title, const struct viv_tick *x_ticks,
                     size_t x_tick_count)
{
    viv_buffer_printf(chart->out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><text class=\"title\" x=\"%d\" y=\"16\">",
                      WIDTH, HEIGHT, LEFT);
    viv_html_text(chart->out, title);
    viv_buffer_printf(chart->out, "</text>\n");
    y_ticks(chart);
    for (size_t i = 0; i < x_tick_count; i++) {
        x_tick(chart, x_ticks[i].at, x_ticks[i].text);
    }
    if (x_ticks == NULL) {
        double step = round_step(chart->x.max - chart->x.min);
        for (double at = ceil(chart->x.min / step) * step; at <= chart->x.max + step / 1000; at += step) {
            char text[32];
            short_number(fabs(at) < step / 1000 ? 0 : at, text, sizeof text);
            x_tick(chart, at, text);
        }
    }
    viv_buffer_printf(chart->out,
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>"
                      "<text transform=\"translate(13 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                      LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 8, chart->x.title, TOP + (HEIGHT - TOP - BOTTOM) / 2,
                      chart->y.title);
}

void viv_chart_line(const struct viv_chart *chart, size_t series, const double *x, const double *y, size_t count)
{
    viv_buffer_printf(chart->out, "<polyline class=\"line\" stroke=\"%s\" points=\"", viv_series_colour(series));
    for (size_t i = 0; i < count; i++) {
        viv_buffer_printf(chart->out, "%.1f,%.1f ", x_of(chart, x[i]), y_of(chart, y[i]));
    }
    viv_buffer_printf(chart->out, "\"/>\n");
}

void viv_chart_mark(const struct viv_chart *chart, size_t series, double x, const char *word, bool is_dashed)
{
    viv_buffer_printf(chart->out,
                      "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\"%s/>"
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" style=\"fill:%s\">%s</text>\n",
                      x_of(chart, x), TOP, x_of(chart, x), HEIGHT - BOTTOM, viv_series_colour(series),
                      is_dashed ? " stroke-dasharray=\"3 3\"" : "", x_of(chart, x), TOP - 4, viv_series_colour(series),
                      word);
}

void viv_chart_end(const struct viv_chart *chart)
{
    viv_buffer_printf(chart->out, "</svg>\n");
}
