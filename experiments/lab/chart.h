#ifndef VIV_EXPERIMENTS_LAB_CHART_H
#define VIV_EXPERIMENTS_LAB_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Line charts as inline SVG: two axes with ticks, lines, vertical marks. Knows numbers, not what they mean. */

struct viv_axis {
    double min, max; /* min < max; above 0 when is_log */
    bool is_log;
    const char *title;
};

struct viv_chart {
    struct viv_buffer *out;
    struct viv_axis x, y;
};

enum { VIV_SERIES_COLOURS = 6 };

/* Colour of a series, the same in every chart: "#2563eb". */
const char *viv_series_colour(size_t series);

/* Opens the picture and draws frame, grid and ticks. `x_ticks`: text and place of each tick, or NULL for even ones. */
struct viv_tick {
    double at;
    const char *text;
};
void viv_chart_begin(const struct viv_chart *chart, const char *title, const struct viv_tick *x_ticks,
                     size_t x_tick_count);
/* A line through points; points outside the axes are clipped to them. */
void viv_chart_line(const struct viv_chart *chart, size_t series, const double *x, const double *y, size_t count);
/* A vertical mark with a word at its top. */
void viv_chart_mark(const struct viv_chart *chart, size_t series, double x, const char *word, bool is_dashed);
void viv_chart_end(const struct viv_chart *chart);

/* Text for HTML and SVG: < > & " are replaced. */
void viv_html_text(struct viv_buffer *out, const char *text);

#endif /* VIV_EXPERIMENTS_LAB_CHART_H */
