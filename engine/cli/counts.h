#ifndef VIV_CLI_COUNTS_H
#define VIV_CLI_COUNTS_H

#include <jansson.h>

/* Lists of a server's answers counted and put in order, for `top`. Plain JSON in and out. */

/* Of an object whose members are lists: [{name_key: its key, count_key: its length}, ...], longest first, at most
 * `rows_max`. Keys that are whole numbers become such. A new reference. */
json_t *viv_cli_count_lists(const json_t *object, const char *name_key, const char *count_key, size_t rows_max);
/* Gives every object of `rows` the length of the list that `object` has under its `name_key`, 0 without one. */
void viv_cli_count_into(json_t *rows, const json_t *object, const char *name_key, const char *count_key);
/* Puts every list of objects in `answer` that has this member in descending order of it. */
void viv_cli_sort_by(json_t *answer, const char *member);

#endif /* VIV_CLI_COUNTS_H */
