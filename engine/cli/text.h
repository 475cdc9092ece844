#ifndef VIV_CLI_TEXT_H
#define VIV_CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "wire/records.h"

/* Bytes of strangers on a terminal and in JSON. A terminal obeys control characters: text is printed as it is only
 * when it is UTF-8 without any but newline and tab; else every byte that is not printable ASCII becomes \xNN, and a
 * backslash two. In JSON text is a string, and other bytes are base64 under another key. */

bool viv_cli_is_text(struct viv_bytes bytes);
void viv_cli_print_text(struct viv_bytes bytes);
/* The same, appended. */
void viv_cli_append_text(struct viv_buffer *out, struct viv_bytes bytes);
void viv_cli_append_base64(struct viv_buffer *out, struct viv_bytes bytes);
/* False: it is not base64. */
bool viv_cli_read_base64(struct viv_bytes text, struct viv_buffer *out);

/* A JSON string: as it is when it is UTF-8, else with the escapes of the terminal. For paths and names. */
json_t *viv_cli_json_text(struct viv_bytes bytes);
/* Sets "data" to a string or null, or "data_base64" when it is not UTF-8. */
void viv_cli_json_set_data(json_t *object, struct viv_jute_slice data);
/* "0x1f": numbers of 64 bits do not survive most JSON readers. */
json_t *viv_cli_json_hex(int64_t value);
json_t *viv_cli_json_stat(const struct viv_stat *stat);
/* The eleven lines of zkCli. */
void viv_cli_print_stat(const struct viv_stat *stat);

#endif /* VIV_CLI_TEXT_H */
