#ifndef VIV_CLI_TABLE_H
#define VIV_CLI_TABLE_H

#include <jansson.h>

/* JSON as a person reads it: plain members as lines, a list of objects as a table with a column for every member, an
 * object within one as columns of its own. Knows no names: what a server of another version tells is shown too. */

/* At most `rows_max` rows of each table; members called "command" and "error" are left out. */
void viv_cli_table_print(const json_t *object, size_t rows_max);

#endif /* VIV_CLI_TABLE_H */
