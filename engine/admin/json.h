#ifndef VIV_ADMIN_JSON_H
#define VIV_ADMIN_JSON_H

#include "base/bytes.h"

/* Writes JSON into a buffer as it comes, in the layout of ZooKeeper's AdminServer (two blanks a level, `"key" : value`,
 * lists on one line), so that scripts which cut lines find theirs. Pieces may go to different buffers: what stays
 * between two calls is how deep it is. Keys and texts may be any bytes; what is not UTF-8 is written as U+FFFD. */

enum { VIV_JSON_DEPTH_MAX = 8 };

struct viv_json {
    unsigned depth;
    bool is_list[VIV_JSON_DEPTH_MAX];
    bool has_items[VIV_JSON_DEPTH_MAX];
};

/* key: NULL inside lists, and for the outermost value. */
void viv_json_open(struct viv_json *json, struct viv_buffer *out, const char *key);
void viv_json_open_list(struct viv_json *json, struct viv_buffer *out, const char *key);
/* The same with a key that is data. */
void viv_json_open_list_of(struct viv_json *json, struct viv_buffer *out, struct viv_bytes key);
/* Ends the innermost object or list. */
void viv_json_close(struct viv_json *json, struct viv_buffer *out);
void viv_json_bytes(struct viv_json *json, struct viv_buffer *out, const char *key, struct viv_bytes text);
void viv_json_text(struct viv_json *json, struct viv_buffer *out, const char *key, const char *text);
void viv_json_integer(struct viv_json *json, struct viv_buffer *out, const char *key, int64_t value);
void viv_json_bool(struct viv_json *json, struct viv_buffer *out, const char *key, bool value);
void viv_json_null(struct viv_json *json, struct viv_buffer *out, const char *key);
/* A number, or anything else that is JSON as it stands. */
void viv_json_literal(struct viv_json *json, struct viv_buffer *out, const char *key, const char *text);

#endif /* VIV_ADMIN_JSON_H */
