#include "wire/records.h"

#include <string.h>

#include "base/assert.h"

enum { PASSWORD_BYTES = 16, ACL_ENTRY_BYTES_MIN = 12, ACL_OPEN_UNSAFE_BYTES = 27 };

void viv_stat_encode(struct viv_buffer *out, const struct viv_stat *stat)
{
    viv_buffer_reserve(out, VIV_STAT_BYTES);
    viv_jute_write_long(out, stat->czxid);
    viv_jute_write_long(out, stat->mzxid);
    viv_jute_write_long(out, stat->ctime);
    viv_jute_write_long(out, stat->mtime);
    viv_jute_write_int(out, stat->version);
    viv_jute_write_int(out, stat->cversion);
    viv_jute_write_int(out, stat->aversion);
    viv_jute_write_long(out, stat->ephemeral_owner);
    viv_jute_write_int(out, stat->data_bytes);
    viv_jute_write_int(out, stat->child_count);
    viv_jute_write_long(out, stat->pzxid);
}

void viv_stat_decode(struct viv_jute_reader *reader, struct viv_stat *stat)
{
    stat->czxid = viv_jute_read_long(reader);
    stat->mzxid = viv_jute_read_long(reader);
    stat->ctime = viv_jute_read_long(reader);
    stat->mtime = viv_jute_read_long(reader);
    stat->version = viv_jute_read_int(reader);
    stat->cversion = viv_jute_read_int(reader);
    stat->aversion = viv_jute_read_int(reader);
    stat->ephemeral_owner = viv_jute_read_long(reader);
    stat->data_bytes = viv_jute_read_int(reader);
    stat->child_count = viv_jute_read_int(reader);
    stat->pzxid = viv_jute_read_long(reader);
}

void viv_connect_request_encode(struct viv_buffer *out, const struct viv_connect_request *request)
{
    viv_jute_write_int(out, request->protocol_version);
    viv_jute_write_long(out, request->last_zxid_seen);
    viv_jute_write_int(out, request->timeout_ms);
    viv_jute_write_long(out, request->session_id);
    viv_jute_write_slice(out, request->password);
    if (request->has_read_only) {
        viv_jute_write_bool(out, request->read_only);
    }
}

/* Clients older than 3.4 omit the read-only byte; the answer carries it if and only if the request did. */
void viv_connect_request_decode(struct viv_jute_reader *reader, struct viv_connect_request *request)
{
    request->protocol_version = viv_jute_read_int(reader);
    request->last_zxid_seen = viv_jute_read_long(reader);
    request->timeout_ms = viv_jute_read_int(reader);
    request->session_id = viv_jute_read_long(reader);
    request->password = viv_jute_read_buffer(reader);
    request->has_read_only = !reader->bad && reader->rest.size > 0;
    request->read_only = request->has_read_only && viv_jute_read_bool(reader);
}

void viv_connect_response_encode(struct viv_buffer *out, const struct viv_connect_response *response)
{
    viv_jute_write_int(out, 0);
    viv_jute_write_int(out, response->timeout_ms);
    viv_jute_write_long(out, response->session_id);
    viv_jute_write_bytes(out, viv_bytes_of(response->password, PASSWORD_BYTES));
    if (response->has_read_only) {
        viv_jute_write_bool(out, response->read_only);
    }
}

void viv_connect_response_decode(struct viv_jute_reader *reader, struct viv_connect_response *response)
{
    viv_jute_read_int(reader);
    response->timeout_ms = viv_jute_read_int(reader);
    response->session_id = viv_jute_read_long(reader);
    struct viv_jute_slice password = viv_jute_read_buffer(reader);
    memset(response->password, 0, PASSWORD_BYTES);
    if (password.bytes.size != PASSWORD_BYTES) {
        reader->bad = true;
    } else {
        memcpy(response->password, password.bytes.data, PASSWORD_BYTES);
    }
    response->has_read_only = !reader->bad && reader->rest.size > 0;
    response->read_only = response->has_read_only && viv_jute_read_bool(reader);
}

void viv_request_header_encode(struct viv_buffer *out, const struct viv_request_header *header)
{
    viv_jute_write_int(out, header->xid);
    viv_jute_write_int(out, header->type);
}

void viv_request_header_decode(struct viv_jute_reader *reader, struct viv_request_header *header)
{
    header->xid = viv_jute_read_int(reader);
    header->type = viv_jute_read_int(reader);
}

void viv_reply_header_encode(struct viv_buffer *out, const struct viv_reply_header *header)
{
    viv_jute_write_int(out, header->xid);
    viv_jute_write_long(out, header->zxid);
    viv_jute_write_int(out, header->err);
}

void viv_reply_header_decode(struct viv_jute_reader *reader, struct viv_reply_header *header)
{
    header->xid = viv_jute_read_int(reader);
    header->zxid = viv_jute_read_long(reader);
    header->err = viv_jute_read_int(reader);
}

void viv_multi_header_encode(struct viv_buffer *out, const struct viv_multi_header *header)
{
    viv_jute_write_int(out, header->type);
    viv_jute_write_bool(out, header->done);
    viv_jute_write_int(out, header->err);
}

void viv_multi_header_decode(struct viv_jute_reader *reader, struct viv_multi_header *header)
{
    header->type = viv_jute_read_int(reader);
    header->done = viv_jute_read_bool(reader);
    header->err = viv_jute_read_int(reader);
}

void viv_watcher_event_encode(struct viv_buffer *out, const struct viv_watcher_event *event)
{
    viv_jute_write_int(out, event->type);
    viv_jute_write_int(out, event->state);
    viv_jute_write_bytes(out, event->path);
}

void viv_watcher_event_decode(struct viv_jute_reader *reader, struct viv_watcher_event *event)
{
    event->type = viv_jute_read_int(reader);
    event->state = viv_jute_read_int(reader);
    event->path = viv_jute_read_buffer(reader).bytes;
}

void viv_create_request_encode(struct viv_buffer *out, const struct viv_create_request *request, enum viv_op op)
{
    viv_jute_write_slice(out, request->path);
    viv_jute_write_slice(out, request->data);
    viv_buffer_append_bytes(out, request->acl);
    viv_jute_write_int(out, request->flags);
    if (op == VIV_OP_CREATE_TTL) {
        viv_jute_write_long(out, request->ttl_ms);
    }
}

void viv_create_request_decode(struct viv_jute_reader *reader, struct viv_create_request *request, enum viv_op op)
{
    request->path = viv_jute_read_buffer(reader);
    request->data = viv_jute_read_buffer(reader);
    request->acl = viv_acl_list_read(reader);
    request->flags = viv_jute_read_int(reader);
    request->ttl_ms = op == VIV_OP_CREATE_TTL ? viv_jute_read_long(reader) : -1;
}

void viv_path_version_request_encode(struct viv_buffer *out, const struct viv_path_version_request *request)
{
    viv_jute_write_slice(out, request->path);
    viv_jute_write_int(out, request->version);
}

void viv_path_version_request_decode(struct viv_jute_reader *reader, struct viv_path_version_request *request)
{
    request->path = viv_jute_read_buffer(reader);
    request->version = viv_jute_read_int(reader);
}

void viv_path_watch_request_encode(struct viv_buffer *out, const struct viv_path_watch_request *request)
{
    viv_jute_write_slice(out, request->path);
    viv_jute_write_bool(out, request->watch);
}

void viv_path_watch_request_decode(struct viv_jute_reader *reader, struct viv_path_watch_request *request)
{
    request->path = viv_jute_read_buffer(reader);
    request->watch = viv_jute_read_bool(reader);
}

void viv_set_data_request_encode(struct viv_buffer *out, const struct viv_set_data_request *request)
{
    viv_jute_write_slice(out, request->path);
    viv_jute_write_slice(out, request->data);
    viv_jute_write_int(out, request->version);
}

void viv_set_data_request_decode(struct viv_jute_reader *reader, struct viv_set_data_request *request)
{
    request->path = viv_jute_read_buffer(reader);
    request->data = viv_jute_read_buffer(reader);
    request->version = viv_jute_read_int(reader);
}

void viv_set_acl_request_encode(struct viv_buffer *out, const struct viv_set_acl_request *request)
{
    viv_jute_write_slice(out, request->path);
    viv_buffer_append_bytes(out, request->acl);
    viv_jute_write_int(out, request->version);
}

void viv_set_acl_request_decode(struct viv_jute_reader *reader, struct viv_set_acl_request *request)
{
    request->path = viv_jute_read_buffer(reader);
    request->acl = viv_acl_list_read(reader);
    request->version = viv_jute_read_int(reader);
}

void viv_reconfig_request_encode(struct viv_buffer *out, const struct viv_reconfig_request *request)
{
    viv_jute_write_slice(out, request->joining);
    viv_jute_write_slice(out, request->leaving);
    viv_jute_write_slice(out, request->members);
    viv_jute_write_long(out, request->version);
}

void viv_reconfig_request_decode(struct viv_jute_reader *reader, struct viv_reconfig_request *request)
{
    request->joining = viv_jute_read_buffer(reader);
    request->leaving = viv_jute_read_buffer(reader);
    request->members = viv_jute_read_buffer(reader);
    request->version = viv_jute_read_long(reader);
}

void viv_children_page_request_encode(struct viv_buffer *out, const struct viv_children_page_request *request)
{
    viv_jute_write_slice(out, request->path);
    viv_jute_write_long(out, request->cursor);
    viv_jute_write_int(out, request->names_max);
}

void viv_children_page_request_decode(struct viv_jute_reader *reader, struct viv_children_page_request *request)
{
    request->path = viv_jute_read_buffer(reader);
    request->cursor = viv_jute_read_long(reader);
    request->names_max = viv_jute_read_int(reader);
}

void viv_children_page_encode(struct viv_buffer *out, const struct viv_children_page *page)
{
    viv_jute_write_long(out, page->cursor);
    viv_jute_write_int(out, page->name_count);
}

void viv_children_page_decode(struct viv_jute_reader *reader, struct viv_children_page *page)
{
    page->cursor = viv_jute_read_long(reader);
    page->name_count = viv_jute_read_count(reader, 4);
}

void viv_acl_entry_encode(struct viv_buffer *out, const struct viv_acl_entry *entry)
{
    viv_jute_write_int(out, entry->perms);
    viv_jute_write_slice(out, entry->scheme);
    viv_jute_write_slice(out, entry->id);
}

void viv_acl_entry_decode(struct viv_jute_reader *reader, struct viv_acl_entry *entry)
{
    entry->perms = viv_jute_read_int(reader);
    entry->scheme = viv_jute_read_buffer(reader);
    entry->id = viv_jute_read_buffer(reader);
}

struct viv_bytes viv_acl_list_read(struct viv_jute_reader *reader)
{
    const uint8_t *start = reader->rest.data;
    int32_t count = viv_jute_read_count(reader, ACL_ENTRY_BYTES_MIN);
    for (int32_t i = 0; i < count && !reader->bad; i++) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(reader, &entry);
    }
    if (reader->bad) {
        return (struct viv_bytes){0};
    }
    return viv_bytes_of(start, (size_t)(reader->rest.data - start));
}

struct viv_bytes viv_acl_open_unsafe(void)
{
    static const char list[] = "\0\0\0\1\0\0\0\37\0\0\0\5world\0\0\0\6anyone";

    _Static_assert(sizeof list - 1 == ACL_OPEN_UNSAFE_BYTES, "one entry: perms, scheme, id");
    return viv_bytes_of(list, sizeof list - 1);
}
